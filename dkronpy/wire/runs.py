"""Runs, executions and attempts as JSON: times are RFC 3339 in UTC, null where it has not come to that."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from dkronpy.client import RunView
from dkronpy.clock import iso_ms, to_ms
from dkronpy.execution import Attempt, Execution, Output, Run
from dkronpy.job.chain import Link
from dkronpy.marks import GRAIN_MS, STREAMS, Mark, Marks, StreamName


class AttemptOut(msgspec.Struct, kw_only=True):
    """One try. Times are RFC 3339 in UTC, null where it has not come to that; the executor began at ``began_at``."""

    number: int
    node: str
    state: str
    reason: str
    message: str
    exit_code: int | None
    started_at: str | None
    finished_at: str | None
    token: int = 0
    began_at: str | None = None


class ExecutionOut(msgspec.Struct, kw_only=True):
    """A run's share on one node."""

    id: str
    run: str
    job: str
    node: str
    due: str
    trigger: str
    state: str
    reason: str
    message: str
    delivery: int
    attempt: int
    cancel: bool
    amended: bool
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    attempts: list[AttemptOut]


class RunOut(msgspec.Struct, kw_only=True):
    """One firing of a job. ``executions`` is null in lists, ``execution_ids`` names them always.

    ``params`` are the values that it was given; the others had their defaults.
    """

    id: str
    job: str
    due: str
    trigger: str
    decision: str
    state: str
    reason: str
    message: str
    fired_at: str | None
    fired_by: str
    finished_at: str | None
    until: str | None
    count: int
    revision: int
    execution_ids: list[str]
    executions: list[ExecutionOut] | None = None
    params: dict[str, str | int | float | bool] = {}


class RunList(msgspec.Struct, kw_only=True):
    """A page of runs, the newest due time first. ``after`` asks for the page behind it; null at the end."""

    items: list[RunOut]
    after: str | None = None


class LinkOut(msgspec.Struct, kw_only=True):
    """A job in a chain, its latest run there (null: none yet), its parents, and how far down it is."""

    job: str
    run: RunOut | None
    parents: list[str]
    depth: int


class RunTree(msgspec.Struct, kw_only=True):
    """A chain, parents before children."""

    items: list[LinkOut]


class ExecutionList(msgspec.Struct, kw_only=True):
    """Executions that were asked for by their ids."""

    items: list[ExecutionOut]


class Cancelled(msgspec.Struct, kw_only=True):
    """What became of each execution: ``ended``, ``told`` (its node ends it now), or the state it was in already."""

    run: str
    executions: dict[str, str]


class MarkOut(msgspec.Struct, kw_only=True):
    """What follows the byte at *offset*, up to the next mark, came at *ms* (since the epoch), on *stream*."""

    offset: int
    ms: int
    stream: StreamName


class OutputOut(msgspec.Struct, kw_only=True):
    """Output byte by byte: what was kept of its beginning and of its end, in base64; ``size`` is how much there was.

    ``marks`` say, in order, what came when. They are right to ``grain_ms``; there are none of an output of which nobody
    noted them.
    """

    attempt: int
    size: int
    head: bytes
    tail: bytes
    marks: list[MarkOut] = []
    grain_ms: int = GRAIN_MS


def run_out(run: Run, executions: tuple[Execution, ...] | None = None) -> RunOut:
    """A run as JSON."""
    return RunOut(
        id=run.id, job=run.job, due=iso_ms(run.due_ms), trigger=run.trigger, decision=run.decision, state=run.state,
        reason=run.reason, message=run.message, fired_at=time_out(run.fired_ms), fired_by=run.fired_by,
        finished_at=time_out(run.finished_ms), until=time_out(run.until_ms), count=run.count, revision=run.revision,
        execution_ids=list(run.execution_ids),
        executions=None if executions is None else [execution_out(one) for one in executions],
        params=msgspec.json.decode(run.params) if run.params else {},
    )  # fmt: skip


def view_out(view: RunView) -> RunOut:
    """A run with its executions as JSON."""
    return run_out(view.run, view.executions)


def link_out(link: Link) -> LinkOut:
    """A job in a chain as JSON."""
    run = None if link.run is None else run_out(link.run)
    return LinkOut(job=link.job, run=run, parents=list(link.parents), depth=link.depth)


