"""Addresses of Redis: one server, a master that Sentinels know, or the part of a Cluster that holds our keys."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

Kind = Literal["server", "sentinel", "cluster"]

SCHEMES = ("redis", "rediss", "unix", "sentinel", "sentinels", "cluster", "clusters")
"""Each scheme with an s at its end is the one before it over TLS."""
DEFAULT_MASTER = "mymaster"
_PORTS = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_OURS = ("master_name", "sentinel_username", "sentinel_password")


class RedisUrl(msgspec.Struct, frozen=True, kw_only=True):
    """An address that was read.

    ``hosts`` are those that are asked: the server itself, the Sentinels, or some nodes of the Cluster. ``plain`` is the
    URL of the first of them as redis-py reads it, with the credentials and the options of the master.
    """

    kind: Kind
    plain: str
    hosts: tuple[tuple[str, int], ...] = ()
    tls: bool = False
    master_name: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""

    @property
    def place(self) -> tuple[object, ...]:
        """What two URLs of the same database have in common."""
        parts = urlsplit(self.plain)
        if parts.scheme == "unix":
            return ("unix", parts.path, dict(parse_qsl(parts.query)).get("db", "0"))
        return (self.kind, frozenset(self.hosts), self.master_name, parts.path.strip("/") or "0")

    def at(self, host: str, port: int) -> str:
        """The URL, as redis-py reads it, of another host with the same credentials and options."""
        parts = urlsplit(self.plain)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}{_joined(host, port)}"))


def scheme_of(url: str) -> str:
    """The scheme of a URL, in lower case."""
    return url.partition("://")[0].lower()


def kind_of(url: str) -> Kind:
    """Which kind of Redis a URL with one of ``SCHEMES`` names."""
    scheme = scheme_of(url)
    return "sentinel" if scheme.startswith("sentinel") else "cluster" if scheme.startswith("cluster") else "server"


def split_url(url: str) -> SplitResult:
    """As ``urlsplit``, for several hosts too; that of newer Pythons refuses a bracket behind the first of them.

    Raises ValueError.
    """
    scheme, _, rest = url.partition("://")
    netloc = re.split("[/?#]", rest, maxsplit=1)[0]
    if "," not in netloc:
        return urlsplit(url)
    user, at, hosts = netloc.rpartition("@")
    for host in hosts.split(","):
        urlsplit(f"{scheme}://{user}{at}{host}")
    return urlsplit(f"{scheme}://{rest[len(netloc) :]}")._replace(netloc=netloc)


def read_redis_url(url: str) -> RedisUrl:
    """Read a URL. Raises ValueError, whose text holds no password, for one that is none."""
    scheme, kind = scheme_of(url), kind_of(url)
    if scheme not in SCHEMES:
        raise ValueError(f"accepted: {', '.join(SCHEMES)}://")
    parts = split_url(url)
    if scheme == "unix":
        return RedisUrl(kind="server", plain=url)
    tls = scheme in ("rediss", "sentinels", "clusters")
    user, at, netloc = parts.netloc.rpartition("@")
    hosts = tuple(_host(part, _PORTS[kind]) for part in netloc.split(","))
    if kind == "server":
        return RedisUrl(kind=kind, plain=url, hosts=hosts[:1], tls=tls)
    query = parse_qsl(parts.query)
    given = {name: value for name, value in query if name in _OURS}
    database = parts.path.strip("/")
    if kind == "cluster" and (given or database not in ("", "0")):
        raise ValueError("a Cluster has database 0 alone and no master_name")
    plain = parts._replace(
        scheme="rediss" if tls else "redis",
        netloc=f"{user}{at}{_joined(*hosts[0])}",
        query=urlencode([(name, value) for name, value in query if name not in _OURS]),
    )
    if kind == "sentinel":
        given.setdefault("master_name", DEFAULT_MASTER)
    return RedisUrl(kind=kind, plain=urlunsplit(plain), hosts=hosts, tls=tls, **given)


def hash_tag(key: str) -> str:
    """The part of a key that decides its slot in a Cluster; '' where that is the whole key."""
    _, opened, rest = key.partition("{")
    tag, closed, _ = rest.partition("}")
    return tag if opened and closed else ""


def _host(text: str, port: int) -> tuple[str, int]:
    host, colon, number = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, number = text, str(port)
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise ValueError(f"{number!r} is not a port")
    return host.strip("[]") or "localhost", int(number)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
