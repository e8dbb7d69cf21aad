"""Our own routes for runs and executions: list, show, cancel, output."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Response
from litestar.params import FromPath, QueryParameter

from dkronpy.api.answers import AnyRequest
from dkronpy.api.cursor import MOST, After, Limit, page_by_place
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import route
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.client import Client
from dkronpy.clock import aware, iso_ms, ms_of_iso, to_ms
from dkronpy.errors import NotFoundError
from dkronpy.execution import Execution, Run
from dkronpy.wire.runs import (
    Cancelled,
    ExecutionList,
    ExecutionOut,
    OutputOut,
    RunList,
    RunOut,
    execution_out,
    output_out,
    run_out,
    view_out,
)

_State = Literal["running", "success", "failed", "partially_failed", "skipped", "lost"]
_FARTHEST = 50_000
"""So many runs are looked at for a page, of which some or all may be none of one's business."""
_MOMENT, _LAST = "@", chr(0x10FFFF)
"""Before a moment that stands for a place in the list, and what comes behind the id of every run."""


@route("GET", "/api/v1/runs", action="read", listing=True, tags=["runs"])
def list_runs(
    request: AnyRequest,
    of: Annotated[str | None, QueryParameter(name="job", description="Only those of this job.")] = None,
    in_state: Annotated[_State | None, QueryParameter(name="state", description="Only those in this state.")] = None,
    limit: Limit = 50,
    after: After = "",
    before: Annotated[datetime | None, QueryParameter(description="Only those that were due before.")] = None,
    ids: Annotated[list[str] | None, QueryParameter(name="id", description="Only these that are live.")] = None,
) -> RunList:
    """Runs, the newest due time first."""
    services, identity = services_of(request), identity_of(request)
    if of is not None:
        identity.require(of)
    if ids is not None:
        return RunList(items=[run_out(run) for run in services.client.some_runs(ids[:MOST]) if identity.sees(run.job)])
    before_ms = to_ms(aware(before)) if before else None

    def fetch(most: int, behind_ms: int | None) -> list[Run]:
        return services.client.runs(job=of, state=in_state, limit=most, before_ms=behind_ms)

    place = _place(services.client, after) if after else None
    found, farther = _runs(fetch, lambda run: identity.sees(run.job), limit + 1, before_ms, place)
    page = found[:limit]
    return RunList(items=[run_out(run) for run in page], after=page[-1].id if len(found) > limit else farther)


def _place(client: Client, after: str) -> tuple[int, str]:
    if after.startswith(_MOMENT):
        try:
            return ms_of_iso(after[len(_MOMENT) :]), _LAST
        except ValueError:
            raise ApiError(422, f"after: {after!r} is no place in this list", hint="begin again without it") from None
    try:
        return client.run(after).run.due_ms, after
    except NotFoundError:
        raise ApiError(422, f"after: run {after!r} is known no more", hint="begin again without it") from None


def _runs(
    fetch: Callable[[int, int | None], list[Run]],
    seen: Callable[[Run], bool],
    wanted: int,
    before_ms: int | None,
    place: tuple[int, str] | None,
) -> tuple[list[Run], str | None]:
    """The newest runs behind *place*, as many as are wanted: others are left out, so that it may take further looks.

    And where to look on where that would have been too many looks: a moment, since a run may be none of one's business.
    """
    if place is not None:
        before_ms = place[0] + 1 if before_ms is None else min(before_ms, place[0] + 1)
    most = wanted + 1
    while True:
        known = fetch(most, before_ms)
        found = [run for run in known if seen(run) and (place is None or (run.due_ms, run.id) < place)]
        if len(found) >= wanted or len(known) < most:
            return found[:wanted], None
        if most >= _FARTHEST:
            last = known[-1].due_ms
            if known[0].due_ms == last:  # as many as that were due at one moment
                return found, f"{_MOMENT}{iso_ms(last - 1)}"
            return [run for run in found if run.due_ms > last], f"{_MOMENT}{iso_ms(last)}"
        most = min(most * 4, _FARTHEST)


