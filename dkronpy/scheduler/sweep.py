"""The leader's upkeep: closes what died, sends what nobody took up, and sees ended runs off."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import timedelta

from dkronpy.dispatch.courier import Courier
from dkronpy.dispatch.strategies import Chooser
from dkronpy.dispatch.targets import RESEND_MS, ROLLING, LiveNodes
from dkronpy.job import Job
from dkronpy.job.json import decode_definition
from dkronpy.node import BELOW, Node
from dkronpy.scheduler.aside import Aside
from dkronpy.scheduler.backlog import Backlog
from dkronpy.scheduler.drain import Drain
from dkronpy.scheduler.farewell import Farewell
from dkronpy.store.connection import Store
from dkronpy.store.ledger import Due, Ledger

log = logging.getLogger(__name__)

BUDGET = 500
"""The most executions one sweep looks at."""
LONGEST_RESEND_MS = 60_000
RETRY_WINDOW_MS = timedelta(hours=1) // timedelta(milliseconds=1)


class Sweep:
    """One pass over what is open and what has ended; each part is bounded."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        courier: Courier,
        farewell: Farewell | Aside,
        rng: random.Random,
        *,
        reachable: Callable[[], bool] = lambda: True,
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.courier = courier
        self.farewell = farewell
        self.chooser = Chooser(rng)
        self.reachable = reachable
        self.drain = Drain(store)
        self._jobs: dict[str, tuple[bytes, Job]] = {}

    def run(self, epoch: int, nodes: Sequence[Node]) -> bool:
        """Sweep once; True when there is more to do right away. redis-py's errors pass through."""
        now_ms, due, closed = self.ledger.reap(epoch, most=BUDGET, pause_ms=RESEND_MS, window_ms=RETRY_WINDOW_MS)
        if closed:
            log.info("closed %d executions that were lost or came too late", closed)
        if due and self.reachable():  # else it is looked at again soon, and no delivery was counted for nothing
            self._send(due, nodes)
        more = self.farewell.look(now_ms, nodes, epoch)
        self.drain.run(now_ms, nodes)
        return more or len(due) + closed >= BUDGET

    def _send(self, due: Sequence[Due], nodes: Sequence[Node]) -> None:
        able = {node.name for node in nodes if node.open}
        drained = {node.name for node in nodes if node.drained}
        sends, after, backlog, live = [], [], Backlog(self.store), LiveNodes(nodes)
        self._read_jobs({item.job for item in due if item.attempt or item.node not in able})
        for item in due:
            if not item.node and self._widened(item, live):
                continue  # each of what it is now is sent the next time
            node = self._node(item, nodes, able)
            if not node or node in drained:
                continue  # nobody may have it yet; it is looked at again until its start deadline
            delivery = item.delivery + 1
            queue, message = self.courier.enclose(item.id, delivery, item.job, node)
            queue = queue + BELOW if queue and item.below else queue
            if node == item.node and not item.attempt and backlog.holds(item, queue):
                continue  # a node that is merely behind finds it in its turn
            # one that has it and is merely busy: ask ever more seldom
            pause = min(LONGEST_RESEND_MS, RESEND_MS * 2 ** min(delivery - 1, 10))
            sends.append((item.id, item.delivery, node, queue, message, pause))
            after.append((item.id, delivery, item.job, node))
        codes = self.ledger.resend(sends)
        self.courier.deliver([send for send, code in zip(after, codes, strict=True) if code == 1])

    def _widened(self, item: Due, live: LiveNodes) -> bool:
        """Whether this is a broadcast that waits for nodes; it gets those that match by now, if any does."""
        job = self._job(item.job)
        if job is None or not job.on.every:
            return False
        if names := live.choose(job, self.chooser):
            self.ledger.widen(item.id, item.delivery, names, rolling=job.on.rolling or 0, held=ROLLING)
        return True

    def _node(self, item: Due, nodes: Sequence[Node], able: Collection[str]) -> str:
        """Where an execution goes: to its node, or to another where that is away or has failed; '' for nowhere yet."""
        if item.node in able and not item.attempt:
            return item.node
        job = self._job(item.job)
        bound = job is None or (job.on.every and bool(item.node))
        if item.node in able:
            if bound or job is None or not job.retry.elsewhere or not self._failed_here(item):
                return item.node
            return self._another(item, job, nodes) or item.node
        if bound or job is None:
            # a node that is away has its message, and finds it when it returns: one more would only wait beside it
            alive = any(node.alive for node in nodes if node.name == item.node)
            return item.node if alive or not item.delivery else ""
        return self._another(item, job, nodes) or item.node

    def _failed_here(self, item: Due) -> bool:
        """Whether the last attempt ran on the node that the execution is meant for now."""
        execution = self.ledger.execution(item.id)
        return execution is not None and bool(execution.attempts) and execution.attempts[-1].node == item.node

    def _another(self, item: Due, job: Job, nodes: Sequence[Node]) -> str:
        """A node beside those of the run's other executions; '' where none is free."""
        others = [node for node in job.on.matching(nodes) if node.name != item.node]
        if not others:
            return ""
        taken = {e.node for e in self.ledger.executions(self._siblings(item)) if e.id != item.id}
        free = [node for node in others if node.name not in taken]
        if len(free) < 2:
            return free[0].name if free else ""
        return self.chooser.choose(job.name, job.on.strategy, free, 1)[0]

    def _siblings(self, item: Due) -> Sequence[str]:
        run = self.ledger.run(item.run_id)
        return run.execution_ids if run is not None else ()

    def _read_jobs(self, names: Collection[str]) -> None:
        """Read the definitions that a pass needs, at once; what reads as it did before is not decoded again."""
        with self.store.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hget(self.store.keys.entry(name), "job")
            bodies = pipe.execute() if names else []
        known, self._jobs = self._jobs, {}
        for name, body in zip(names, bodies, strict=True):
            before = known.get(name)
            if before and before[0] == body:
                self._jobs[name] = before
            elif body is not None:
                with suppress(Exception):  # beat sets aside what cannot be read; the others are seen to all the same
                    self._jobs[name] = body, decode_definition(body)

    def _job(self, name: str) -> Job | None:
        known = self._jobs.get(name)
        return None if known is None else known[1]
