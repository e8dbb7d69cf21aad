"""Puts the pages behind the API's guard: the one place where the two meet, since neither knows the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from dkronpy.api.access import ROLES, Asked, Identity, decide
from dkronpy.api.services import IDENTITY, Services, identity_of, note_of
from dkronpy.web.registry import LogRow, TokenRow
from dkronpy.web.routes import web_routes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from litestar import Request

_METHODS = {"read": "GET", "operate": "POST", "edit": "POST", "administer": "DELETE", "govern": "GET"}


class GuardedDoor:
    """Answers the pages' questions from what the guard has found out."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def who(self, request: Request[Any, Any, Any]) -> str:
        """The name of the token; '' where the server asks for none."""
        identity: Identity | None = request.scope.get(IDENTITY)  # type: ignore[assignment]
        return identity.name if identity is not None and identity.id else ""

    def may(self, request: Request[Any, Any, Any], action: str, job: str | None = None) -> bool:
        """What the policy says; policies with paths are asked about the API's: there POST to a job would run it."""
        path = f"/v1/jobs/{job}" if job else "/v1/jobs"
        method = "PUT" if job and action == "edit" else _METHODS[action]
        return decide(identity_of(request), Asked(action=action, method=method, path=path, job=job))

    def sees(self, request: Request[Any, Any, Any], job: str) -> bool:
        """Whether the job is among those of the token."""
        return identity_of(request).sees(job)

    def sees_all(self, request: Request[Any, Any, Any]) -> bool:
        """Whether the token is for all jobs."""
        return not identity_of(request).jobs

    def note(self, request: Request[Any, Any, Any], detail: str) -> None:
        """For the audit log."""
        note_of(request).detail = detail

    def provider(self) -> str:
        """The provider's host, as people know it."""
        return "" if self._services.provider is None else self._services.provider.name

    def leave(self, token: str) -> None:
        """End a session; a token of `dkronpy token` stays what it is."""
        with self._services.store.errors():
            self._services.sessions.end(token)


class ServerRegistry:
    """The tokens and the audit log of a server, as its pages want them."""

    roles: Sequence[str] = ROLES

    def __init__(self, services: Services) -> None:
        self._services = services

    def tokens(self) -> list[TokenRow]:
        """Every token that was ever made, the newest first."""
        store = self._services.store
        with store.errors():
            now_ms, found = store.now_ms(), self._services.tokens.all()
        return [
            msgspec.convert({**msgspec.structs.asdict(token), "state": token.state(now_ms)}, TokenRow)
            for token in found
        ]

    def create(self, name: str, *, role: str, jobs: Sequence[str], lifetime: timedelta | None, by: str) -> str:
        """Make a token; its secret."""
        with self._services.store.errors():
            return self._services.tokens.create(name, role=role, jobs=jobs, lifetime=lifetime, by=by)[1]

    def revoke(self, token: str) -> str:
        """Take the token of this id out of use; its name."""
        with self._services.store.errors():
            return self._services.tokens.revoke(token).name

    def log(self, *, outcome: str, limit: int, before: str) -> list[LogRow]:
        """Entries of the audit log, the newest first."""
        with self._services.store.errors():
            found = self._services.audit.entries(outcome=outcome, limit=limit, before=before or "+")
        return [msgspec.convert(msgspec.structs.asdict(entry), LogRow) for entry in found]


def pages_of(services: Services) -> list[Any]:
    """The routes of the pages of one server."""
    return list(web_routes(services.client, GuardedDoor(services), ServerRegistry(services)))
