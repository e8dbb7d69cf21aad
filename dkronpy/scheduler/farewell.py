"""Sees ended runs off: starts the jobs that follow, deletes ephemeral ones, and makes sure the record is kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from dkronpy.clock import Clock, SystemClock
from dkronpy.errors import DkronpyError, StoreRefusedError, StoreUnavailableError
from dkronpy.execution import Execution, Run
from dkronpy.node import Node
from dkronpy.results.backend import ResultsBackend
from dkronpy.results.keep import Keep
from dkronpy.scheduler.chains import Chains, SupersededError
from dkronpy.scheduler.forgetting import Forgetting
from dkronpy.scheduler.keeping import read_ahead
from dkronpy.scheduler.self_pause import FAILED, SelfPause
from dkronpy.store.connection import Store
from dkronpy.store.ended import Ended, Part, Seen, let_go, read_ended
from dkronpy.store.jobs import Jobs
from dkronpy.store.ledger import Ledger
from dkronpy.store.output import read_output
from dkronpy.tracer import Tracer

log = logging.getLogger(__name__)

PIECE, BUDGET = 100, 1000
"""Ended runs that are read and filed together, and the most that one pass sees off."""
PASS_SECONDS = 0.05
"""After which a pass ends, so that what is due meanwhile waits for nothing longer."""
RESULTS_AWAY = (StoreUnavailableError, StoreRefusedError)
AGENT_GRACE_MS = 30_000
"""An agent files the outcome of what it ran, output included; this long it is left to it."""


class Farewell:
    """The last look at each run. A run stays listed until that succeeded; every part of it may be repeated.

    Mostly a run was a success, nobody follows it, and its agent has filed it: that much is asked of many at once, and
    the records themselves are read only of others.
    """

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
        leading: Callable[[int], bool] = lambda _: True,
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
        self.leading = leading
        self._forgetting = Forgetting(results, self.clock)

    def look(self, now_ms: int, nodes: Sequence[Node], epoch: int | None = None) -> bool:
        """One pass: see off what has ended, then forget what is not to be kept. As ``run`` says."""
        more = self.run(now_ms, nodes, epoch)
        self.forget(now_ms)
        return more

    def run(self, now_ms: int, nodes: Sequence[Node], epoch: int | None = None) -> bool:
        """See off up to BUDGET runs, those that ended first before others; True when more wait.

        What the results backend raises does not pass: what could not be filed is looked at again half a minute later.
        With an *epoch* what follows is done under it. Raises SupersededError where another beat leads by now.
        """
        until = self.clock.monotonic() + PASS_SECONDS
        for _ in range(BUDGET // PIECE):
            ended = read_ended(self.store, now_ms, PIECE)
            if ended:
                self._see_off(ended, now_ms, nodes, epoch)
            if len(ended) < PIECE:
                return False
            if self.clock.monotonic() > until:
                break
        return True

    def _see_off(self, ended: Sequence[Ended], now_ms: int, nodes: Sequence[Node], epoch: int | None) -> None:
        if epoch is not None and not self.leading(epoch):
            raise SupersededError
        there = [one for one in ended if one.state]
        again = dict.fromkeys(self._settle_all(there, now_ms, nodes, epoch), now_ms + AGENT_GRACE_MS)
        settled = [one for one in there if one.id not in again]
        try:
            later = self._file(settled, now_ms)
        except RESULTS_AWAY as error:
            log.debug("%d runs cannot be filed yet: %s", len(settled), error)
            later = {one.id: now_ms + AGENT_GRACE_MS for one in settled}
        let_go(
            self.store,
            [
                Seen(
                    run=one,
                    settled=one.id not in again,
                    again_ms=again.get(one.id) or later.get(one.id, 0),
                    brief=one.id not in again and one.id not in later and _may_go(one),
                )
                for one in ended
            ],
        )

    def forget(self, now_ms: int) -> None:
        """Let the results backend forget what jobs are not to keep; a bounded piece of that now and then."""
        try:
            self._forgetting.run(now_ms, self.keep_of)
        except RESULTS_AWAY as error:
            log.debug("nothing is forgotten meanwhile: %s", error)
            self._forgetting.next_ms = now_ms + AGENT_GRACE_MS

    def _settle_all(self, ended: Sequence[Ended], now_ms: int, nodes: Sequence[Node], epoch: int | None) -> list[str]:
        """Do what follows from runs that have ended; returns those of which it could not be done."""
        heeded = {one.id: one for one in ended if not one.settled and (self.tracer is not None or _matters(one))}
        failed = []
        for run in self.ledger.runs(list(heeded)):
            if epoch is not None and not self.leading(epoch):
                raise SupersededError
            try:
                self._settle(heeded[run.id], run, now_ms, nodes, epoch)
            except SupersededError:
                raise
            except DkronpyError as error:
                log.error("run %s cannot be seen off yet: %s", run.id, error)
                failed.append(run.id)
        return failed

    def _settle(self, ended: Ended, run: Run, now_ms: int, nodes: Sequence[Node], epoch: int | None) -> None:
        if ended.followed:
            self.chains.follow(run, now_ms, nodes, epoch=epoch)
        self.self_pause.look(run, now_ms)
        # as in Dkron one that others follow stays
        if ended.ephemeral and run.state == "success" and not ended.followed:
            self._delete_ephemeral(run.job)
        if self.tracer is not None:
            self.tracer.run(run, self.ledger.executions(run.execution_ids))

    def _delete_ephemeral(self, name: str) -> None:
        if any(found.job.ephemeral for found in self.jobs.many([name])):
            log.info("job %s is ephemeral and has succeeded: deleted", name)
            self.jobs.delete(name, who="beat", why="it is ephemeral and has succeeded")

    def _file(self, ended: Sequence[Ended], now_ms: int) -> dict[str, int]:
        """Put runs into the results backend, where their agents have not. Returns when to look again at those of which
        an agent may still be about to file its part."""
        read_ahead(self.keep_of, [one.job for one in ended])
        later: dict[str, int] = {}
        kept: list[Run] = []
        missing: dict[str, list[str]] = {}
        for one, filed in zip(ended, self.results.filed([one.id for one in ended]), strict=True):
            parts = [part for part in one.parts if one.execution(part) not in filed.executions]
            if now_ms - one.finished_ms < AGENT_GRACE_MS and any(map(_by_agent, parts)):
                later[one.id] = one.finished_ms + AGENT_GRACE_MS
            elif parts or filed.run is None or not one.is_told_by(filed.run):
                missing[one.id] = [one.execution(part) for part in parts]
            else:
                kept.append(filed.run)
        kept += self._save(missing)
        self.results.make_room([(run, self.keep_of(run.job)) for run in kept])
        return later

    def _save(self, missing: Mapping[str, Sequence[str]]) -> list[Run]:
        """File runs, each with those of its executions that are missing; returns the runs."""
        if not missing:
            return []
        runs = self.ledger.runs(list(missing))
        known = {one.id: one for one in self.ledger.executions([name for names in missing.values() for name in names])}
        self.results.save_runs(
            [(run, [self._with_output(known[name]) for name in missing[run.id] if name in known]) for run in runs]
        )
        return runs

    def _with_output(self, execution: Execution) -> Execution:
        output = read_output(self.store, execution.id, execution.attempt) if execution.attempt else None
        return execution if output is None else structs.replace(execution, output=output)


def _matters(ended: Ended) -> bool:
    """Whether anything follows from its end."""
    return ended.followed or ended.state in FAILED or (ended.ephemeral and ended.state == "success")


def _may_go(ended: Ended) -> bool:
    """Whether the ledger need not keep it for long: the holder of a lost one may still speak up, and what a callable
    returned stands in the ledger alone, for jobs that follow and may have to wait."""
    return not ended.followed and all(part.state != "lost" for part in ended.parts)


def _by_agent(part: Part) -> bool:
    """Whether a node ran it, which then files it with all of its output."""
    return part.state in {"success", "failed"} and bool(part.attempt)
