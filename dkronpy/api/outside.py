"""Our own routes for attempts that something else makes: `dkronpy exec` on a machine that reaches a server only."""

from __future__ import annotations

import functools
import re
from datetime import timedelta
from pathlib import Path

import msgspec
from litestar.params import FromPath, JSONBody

from dkronpy.api.access import Asked, decide
from dkronpy.api.answers import AnyRequest
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import route
from dkronpy.api.pause import is_paused
from dkronpy.api.repeats import once
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.client.outside import SUFFIX, Begun, Ended, Outside
from dkronpy.clock import aware, to_ms
from dkronpy.errors import ConflictError, NotFoundError, StoreUnavailableError
from dkronpy.wire.outside import AttemptAnswer, AttemptAsked, AttemptBegun, AttemptEnded, AttemptHeld, output_of

_OURS = re.compile(rf".+@.+-{SUFFIX}[0-9a-f]+\.0")
_LONGEST_AGO = timedelta(days=366)


@route("POST", "/api/v1/jobs/{job:str}/begin", action="operate", status=201, tags=["jobs"])
def begin(request: AnyRequest, job: FromPath[str], data: JSONBody[AttemptAsked]) -> AttemptBegun:
    """Say that something else than an agent runs a job now, or did at ``started_at``; its end is told with the token.

    Requests with the same ``Idempotency-Key`` are one attempt.
    """
    outside = _outside(request, data.node)
    plan = functools.partial(outside.name, job, _due_ms(request, data))
    argv = data.argv if _may_make(request, job) else ()

    def make(run: str) -> str:
        begun = outside.begin_as(run, argv=argv, lease_ms=data.lease_ms)
        note_of(request).detail = begun.run_id
        return msgspec.json.encode(begun).decode()

    begun = msgspec.json.decode(once(request, f"begin {job}", make, plan), type=Begun)
    return AttemptBegun(
        run=begun.run_id, execution=begun.execution_id, token=begun.token, attempt=begun.attempt
    )  # fmt: skip


@route("POST", "/api/v1/executions/{execution:str}/renew", action="operate", status=200, tags=["runs"])
def renew(request: AnyRequest, execution: FromPath[str], data: JSONBody[AttemptHeld]) -> AttemptAnswer:
    """Say that such an attempt goes on; whether it should."""
    _require_ours(execution)
    services = services_of(request)
    with services.store.errors():
        (code,) = services.client.deployment.ledger.renew([(execution, data.token)], data.lease_ms)
    return AttemptAnswer(answer="go_on" if code == 1 else "cancel" if code == 2 else "gone")


@route("POST", "/api/v1/executions/{execution:str}/end", action="operate", status=204, tags=["runs"])
def end(request: AnyRequest, execution: FromPath[str], data: JSONBody[AttemptEnded]) -> None:
    """Say how such an attempt ended. Told twice it counts once."""
    _require_ours(execution)
    services = services_of(request)
    with services.store.errors():
        found = services.client.deployment.ledger.execution(execution)
    if found is None:
        raise NotFoundError(f"there is no execution {execution!r}")
    if not found.attempts or data.token > found.attempts[-1].token:
        raise ConflictError(f"{execution} has no attempt with token {data.token}")
    begun = Begun(run_id=found.run_id, execution_id=execution, token=data.token, attempt=found.attempt)
    ended = Ended(
        job=found.job, node=found.node, who=identity_of(request).name, started_ms=0, took_ms=0, success=data.success,
        reason=data.reason, message=data.message, exit_code=data.exit_code, output=output_of(data),
    )  # fmt: skip
    if not _outside(request, found.node).end(begun, ended):
        raise StoreUnavailableError(f"the end of {execution} cannot be recorded now", hint="tell it again")
    note_of(request).detail = "success" if data.success else data.message or "failed"


def _outside(request: AnyRequest, node: str) -> Outside:
    deployment = services_of(request).client.deployment
    folder = Path(deployment.settings.data_dir) / "exec"
    return Outside(deployment, folder, node=node, who=f"{identity_of(request).name} (exec on {node})")


def _due_ms(request: AnyRequest, data: AttemptAsked) -> int | None:
    """When it began, where that is told later. Raises ApiError (422) for a moment that cannot have been."""
    if data.started_at is None:
        return None
    store, moment = services_of(request).store, to_ms(aware(data.started_at))
    with store.errors():
        now_ms = store.now_ms()
    if not now_ms - _LONGEST_AGO.total_seconds() * 1000 <= moment <= now_ms + 60_000:
        raise ApiError(422, "started_at: it has to lie within the last year", hint="such as 2026-11-26T05:00:00Z")
    return moment


def _may_make(request: AnyRequest, job: str) -> bool:
    """Whether a job that is not there may be made: by whoever might save it as well."""
    asked = Asked(action="edit", method="PUT", path=f"/api/v1/jobs/{job}", job=job)
    return decide(identity_of(request), asked) and not is_paused(services_of(request).store)


def _require_ours(execution: str) -> None:
    """Raises ApiError (409): what an agent runs is its own to tell of."""
    if not _OURS.fullmatch(execution):
        raise ApiError(409, f"{execution} was not begun here, and only who runs it may tell how it goes")


ROUTES = [begin, renew, end]
