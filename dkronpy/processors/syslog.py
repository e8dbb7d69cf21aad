"""Sends the output of each attempt to syslog: RFC 5424 over UDP, TCP, TLS or a unix socket, a message a line."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timezone
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.options import doc
from dkronpy.plugins.processor import ExecutionInfo, Processor
from dkronpy.plugins.values import Rejected, read_text, shown

from ._connection import TlsOptions, connect, naming, seconds

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
PORTS = {"udp": 514, "tcp": 514, "tls": 6514}
LONGEST = 4096
"""Bytes of output in one message; a longer line becomes several. Receivers drop or cut what is much longer."""
_ADDRESS = "udp://host:514, tcp://host:514, tls://host:6514, unix:///dev/log"
_LAST_WORD_SECONDS = 1.0


def _read_address(value: object) -> str:
    text = read_text(value).strip()
    try:
        parts = urlsplit(text)
        good = (parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc) or (
            parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
        )
    except ValueError:
        good = False
    if not good:
        raise Rejected(f"{shown(text)} is no address of a syslog; accepted: {_ADDRESS}")
    return text


def _read_facility(value: object) -> str:
    text = read_text(value).strip().lower()
    if text not in FACILITIES:
        raise Rejected(f"{shown(text)} is no facility; accepted: {', '.join(FACILITIES)}")
    return text


_ADDRESSES = msgspec.Meta(extra={"read": _read_address, "kind": "address"})
_FACILITY = msgspec.Meta(extra={"read": _read_facility, "kind": "facility"})


class Syslog(TlsOptions, frozen=True, kw_only=True):
    """Where to send it, and as what: ``Syslog(address="tls://logs:6514", tls_ca="/etc/ssl/corp.pem")``."""

    plugin: ClassVar[str] = "syslog"

    address: Annotated[str, _ADDRESSES, doc(f"`{_ADDRESS.replace(', ', '`, `')}`.")] = "unix:///dev/log"
    facility: Annotated[str, _FACILITY, doc("The facility, such as `cron`, `daemon`, `local0`.")] = "cron"
    severity: Annotated[
        Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"], doc("The severity.")
    ] = "info"
    tag: Annotated[str, doc("The name of the application.")] = "dkron"
    framing: Annotated[
        Literal["octets", "lines"], doc("How messages are told apart on TCP and TLS; RFC 6587 has both.")
    ] = "octets"

    def check(self) -> Iterator[Problem]:
        """The name must be one that a message can have."""
        yield from super().check()
        if not re.fullmatch(r"[!-~]{1,48}", self.tag):
            yield self.problem("tag", f"{shown(self.tag)} is no name; accepted: 1 to 48 characters of ASCII, no blanks")


class SyslogProcessor(Processor[Syslog]):
    """Sends the output to syslog, one message a line, each with job, execution and attempt as structured data."""

    options = Syslog

    def process(self, output: bytes, options: Syslog, info: ExecutionInfo) -> bytes | None:
        """Send every line; over TCP and TLS, wait for a moment whether the other side breaks off."""
        parts = urlsplit(options.address)
        where = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or PORTS[parts.scheme]}"
        head = _head(options, info)
        messages = (head + line for line in _pieces(output))
        with naming(where), _opened(options) as sock:
            if sock.type == socket.SOCK_DGRAM:
                for message in messages:
                    sock.send(message)
            else:
                sock.sendall(b"".join(_framed(message, options.framing) for message in messages))
                _part(sock)
        return options.instead("Output in syslog")


def _head(options: Syslog, info: ExecutionInfo) -> bytes:
    priority = FACILITIES.index(options.facility) * 8 + SEVERITIES.index(options.severity)
    moment = info.finished.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    facts = {
        "job": info.job,
        "run": info.run_id,
        "execution": info.execution_id,
        "attempt": str(info.attempt),
        "state": info.state,
        "exit_code": "" if info.exit_code is None else str(info.exit_code),
    }
    pairs = " ".join(f'{name}="{_quoted(value)}"' for name, value in facts.items() if value)
    node = re.sub(r"[^!-~]", "-", info.node)[:255] or "-"
    return f"<{priority}>1 {moment} {node} {options.tag} - output [dkronpy@32473 {pairs}] ".encode()


def _quoted(value: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", value)


def _pieces(output: bytes) -> Iterator[bytes]:
    """The lines of the output, none too long; a single empty one where nothing was printed."""
    for line in output.splitlines() or [b""]:
        clean = line.replace(b"\0", b"")
        for start in range(0, len(clean) or 1, LONGEST):
            yield clean[start : start + LONGEST]


def _framed(message: bytes, framing: str) -> bytes:
    return message + b"\n" if framing == "lines" else b"%d %s" % (len(message), message)


@contextmanager
def _opened(options: Syslog) -> Iterator[socket.socket]:
    parts = urlsplit(options.address)
    if parts.scheme == "unix":
        sock = _unix(parts.path, seconds(options))
    elif parts.scheme == "udp":
        sock = _udp(str(parts.hostname), parts.port or PORTS["udp"], seconds(options))
    else:
        sock = connect(str(parts.hostname), parts.port or PORTS[parts.scheme], options, tls=parts.scheme == "tls")
    with sock:
        yield sock


def _unix(path: str, limit: float | None) -> socket.socket:
    """A socket to what listens at *path*, which may take datagrams or a stream."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        sock = socket.socket(socket.AF_UNIX, kind)
        sock.settimeout(limit)
        try:
            sock.connect(path)
        except OSError as error:
            sock.close()
            if not isinstance(error, FileNotFoundError | PermissionError) and kind == socket.SOCK_DGRAM:
                continue
            raise
        return sock
    raise ConnectionRefusedError(path)


def _udp(host: str, port: int, limit: float | None) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(limit)
    sock.connect(address)
    return sock


def _part(sock: socket.socket) -> None:
    """Say that it was all. Nothing acknowledges syslog, but a receiver that broke off is noticed here."""
    sock.settimeout(_LAST_WORD_SECONDS)
    try:
        if isinstance(sock, ssl.SSLSocket):
            with suppress(ssl.SSLError, TimeoutError):
                sock = sock.unwrap()
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
    except TimeoutError:
        pass  # it keeps the connection open, as it may
