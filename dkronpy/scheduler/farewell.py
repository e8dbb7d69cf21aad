"""Sees ended runs off: starts the jobs that follow, deletes ephemeral ones, and makes sure the record is kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from dkronpy.clock import Clock, SystemClock
from dkronpy.errors import DkronpyError
from dkronpy.execution import Execution, Run
from dkronpy.node import Node
from dkronpy.results.backend import ResultsBackend
from dkronpy.results.keep import Keep
from dkronpy.scheduler.chains import Chains
from dkronpy.scheduler.ended import Ended, read_ended
from dkronpy.scheduler.forgetting import Forgetting
from dkronpy.scheduler.keeping import read_ahead
from dkronpy.scheduler.self_pause import SelfPause
from dkronpy.store.connection import Store
from dkronpy.store.jobs import Jobs
from dkronpy.store.ledger import Ledger
from dkronpy.store.output import read_output
from dkronpy.tracer import Tracer

log = logging.getLogger(__name__)

PIECE, BUDGET = 50, 1000
"""Ended runs that are read and filed together, and the most that one pass sees off."""
PASS_SECONDS = 0.05
"""After which a pass ends, so that what is due meanwhile waits for nothing longer."""
AGENT_GRACE_MS = 30_000
"""An agent files the outcome of what it ran, output included; this long it is left to it."""


class Farewell:
    """The last look at each run. A run stays listed until that succeeded; every part of it may be repeated."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        jobs: Jobs,
        results: ResultsBackend,
        chains: Chains,
        *,
        keep_of: Callable[[str], Keep],
        tracer: Tracer | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.jobs = jobs
        self.results = results
        self.chains = chains
        self.self_pause = SelfPause(store, ledger, jobs, results)
        self.keep_of = keep_of
        self.tracer = tracer
        self.clock = clock or SystemClock()
        self._forgetting = Forgetting(results, self.clock)

    def run(self, now_ms: int, nodes: Sequence[Node]) -> bool:
        """See off up to BUDGET runs, those that ended first before others; True when more wait."""
        keys, client, until = self.store.keys, self.store.client, self.clock.monotonic() + PASS_SECONDS
        for _ in range(BUDGET // PIECE):
            ids = client.zrange(keys.done, "-inf", now_ms, byscore=True, offset=0, num=PIECE)
            if ids:
                self._see_off([name.decode() for name in ids], now_ms, nodes)
            if len(ids) < PIECE:
                return False
            if self.clock.monotonic() > until:
                break
        return True

    def _see_off(self, ids: Sequence[str], now_ms: int, nodes: Sequence[Node]) -> None:
        runs = self.ledger.runs(ids)
        ended = read_ended(self.store, self.ledger, runs)
        settled: list[Run] = []
        again: dict[str, int] = {}
        for run in runs:
            try:
                self._settle(run, now_ms, nodes, ended)
            except DkronpyError as error:
                log.error("run %s cannot be seen off yet: %s", run.id, error)
                again[run.id] = now_ms + AGENT_GRACE_MS
            else:
                settled.append(run)
        again.update(self._file(settled, now_ms, ended))
        self._let_go(ids, settled, again, ended)

    def _let_go(self, ids: Sequence[str], settled: Sequence[Run], again: Mapping[str, int], ended: Ended) -> None:
        """What is filed need not be looked at again, nor stay in the ledger for long."""
        keys = self.store.keys
        # what a callable returned stands in the ledger alone: it stays for jobs that follow and may have to wait
        alone = [run.id for run in settled if run.id not in again and run.job not in ended.followed]
        self.ledger.let_go({name: ended.executions[name] for name in alone})
        with self.store.client.pipeline() as pipe:
            for run in settled:
                pipe.hset(keys.run(run.id), "settled", run.state)
            if again:
                pipe.zadd(keys.done, again)
            if gone := [name for name in ids if name not in again]:
                pipe.zrem(keys.done, *gone)
            pipe.execute()

    def forget(self, now_ms: int) -> None:
        """Let the results backend forget what jobs are not to keep; a bounded piece of that now and then."""
        self._forgetting.run(now_ms, self.keep_of)

    def _settle(self, run: Run, now_ms: int, nodes: Sequence[Node], ended: Ended) -> None:
        if run.id in ended.settled:
            return
        if run.job in ended.followed:
            self.chains.follow(run, now_ms, nodes)
        self.self_pause.look(run, now_ms)
        # as in Dkron one that others follow stays
        if run.state == "success" and run.job in ended.ephemeral and run.job not in ended.followed:
            log.info("job %s is ephemeral and has succeeded: deleted", run.job)
            self.jobs.delete(run.job, who="beat", why="it is ephemeral and has succeeded")
            ended.ephemeral.discard(run.job)
        if self.tracer is not None:
            self.tracer.run(run, ended.executions[run.id])

    def _file(self, runs: Sequence[Run], now_ms: int, ended: Ended) -> dict[str, int]:
        """Put runs into the results backend, where their agents have not. Returns when to look again at those of which
        an agent may still be about to file its part."""
        later: dict[str, int] = {}
        kept = []
        read_ahead(self.keep_of, [run.job for run in runs])
        for run, filed in zip(runs, self.results.filed(runs), strict=True):
            missing = [one for one in ended.executions[run.id] if one.id not in filed.executions]
            if now_ms - run.finished_ms < AGENT_GRACE_MS and any(map(_by_agent, missing)):
                later[run.id] = run.finished_ms + AGENT_GRACE_MS
                continue
            if missing or filed.run != run:
                self.results.save_run(run, executions=[self._with_output(one) for one in missing])
            kept.append((run, self.keep_of(run.job)))
        self.results.make_room(kept)
        return later

    def _with_output(self, execution: Execution) -> Execution:
        output = read_output(self.store, execution.id, execution.attempt) if execution.attempt else None
        return execution if output is None else structs.replace(execution, output=output)


def _by_agent(execution: Execution) -> bool:
    """Whether a node ran it, which then files it with all of its output."""
    return execution.state in {"success", "failed"} and bool(execution.attempt)
