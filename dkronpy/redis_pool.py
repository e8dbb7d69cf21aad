"""Connections to Redis by its URL. Behind Sentinels and in a Cluster they follow the master wherever it goes.

All keys of a deployment lie in one slot of a Cluster, so that there, too, one server at a time is asked, and everything
that works on one server works: steps in Lua, transactions, waiting for a message. A connection that finds its server
demoted, or its slot moved, closes with a ConnectionError; the next one asks anew where the master is.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import redis
import redis.connection
import redis.sentinel
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, ReadOnlyError, TryAgainError
from redis.retry import Retry

from dkronpy.settings.redis_url import RedisUrl, read_redis_url

ASK_TIMEOUT = 2.0
parse_url: Any = redis.connection.parse_url  # it has no types
_AWAY = ("UNBLOCKED", "NOREPLICAS")
"""What a server says that has become a replica while somebody waited, and one that has fewer replicas than it needs."""
_MOVED = (AskError, ClusterDownError, MovedError, ReadOnlyError, TryAgainError)


class Directory(Protocol):
    """Knows where the master is."""

    def master(self) -> tuple[str, int]:
        """Its host and port now. Raises redis.ConnectionError where nobody knows."""
        ...


class SentinelDirectory:
    """Asks Sentinels."""

    def __init__(self, url: RedisUrl) -> None:
        self._name = url.master_name
        options = _asking(url)
        if url.sentinel_password:
            options.update(username=url.sentinel_username or None, password=url.sentinel_password)
        sentinel: Any = redis.sentinel.Sentinel
        self._sentinel = sentinel(url.hosts, sentinel_kwargs=options)

    def master(self) -> tuple[str, int]:
        host, port = self._sentinel.discover_master(self._name)
        return host, port


class ClusterDirectory:
    """Asks nodes of a Cluster, one after the other, who has the slot of *key*."""

    def __init__(self, url: RedisUrl, key: str) -> None:
        self._slot = key_slot(key.encode())
        self._hosts = deque(url.hosts)
        own = parse_url(url.plain)
        self._options = {**_asking(url), "username": own.get("username"), "password": own.get("password")}

    def master(self) -> tuple[str, int]:
        error: Exception | None = None
        for host, port in list(self._hosts):
            self._hosts.rotate(-1)  # one that is cut off from the others answers, and is wrong: next time another
            try:
                with redis.Redis(host=host, port=port, **self._options) as client:
                    slots: Any = client.execute_command("CLUSTER", "SLOTS")
            except (redis.ConnectionError, redis.TimeoutError) as failed:
                error = failed
                continue
            owner = self._owner(slots)
            if owner is not None:
                return owner[0] or host, owner[1]
        raise redis.ConnectionError(f"no node of the Cluster says who holds slot {self._slot}") from error

    def _owner(self, slots: Any) -> tuple[str, int] | None:
        """The master among rows of first slot, last slot, master, replicas; all that are named can be asked later."""
        found = None
        for first, last, *nodes in slots:
            known = [((node[0] or b"").decode(), node[1]) for node in nodes]
            self._hosts.extend(node for node in known if node[0] and node not in self._hosts)
            if first <= self._slot <= last:
                found = known[0]
        return found


class Following:
    """A connection to wherever the master is; mixed with one of redis-py's connections."""

    def __init__(self, *, directory: Directory, **options: Any) -> None:
        self._directory = directory
        super().__init__(**options)

    def _connect(self) -> Any:
        self.host, self.port = self._directory.master()
        return super()._connect()  # type: ignore[misc]  # of the connection that this is mixed with

    def read_response(self, *args: Any, **options: Any) -> Any:
        """The answer; ConnectionError where this server is not, or no longer, the one to ask."""
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except redis.ResponseError as error:
            if not isinstance(error, _MOVED) and not str(error).startswith(_AWAY):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise redis.ConnectionError(f"{self.host}:{self.port} takes nothing now: {error}") from error


class FollowingConnection(Following, redis.Connection):
    """Over TCP."""


class FollowingTLSConnection(Following, redis.SSLConnection):
    """Over TLS."""


def directory_of(url: RedisUrl, key: str) -> Directory | None:
    """Who knows where the master of a URL is; None for a single server. *key* is one of ours."""
    if url.kind == "sentinel":
        return SentinelDirectory(url)
    return ClusterDirectory(url, key) if url.kind == "cluster" else None


def pool_of(text: str, key: str = "", **options: Any) -> redis.ConnectionPool:
    """A pool of connections; what the URL's query says wins over *options*. Raises ValueError for a bad URL."""
    url = read_redis_url(text)
    directory = directory_of(url, key)
    if directory is None:
        return redis.ConnectionPool.from_url(text, **options)
    options.update(parse_url(url.plain))
    options["connection_class"] = FollowingTLSConnection if url.tls else FollowingConnection
    return redis.ConnectionPool(directory=directory, **options)


def tls_options(url: RedisUrl) -> dict[str, Any]:
    """What the query says on TLS, as redis-py and Celery take it."""
    given = parse_url(url.plain)
    return {"ssl_cert_reqs": "required", **{name: given[name] for name in given if name.startswith("ssl_")}}


def _asking(url: RedisUrl) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_timeout": ASK_TIMEOUT,
        "socket_connect_timeout": ASK_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
    }
    return {**options, "ssl": True, **tls_options(url)} if url.tls else options
