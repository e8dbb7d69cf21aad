"""Plans a run: chooses its nodes, sets its start deadline and names its executions."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from dkronpy.dispatch.courier import Courier
from dkronpy.dispatch.strategies import Chooser
from dkronpy.execution import execution_id, run_id
from dkronpy.job import Job
from dkronpy.job.admission import LONGEST_WAIT_MS, gate
from dkronpy.node import BELOW, Node, Target
from dkronpy.plugins.template import concurrency_key
from dkronpy.schedule import Schedule
from dkronpy.store.ledger import ExecutionPlan, RunPlan

SHORTEST_START_DEADLINE_MS = 10_000
"""A job of every second still gets this long to be taken up: a blink of the network must not skip it."""
LONGEST_START_DEADLINE_MS = 3_600_000
TURN = "waits for its turn among the make-up runs"
ROLLING = "waits for its turn in the rolling run"
DRAINED = "waits for node {}, which is drained"
RESEND_MS = 5_000
"""A queued execution that nobody claimed is looked at again after this."""
_MILLISECOND = timedelta(milliseconds=1)


def start_deadline_ms(job: Job, schedule: Schedule, due_ms: int, following_ms: int | None) -> int:
    """How late a run may start: as the job says, else the time to its next due time, at most an hour."""
    if job.start_deadline is not None:
        return job.start_deadline // _MILLISECOND
    if schedule.grace is not None:
        return min(schedule.grace // _MILLISECOND, LONGEST_START_DEADLINE_MS)
    if following_ms is None:
        return LONGEST_START_DEADLINE_MS
    return max(SHORTEST_START_DEADLINE_MS, min(following_ms - due_ms, LONGEST_START_DEADLINE_MS))


class LiveNodes:
    """The nodes at one moment; which of them match a target is worked out once."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.drained = frozenset(node.name for node in nodes if node.drained)
        self._found: dict[tuple[object, ...], tuple[list[Node], int | None]] = {}

    def choose(self, job: Job, chooser: Chooser) -> list[str]:
        """The names of the nodes of one run: all that match, or as many as are wanted by the target's strategy.

        A node that is named outright, and one whose run is made up for, has its share also while it is down or drained.
        """
        target = job.on
        alike = (target.count, target.nodes, target.exclude, target.where, target.make_up, *target.tags.items())
        found = self._found.get(alike)
        if found is None:
            found = self._found[alike] = self._matching(target), target.wanted()[1]
        nodes, count = found
        if count is None or len(nodes) <= count:
            return [node.name for node in nodes]
        return chooser.choose(job.name, target.strategy, nodes, count)

    def _matching(self, target: Target) -> list[Node]:
        if not target.every:
            return target.matching(self.nodes)
        nodes = target.matching(self.nodes, down=target.make_up)
        if target.nodes and not target.tags and not target.where:
            known = {node.name for node in nodes}
            named = [name for name in target.nodes if name not in known and name not in target.exclude]
            nodes = sorted([*nodes, *(Node(name=name, alive=False) for name in named)], key=lambda node: node.name)
        return nodes


