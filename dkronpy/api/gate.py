"""Wraps the whole application: strange hosts and pages stay out, headers are added, and the audit log is written."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Iterable
from typing import Any

import anyio.to_thread
import redis
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from dkronpy.api.audit_log import Note
from dkronpy.api.services import NOTE, Services
from dkronpy.api.traffic import Traffic

log = logging.getLogger(__name__)

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FROM_ELSEWHERE = frozenset({"cross-site", "same-site"})
_ALLOWED = b"GET, POST, PUT, PATCH, DELETE"
_EXPOSED = b"X-Total-Count, X-Whom, Location, ETag, Link"
_HARDENING = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
]


class Gate:
    """An ASGI application around another one.

    *hosts* are the names that it answers to beside its own (``*`` for any); *origins* the pages elsewhere that may
    use it, as browsers write them (``https://ops.example.org``).
    """

    def __init__(
        self, app: ASGIApp, services: Services, traffic: Traffic, *, hosts: Iterable[str], origins: Iterable[str]
    ) -> None:
        self._app, self._services, self._traffic = app, services, traffic
        own = {"localhost", socket.gethostname().lower()} if services.exposed else {"localhost"}
        self._hosts = own | {host.lower() for host in hosts}
        self._origins = set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == ScopeType.HTTP:
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        note = Note(address=(scope.get("client") or ("", 0))[0])
        scope[NOTE] = note  # type: ignore[literal-required]
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        reply = _Reply(send, self._extra(note, headers, scope))
        refused = self._refuse(scope["method"], scope["path"], headers)
        if scope["method"] == "OPTIONS":
            await self._preflight(reply, headers, refused)
        elif _in_disguise(scope):
            await _answer(reply, 404, "404 page not found")
        elif refused:
            status, text = refused
            await _answer(reply, status, text)
        else:
            await self._app(scope, receive, reply)
        self._traffic.count(scope, reply.status)
        await self._record(scope, note, reply.status, refused[1] if refused else "")

    def _refuse(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """Why it is not served: a name that was bound anew, or another site's page that posts, or pings by an image."""
        host = headers.get("host", "")
        if not self._known(host):
            return 400, f"this server does not answer to host {host[:100]!r}; http_hosts names those that it answers to"
        origin = headers.get("origin")
        trusted = bool(origin) and self._trusted(str(origin), host)
        if path.startswith("/ping/") and headers.get("sec-fetch-site") in _FROM_ELSEWHERE and not trusted:
            return 403, "a page of another site sent this ping, so that nothing was done"
        if origin and method not in _SAFE and not trusted:
            return 403, f"pages of {origin[:100]!r} may not use this server; http_origins names those that may"
        return None

    def _known(self, host: str) -> bool:
        if "*" in self._hosts:
            return True
        name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
        if name.lower().rstrip(".") in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._services.exposed or address.is_loopback

    def _trusted(self, origin: str, host: str) -> bool:
        return origin in self._origins or origin.partition("://")[2] == host

    async def _preflight(self, reply: Send, headers: dict[str, str], refused: tuple[int, str] | None) -> None:
        if refused or headers.get("origin") not in self._origins:
            await _answer(reply, 404, "404 page not found")
            return
        allowed = headers.get("access-control-request-headers", "").encode("latin-1")
        more = [(b"access-control-allow-methods", _ALLOWED), (b"access-control-allow-headers", allowed)]
        await _answer(reply, 204, "", more)

    def _extra(self, note: Note, headers: dict[str, str], scope: HTTPScope) -> Any:
        def extra() -> list[tuple[bytes, bytes]]:
            found = list(_HARDENING)
            if note.matched and scope["path"] != "/health" and not scope["path"].startswith("/api/"):
                found.append((b"x-whom", self._services.node.encode("latin-1", "replace")))
            origin = headers.get("origin")
            if self._origins:
                found.append((b"vary", b"Origin"))
            if origin in self._origins:
                found.append((b"access-control-allow-origin", str(origin).encode("latin-1")))
                found.append((b"access-control-expose-headers", _EXPOSED))
            return found

        return extra

    async def _record(self, scope: HTTPScope, note: Note, status: int, why: str) -> None:
        denied = status in {401, 403} or bool(why)
        writes = note.action not in {"", "read"} and scope["method"] not in _SAFE
        changed = status < 400 and (writes or note.signed_in)
        if note.limited or not (denied or changed):
            return
        note.detail = note.detail or why
        outcome = "denied" if denied else "done"
        audit = self._services.audit
        try:
            await anyio.to_thread.run_sync(
                lambda: audit.add(note, outcome=outcome, method=scope["method"], path=scope["path"], status=status)
            )
        except redis.RedisError as error:
            log.error("%s %s by %s is not in the audit log: %s", scope["method"], scope["path"], note.who, error)


def _in_disguise(scope: HTTPScope) -> bool:
    """Whether the path means another one once it is decoded: rules of a proxy before us would see the former."""
    raw = (scope.get("raw_path") or b"").lower()
    return b"//" in raw or b"%2f" in raw or b"%5c" in raw or b"%00" in raw or b"/../" in raw + b"/"


class _Reply:
    """Passes an answer on, with more headers, and remembers its status."""

    def __init__(self, send: Send, extra: Any) -> None:
        self._send, self._extra = send, extra
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            message["headers"] = given + [pair for pair in self._extra() if pair[0] not in names]
        await self._send(message)


async def _answer(send: Any, status: int, text: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    body = text.encode()
    length = [] if status == 204 else [(b"content-length", b"%d" % len(body))]
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", b"text/plain; charset=utf-8"), *length, *headers],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
