"""Our own routes for runs and executions: list, show, cancel, output."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response
from litestar.params import FromPath, QueryParameter

from dkronpy.api.answers import AnyRequest
from dkronpy.api.handlers import route
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.client import RunView
from dkronpy.clock import iso_ms
from dkronpy.errors import NotFoundError
from dkronpy.execution import Execution, Run

_State = Literal["running", "success", "failed", "partially_failed", "skipped", "lost"]
_MOST = 500


class AttemptOut(msgspec.Struct, kw_only=True):
    """One try. Times are RFC 3339 in UTC, null where it has not come to that."""

    number: int
    node: str
    state: str
    reason: str
    message: str
    exit_code: int | None
    started_at: str | None
    finished_at: str | None


class ExecutionOut(msgspec.Struct, kw_only=True):
    """A run's share on one node."""

    id: str
    run: str
    job: str
    node: str
    state: str
    reason: str
    message: str
    attempt: int
    amended: bool
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    attempts: list[AttemptOut]


class RunOut(msgspec.Struct, kw_only=True):
    """One firing of a job. ``executions`` is null in lists."""

    id: str
    job: str
    due: str
    trigger: str
    state: str
    reason: str
    message: str
    fired_at: str | None
    fired_by: str
    finished_at: str | None
    until: str | None
    count: int
    revision: int
    executions: list[ExecutionOut] | None = None


class RunList(msgspec.Struct, kw_only=True):
    """A page of runs, the newest due time first. ``after`` asks for the page behind it; null at the end."""

    items: list[RunOut]
    after: str | None = None


class Cancelled(msgspec.Struct, kw_only=True):
    """What became of each execution: ``ended``, ``told`` (its node ends it now), or the state it was in already."""

    run: str
    executions: dict[str, str]


def run_out(run: Run, executions: tuple[Execution, ...] | None = None) -> RunOut:
    """A run as JSON."""
    return RunOut(
        id=run.id, job=run.job, due=iso_ms(run.due_ms), trigger=run.trigger, state=run.state, reason=run.reason,
        message=run.message, fired_at=_time(run.fired_ms), fired_by=run.fired_by, finished_at=_time(run.finished_ms),
        until=_time(run.until_ms), count=run.count, revision=run.revision,
        executions=None if executions is None else [execution_out(one) for one in executions],
    )  # fmt: skip


def view_out(view: RunView) -> RunOut:
    """A run with its executions as JSON."""
    return run_out(view.run, view.executions)


def execution_out(one: Execution) -> ExecutionOut:
    """An execution as JSON."""
    return ExecutionOut(
        id=one.id, run=one.run_id, job=one.job, node=one.node, state=one.state, reason=one.reason, message=one.message,
        attempt=one.attempt, amended=one.amended, queued_at=_time(one.queued_ms), started_at=_time(one.started_ms),
        finished_at=_time(one.finished_ms),
        attempts=[
            AttemptOut(
                number=a.number, node=a.node, state=a.state, reason=a.reason, message=a.message, exit_code=a.exit_code,
                started_at=_time(a.started_ms), finished_at=_time(a.finished_ms),
            )
            for a in one.attempts
        ],
    )  # fmt: skip


def _time(ms: int) -> str | None:
    return iso_ms(ms) if ms else None


@route("GET", "/api/v1/runs", action="read", listing=True, tags=["runs"])
def list_runs(
    request: AnyRequest,
    of: Annotated[str | None, QueryParameter(name="job", description="Only those of this job.")] = None,
    in_state: Annotated[_State | None, QueryParameter(name="state", description="Only those in this state.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=_MOST, description="How many.")] = 50,
    after: Annotated[str | None, QueryParameter(description="The id of the last run of the page before.")] = None,
) -> RunList:
    """Runs, the newest due time first."""
    services, identity = services_of(request), identity_of(request)
    if of is not None:
        identity.require(of)
    settings = services.client.deployment.settings
    most = max(_MOST, settings.history_limit) if after or identity.jobs else limit + 1
    found = [run for run in services.client.runs(job=of, state=in_state, limit=most) if identity.sees(run.job)]
    if after is not None:
        places = [place for place, run in enumerate(found) if run.id == after]
        if not places:
            raise NotFoundError(f"after: run {after!r} is not among the last {most}")
        found = found[places[0] + 1 :]
    page = found[:limit]
    return RunList(items=[run_out(run) for run in page], after=page[-1].id if len(found) > limit else None)


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


ROUTES = [list_runs, show_run, cancel_run, show_execution, show_output]