def link_in(one: LinkOut) -> Link:
    """The job in a chain that its JSON stands for."""
    return Link(
        job=one.job, run=None if one.run is None else run_in(one.run), parents=tuple(one.parents), depth=one.depth
    )


def execution_out(one: Execution) -> ExecutionOut:
    """An execution as JSON, without its output."""
    return ExecutionOut(
        id=one.id, run=one.run_id, job=one.job, node=one.node, due=iso_ms(one.due_ms), trigger=one.trigger,
        state=one.state, reason=one.reason, message=one.message, delivery=one.delivery, attempt=one.attempt,
        cancel=one.cancel, amended=one.amended, queued_at=time_out(one.queued_ms), started_at=time_out(one.started_ms),
        finished_at=time_out(one.finished_ms), attempts=[_attempt_out(attempt) for attempt in one.attempts],
    )  # fmt: skip


def _attempt_out(one: Attempt) -> AttemptOut:
    return AttemptOut(
        number=one.number, node=one.node, state=one.state, reason=one.reason, message=one.message,
        exit_code=one.exit_code, started_at=time_out(one.started_ms), finished_at=time_out(one.finished_ms),
        token=one.token, began_at=time_out(one.began_ms),
    )  # fmt: skip


def run_in(one: RunOut) -> Run:
    """The run that its JSON stands for."""
    return Run(
        id=one.id, job=one.job, due_ms=time_in(one.due), trigger=one.trigger, decision=one.decision, state=one.state,
        reason=one.reason, message=one.message, fired_ms=time_in(one.fired_at), fired_by=one.fired_by,
        finished_ms=time_in(one.finished_at), until_ms=time_in(one.until), count=one.count, revision=one.revision,
        execution_ids=tuple(one.execution_ids), params=msgspec.json.encode(one.params).decode() if one.params else "",
    )  # fmt: skip


def view_in(one: RunOut) -> RunView:
    """The run with its executions that its JSON stands for."""
    return RunView(run=run_in(one), executions=tuple(execution_in(each) for each in one.executions or ()))


def execution_in(one: ExecutionOut) -> Execution:
    """The execution that its JSON stands for."""
    return Execution(
        id=one.id, run_id=one.run, job=one.job, node=one.node, due_ms=time_in(one.due), trigger=one.trigger,
        state=one.state, reason=one.reason, message=one.message, delivery=one.delivery, attempt=one.attempt,
        cancel=one.cancel, amended=one.amended, queued_ms=time_in(one.queued_at), started_ms=time_in(one.started_at),
        finished_ms=time_in(one.finished_at), attempts=tuple(_attempt_in(each) for each in one.attempts),
    )  # fmt: skip


def _attempt_in(one: AttemptOut) -> Attempt:
    return Attempt(
        number=one.number, node=one.node, state=one.state, reason=one.reason, message=one.message,
        exit_code=one.exit_code, started_ms=time_in(one.started_at), finished_ms=time_in(one.finished_at),
        token=one.token, began_ms=time_in(one.began_at),
    )  # fmt: skip


def output_in(one: OutputOut) -> Output:
    """The output that its JSON stands for."""
    marks = marks_in(one.marks, one.grain_ms)
    return Output(head=one.head, tail=one.tail, size=one.size, marks=marks.encode())


def output_out(output: Output, attempt: int) -> OutputOut:
    """An output as JSON."""
    marks = Marks.decode(output.marks)
    return OutputOut(
        attempt=attempt, size=output.size, head=output.head, tail=output.tail, marks=marks_out(marks),
        grain_ms=marks.grain_ms,
    )  # fmt: skip


def marks_out(marks: Marks) -> list[MarkOut]:
    """Marks as JSON."""
    return [MarkOut(offset=mark.offset, ms=mark.ms, stream=STREAMS[mark.stream]) for mark in marks.marks]


def marks_in(rows: Iterable[MarkOut], grain_ms: int = GRAIN_MS) -> Marks:
    """The marks that their JSON stands for."""
    return Marks(tuple(Mark(row.offset, row.ms, STREAMS.index(row.stream)) for row in rows), grain_ms)


def time_out(ms: int) -> str | None:
    """A moment as text; null for none."""
    return iso_ms(ms) if ms else None


def time_in(text: str | None) -> int:
    """The milliseconds of a moment's text; 0 for none."""
    return to_ms(datetime.fromisoformat(text.replace("Z", "+00:00"))) if text else 0
