"""Stands before every route: finds out who asks, and lets through only what the policy grants."""

from __future__ import annotations

import math
from typing import Any

import anyio.to_thread
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, TooManyRequestsException
from litestar.handlers.base import BaseRouteHandler

from dkronpy.api.access import ANYONE, Asked, Identity, decide
from dkronpy.api.audit_log import Note
from dkronpy.api.peer import ends_of, user
from dkronpy.api.secrets_given import secret_of
from dkronpy.api.services import IDENTITY, Services, identity_of, note_of, services_of
from dkronpy.api.tokens import digest
from dkronpy.errors import DeniedError

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="dkronpy"'}


async def authorize(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Raises NotAuthorizedException, TooManyRequestsException or DeniedError. A route without an action is closed."""
    note = note_of(connection)
    note.matched = True
    opt = handler.opt
    if opt.get("public"):
        return
    note.action = str(opt.get("action", ""))
    note.job = job_of(connection.path_params) or ""
    services = services_of(connection)
    identity = await anyio.to_thread.run_sync(identify, services, connection, note)
    asked = Asked(
        action=note.action,
        method=str(connection.scope.get("method", "")),
        path=connection.scope["path"],
        job=note.job or None,
        listing=bool(opt.get("listing")),
        whole=bool(opt.get("whole")),
    )
    if not decide(identity, asked):
        raise DeniedError(f"{identity.name} may not do this", hint="an admin's token may do everything")
    connection.scope[IDENTITY] = identity  # type: ignore[literal-required]


def _needed(services: Services) -> str:
    if services.guarded():
        return "a token is needed: Authorization: Bearer ..."
    return (
        f"only {user()}, who runs this server, needs no token; who may make one: dkronpy token create NAME --role admin"
    )


def require_edit(request: Request[Any, Any, Any], path: str, job: str) -> None:
    """For a job that a request names beside its own path. Raises DeniedError where *path*, its own, may not be put."""
    identity = identity_of(request)
    identity.require(job)
    if not decide(identity, Asked(action="edit", method="PUT", path=path, job=job)):
        raise DeniedError(f"{identity.name} may not save job {job!r}", hint=f"a policy has to grant update on {path}")


def job_of(parameters: dict[str, Any]) -> str | None:
    """The job that a path speaks of: by its name, or by a run's or an execution's id, which begin with it."""
    if "job" in parameters:
        return str(parameters["job"])
    for name in ("run", "execution"):
        if name in parameters:
            return str(parameters[name]).partition("@")[0]
    return None


def identify(services: Services, connection: ASGIConnection[Any, Any, Any, Any], note: Note) -> Identity:
    """Who asks. Blocks: it asks the store."""
    secret = secret_of(connection.headers.get("authorization", ""))
    with services.store.errors():
        if not services.asks(ends_of(connection.scope)):
            note.who = ANYONE.name
            return ANYONE
        if not secret:
            raise NotAuthorizedException(_needed(services), headers=_CHALLENGE)
        hashed = digest(secret)
        wait = services.limit.wait(note.address, hashed)
        if wait:
            note.limited = True
            headers = {"Retry-After": str(math.ceil(wait))}
            raise TooManyRequestsException("too many failures from this address", headers=headers)
        person = services.sessions.find(secret)
        if person is not None:
            note.who, note.token = person.name, person.id
            return person
        token = services.tokens.find(secret)
        if token is None:
            services.limit.failed(note.address)
            raise NotAuthorizedException("this token is unknown, expired or revoked", headers=_CHALLENGE)
        services.limit.succeeded(hashed)
        note.who, note.token = token.name, token.id
        rules = services.policies.rules(token.policies)
    return Identity(id=token.id, name=token.name, role=token.role, jobs=token.jobs, rules=rules)
