"""Puts the pages behind the API's guard: the one place where the two meet, since neither knows the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dkronpy.api.access import Asked, Identity, decide
from dkronpy.api.services import IDENTITY, Services, identity_of, note_of
from dkronpy.web.routes import web_routes

if TYPE_CHECKING:
    from litestar import Request

_METHODS = {"read": "GET", "operate": "POST", "edit": "POST", "administer": "DELETE"}


class GuardedDoor:
    """Answers the pages' questions from what the guard has found out."""

    def who(self, request: Request[Any, Any, Any]) -> str:
        """The name of the token; '' where the server asks for none."""
        identity: Identity | None = request.scope.get(IDENTITY)  # type: ignore[assignment]
        return identity.name if identity is not None and identity.id else ""

    def may(self, request: Request[Any, Any, Any], action: str, job: str | None = None) -> bool:
        """What the policy says; policies with paths are asked about the API's."""
        path = f"/v1/jobs/{job}" if job else "/v1/jobs"
        return decide(identity_of(request), Asked(action=action, method=_METHODS[action], path=path, job=job))

    def sees(self, request: Request[Any, Any, Any], job: str) -> bool:
        """Whether the job is among those of the token."""
        return identity_of(request).sees(job)

    def note(self, request: Request[Any, Any, Any], detail: str) -> None:
        """For the audit log."""
        note_of(request).detail = detail


def pages_of(services: Services) -> list[Any]:
    """The routes of the pages of one server."""
    return list(web_routes(services.client, GuardedDoor()))