class Planner:
    """Makes run plans for the nodes that are alive at the moment."""

    def __init__(self, courier: Courier, rng: random.Random, *, fired_by: str) -> None:
        self.courier = courier
        self.chooser = Chooser(rng)
        self.fired_by = fired_by

    def run(
        self,
        job: Job,
        schedule: Schedule,
        due_ms: int,
        now_ms: int,
        nodes: LiveNodes,
        *,
        following_ms: int | None = None,
        trigger: str = "schedule",
        suffix: str = "",
        message: str = "",
        extra: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        make_up_ms: int | None = None,
        start_by_ms: int | None = None,
    ) -> RunPlan:
        """A run with an execution for each chosen node.

        Without any matching node there is one without a node, which waits until its start deadline: a broadcast
        then has one for each node that matches when the first does. A run that makes up for a missed due time goes
        below live ones, one whose moment ``make_up_ms`` is yet to come is sent by the sweep then, and it may wait for
        a node until ``start_by_ms``.
        """
        chosen = nodes.choose(job, self.chooser)
        run = run_id(job.name, due_ms, suffix)
        patience = start_deadline_ms(job, schedule, due_ms, following_ms)
        if job.on.make_up:
            patience = job.catch_up_window // _MILLISECOND
        start_by = max(due_ms, now_ms) + patience
        if start_by_ms is not None:
            start_by = start_by_ms
        end_by = end_by_ms(job, max(now_ms, make_up_ms or 0))
        start_by = min(start_by, end_by or start_by)
        executions = tuple(
            [
                self._execution(job, run, index, node, start_by, now_ms, make_up_ms, end_by, node in nodes.drained)
                for index, node in enumerate(chosen or [""])
            ]
        )
        return RunPlan(
            id=run, due_ms=due_ms, trigger=trigger, fired_by=self.fired_by, message=message, extra=extra or {},
            executions=executions, gate=gate_of(job, run, due_ms, start_by, now_ms, params or {}) if job.gated else {},
        )  # fmt: skip

    def skip(
        self, job: str, due_ms: int, reason: str, *, trigger: str = "schedule", suffix: str = "",
        message: str = "", until_ms: int = 0, count: int = 1,
    ) -> RunPlan:  # fmt: skip
        """A run that does not take place, with its reason; with ``until_ms`` it stands for ``count`` due times."""
        return RunPlan(
            id=run_id(job, due_ms, suffix), due_ms=due_ms, trigger=trigger, decision="skip", reason=reason,
            message=message, fired_by=self.fired_by, until_ms=until_ms, count=count,
        )  # fmt: skip

    def _execution(
        self, job: Job, run: str, index: int, node: str, start_by: int, now_ms: int, make_up_ms: int | None,
        end_by: int, drained: bool,
    ) -> ExecutionPlan:  # fmt: skip
        name = execution_id(run, index)
        rolling = job.on.rolling if job.on.rolling is not None and job.on.every else None
        held = rolling is not None and index >= rolling
        later = make_up_ms is not None and make_up_ms > now_ms
        if later and not job.on.every:  # who is alive then shows then
            node = ""
        sent = bool(node) and not (held or later or drained)
        queue, message = self.courier.enclose(name, 1, job.name, node) if sent else ("", b"")
        waiting = (
            ROLLING if held else TURN if later else DRAINED.format(node) if drained else "" if node else nobody(job)
        )
        return ExecutionPlan(
            id=name,
            node=node,
            start_by_ms=start_by,
            end_by_ms=end_by,
            look_ms=max(now_ms + RESEND_MS if message else now_ms, make_up_ms or 0),
            queue=queue + BELOW if queue and make_up_ms is not None else queue,
            below=make_up_ms is not None,
            delivered=sent,
            message=message,
            waiting=waiting,
            rolling_ms=0 if rolling is None else start_by - now_ms,
            held=held,
            max_attempts=job.retry.max + 1,
            mode=job.delivery,
        )


def end_by_ms(job: Job, begin_ms: int) -> int:
    """When the time of a run that begins then is over; 0 where it has as much as it likes."""
    return 0 if job.run_timeout is None else begin_ms + job.run_timeout // _MILLISECOND


def gate_of(job: Job, run: str, due_ms: int, start_by: int, now_ms: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a run has to pass. Behind others of its job it waits for a day, for a slot until its start deadline."""
    queues = job.concurrency in ("queue_one", "queue_all", "cancel", "terminate")
    patient = queues and job.start_deadline is None
    return gate(
        policy=job.concurrency or "allow",
        max_active=job.max_active or 1,
        key=concurrency_key(job, run, due_ms, params) if job.concurrency_key else "",
        queue_limit=job.queue_limit,
        pools=job.pools,
        rate=job.rate,
        priority=job.priority,
        limit_ms=min(now_ms + LONGEST_WAIT_MS, end_by_ms(job, now_ms) or sys.maxsize) if patient else start_by,
        window_ms=start_by - now_ms,
        rechoose=not job.on.every,
    )


def nobody(job: Job) -> str:
    """Why nobody can run *job* at the moment."""
    return f"no live node matches its targets: {job.on.words() or 'any node'}"
