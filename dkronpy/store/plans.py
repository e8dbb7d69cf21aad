"""What is to be written by one commit: a job's due times with their runs and executions, and how they travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

_pack = msgspec.msgpack.Encoder().encode
# Python's collector need not look at plans (``gc=False``): they come by the thousand, and hold nothing that holds them.


class ExecutionPlan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An execution to be written: its id, node ('' if none was found yet), and the message for its queue.

    ``delivered`` is False where the first message is left to the sweep; ``below`` says that live work goes first.
    """

    id: str
    node: str
    start_by_ms: int
    look_ms: int
    end_by_ms: int = 0
    """When the time of its run is over; 0: it has as much as it likes."""
    queue: str = ""
    message: bytes = b""
    delivered: bool = True
    below: bool = False
    max_attempts: int = 1
    mode: str = "at_most_once"
    waiting: str = ""
    """What it waits for, where that is known from the start."""
    rolling_ms: int = 0
    """In a rolling run: how long it has to be started once its turn has come."""
    held: bool = False
    """Whether it waits for the end of others of its run."""


class RunPlan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A run to be written: either with executions, or skipped with its reason."""

    id: str
    due_ms: int
    trigger: str = "schedule"
    decision: str = "fire"
    reason: str = ""
    message: str = ""
    fired_by: str = ""
    until_ms: int = 0
    count: int = 1
    revision: int | None = None
    """The definition to run, where that is not the one in force any more."""
    extra: Mapping[str, str] = {}
    executions: tuple[ExecutionPlan, ...] = ()
    gate: Mapping[str, Any] = {}
    """What it has to pass before it may start (``admission.gate``)."""


class Firing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one job's due times become: the runs, and where its schedule stands afterwards.

    ``expected`` and ``following`` are scores as RedBeat keeps them (seconds, as text); empty for a run by hand.
    ``settled`` says that no earlier version of the job owes a due time any more; ``history`` is how many runs of the
    job are listed, 0 for as many as of others. ``packed`` is its item of ``fire.lua``, where that was made in advance.
    """

    job: str
    revision: int
    runs: tuple[RunPlan, ...]
    expected: str = ""
    following: str = ""
    meta: str = ""
    forbid: bool = False
    settled: bool = False
    history: int = 0
    packed: msgspec.Raw | None = None


def pack(firings: Sequence[Firing]) -> bytes:
    """The items of ``fire.lua``. cmsgpack, inside Redis, predates msgpack's type for bytes: everything is text."""
    return _pack([firing.packed or _row(firing) for firing in firings])


def packed(firing: Firing) -> Firing:
    """The same, of which nothing is left to do but to send it."""
    return structs.replace(firing, packed=msgspec.Raw(_pack(_row(firing))))


def _row(firing: Firing) -> list[Any]:
    runs = [_run_row(run, firing.revision) for run in firing.runs]
    revision = str(firing.revision)
    return [
        firing.job, revision, firing.expected, firing.following, firing.meta, firing.forbid, runs, firing.settled,
        *([firing.history] if firing.history else []),
    ]  # fmt: skip


def _run_row(run: RunPlan, in_force: int) -> list[Any]:
    fields = ["fired_by", run.fired_by, "revision", str(run.revision or in_force)]
    if run.trigger != "schedule":
        fields += "trigger", run.trigger
    if run.message:
        fields += "message", run.message
    if "params" in run.extra:
        fields += "params", run.extra["params"]
    if run.until_ms or run.count != 1:
        fields += "count", str(run.count), "until_ms", str(run.until_ms)
    executions = [
        [e.id, _execution_fields(run, e), str(e.look_ms), e.queue, e.message.decode()] for e in run.executions
    ]
    row = [run.id, str(run.due_ms), run.decision, run.reason, fields, executions]
    return [*row, run.gate] if run.gate else row


def _execution_fields(run: RunPlan, plan: ExecutionPlan) -> list[str]:
    fields = ["node", plan.node, "start_by_ms", str(plan.start_by_ms)]
    # where the message follows the commit it is number 1 as well, and may arrive before anybody else has a say
    if not (plan.node and plan.delivered):
        fields += "delivery", "0"
    if run.trigger != "schedule":
        fields += "trigger", run.trigger
    if plan.end_by_ms:
        fields += "end_by_ms", str(plan.end_by_ms)
    if plan.max_attempts != 1:
        fields += "max_attempts", str(plan.max_attempts)
    if plan.mode != "at_most_once":
        fields += "mode", plan.mode
    if plan.waiting:
        fields += "message", plan.waiting
    if plan.rolling_ms:
        fields += "rolling", str(plan.rolling_ms)
    if plan.held:
        fields += "held", "1"
    if plan.below:
        fields += "below", "1"
    for name, value in run.extra.items():
        fields += "x." + name, value
    return fields