@route("GET", "/api/v1/runs/{run:str}", action="read", tags=["runs"])
def show_run(request: AnyRequest, run: FromPath[str]) -> RunOut:
    """One run with its executions and their attempts."""
    view = services_of(request).client.run(run)
    identity_of(request).require(view.run.job)
    return view_out(view)


@route("POST", "/api/v1/runs/{run:str}/cancel", action="operate", tags=["runs"])
def cancel_run(request: AnyRequest, run: FromPath[str]) -> Cancelled:
    """Cancel what is open of a run."""
    client, identity = services_of(request).client, identity_of(request)
    identity.require(client.run(run).run.job)
    done = client.cancel_run(run, by=identity.name)
    note_of(request).detail = ", ".join(f"{name}: {word}" for name, word in done.items())
    return Cancelled(run=run, executions=done)


@route("GET", "/api/v1/jobs/{job:str}/runs", action="read", listing=True, tags=["runs"])
def list_history(request: AnyRequest, job: FromPath[str], limit: Limit = 100, after: After = "") -> RunList:
    """Every run of a job that is still known, the newest first, each with its executions."""
    page, following = page_by_place(services_of(request).client.history(job), lambda view: view.run.id, limit, after)
    return RunList(items=[view_out(view) for view in page], after=following)


@route("GET", "/api/v1/executions", action="read", listing=True, tags=["runs"])
def list_executions(
    request: AnyRequest, ids: Annotated[list[str], QueryParameter(name="id", description="Which, repeatable.")]
) -> ExecutionList:
    """Executions by their ids, those that are live."""
    found = services_of(request).client.some_executions(ids[:MOST])
    return ExecutionList(items=[execution_out(one) for one in found if identity_of(request).sees(one.job)])


@route("GET", "/api/v1/executions/{execution:str}", action="read", tags=["runs"])
def show_execution(request: AnyRequest, execution: FromPath[str]) -> ExecutionOut:
    """One execution with its attempts."""
    return execution_out(find_execution(request, execution))


@route("GET", "/api/v1/executions/{execution:str}/output", action="read", tags=["runs"])
def show_output(
    request: AnyRequest,
    execution: FromPath[str],
    attempt: Annotated[int | None, QueryParameter(ge=1, description="Which attempt; the last one unless said.")] = None,
) -> Response[str]:
    """What an attempt printed so far, as text. ``X-Output-Size`` is how many bytes there were in all."""
    found = find_execution(request, execution)
    output = services_of(request).client.output(found, attempt)
    headers = {"X-Output-Size": str(output.size), "X-Attempt": str(attempt or found.attempt)}
    return Response(output.text(), media_type="text/plain", headers=headers)


@route("GET", "/api/v1/executions/{execution:str}/bytes", action="read", tags=["runs"])
def show_bytes(
    request: AnyRequest,
    execution: FromPath[str],
    attempt: Annotated[int | None, QueryParameter(ge=1, description="Which attempt; the last one unless said.")] = None,
) -> OutputOut:
    """What an attempt printed so far, byte for byte, and when what of it came."""
    found = find_execution(request, execution)
    output = services_of(request).client.output(found, attempt)
    return output_out(output, attempt or found.attempt)


def find_execution(request: AnyRequest, name: str) -> Execution:
    """An execution, live or finished. Raises NotFoundError, DeniedError."""
    deployment: Any = services_of(request).client.deployment
    with deployment.store.errors():
        found: Execution | None = deployment.ledger.execution(name)
    found = found or deployment.results.execution(name, output=False)
    if found is None:
        raise NotFoundError(f"there is no execution {name!r}", hint="a run names its executions")
    identity_of(request).require(found.job)
    return found


ROUTES = [
    list_runs, show_run, cancel_run, list_history, list_executions, show_execution, show_output, show_bytes,
]  # fmt: skip
