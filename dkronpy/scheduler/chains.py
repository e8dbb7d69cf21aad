"""Starts the jobs that follow a run that has ended, each once all of its parents, or one of them, ended as it wants."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dkronpy.chain_runs import ChainRuns
from dkronpy.clock import to_ms
from dkronpy.dispatch.targets import LiveNodes, Planner
from dkronpy.errors import ConflictError, DkronpyError
from dkronpy.execution import Run
from dkronpy.job import Job
from dkronpy.job.chain import decide, suffix_of, tail_of
from dkronpy.node import Node
from dkronpy.pause import covering
from dkronpy.results.backend import ResultsBackend
from dkronpy.store.connection import Store
from dkronpy.store.jobs import Jobs, StoredJob
from dkronpy.store.ledger import Firing, Ledger, RunPlan
from dkronpy.store.pauses import Pauses

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often the jobs that follow are read while others save them."""
FIRED, CHANGED, MALFORMED, NOT_LEADING = 1, -2, -3, -9
"""Codes of ``fire.lua``; one that was fired before has another, and is left to the sweep."""


class SupersededError(DkronpyError):
    """Another beat leads by now, and sees to it."""


class Chains:
    """Fires what follows. All of it may be repeated: a run has one id in its chain, and is fired once."""

    def __init__(self, store: Store, ledger: Ledger, jobs: Jobs, results: ResultsBackend, planner: Planner) -> None:
        self.store = store
        self.ledger = ledger
        self.jobs = jobs
        self.runs = ChainRuns(ledger, results)
        self.planner = planner
        self.pauses = Pauses(store)

    def follow(self, run: Run, now_ms: int, nodes: Sequence[Node], *, epoch: int | None = None) -> None:
        """Fire the jobs that come after an ended *run*; one that cannot come any more gets a record that says so.

        Raises ConflictError where one of them is saved anew whenever it was read: the next look fires it; and with an
        *epoch* SupersededError where that is over.
        """
        children = sorted(name.decode() for name in self.store.client.smembers(self.store.keys.children(run.job)))
        if not children:
            return
        live = LiveNodes(nodes)
        for _ in range(ATTEMPTS):
            firings = self._firings(children, run, now_ms, live)
            codes = self.ledger.fire(firings, epoch=epoch)[1] if firings else []
            if NOT_LEADING in codes:
                raise SupersededError
            answers = list(zip(firings, codes, strict=True))
            self._deliver([firing for firing, code in answers if code == FIRED])
            if malformed := [firing.job for firing, code in answers if code == MALFORMED]:
                log.error("what the ledger has of %s is of another kind than it writes", ", ".join(malformed))
            children = [firing.job for firing, code in answers if code == CHANGED]
            if not children:
                return
        raise ConflictError(f"{', '.join(children)}, to follow it, is changed all the time")

    def _firings(self, children: Sequence[str], run: Run, now_ms: int, live: LiveNodes) -> list[Firing]:
        """What comes of *run* in these jobs, by the definitions that are in force now."""
        firings = []
        for child in self.jobs.many(children):
            if run.job in child.job.after and _may_run(child.job, now_ms):
                plan = self._plan(child, run, now_ms, live)
                if plan is not None:
                    firings.append(
                        Firing(
                            job=child.job.name, revision=child.revision, runs=(plan,),
                            forbid=child.job.forbids_overlap, history=child.job.history_limit or 0,
                        )
                    )  # fmt: skip
        return firings

    def _plan(self, child: StoredJob, run: Run, now_ms: int, live: LiveNodes) -> RunPlan | None:
        tail = tail_of(run.id)
        known = {parent: run if parent == run.job else self.runs.latest(parent, tail) for parent in child.job.after}
        decision = decide(child.job, known)
        suffix = suffix_of(tail)
        if decision.what in {"wait", "none"}:
            return None
        if decision.what == "skip":
            return self.planner.skip(
                child.job.name, run.due_ms, "parent_failed", trigger="chained", suffix=suffix, message=decision.message
            )
        pause = covering(self.pauses.all(), child.job, now_ms)
        if pause is not None:
            return self.planner.skip(
                child.job.name, run.due_ms, "paused", trigger="chained", suffix=suffix, message=pause.sentence()
            )
        return self.planner.run(
            child.job, child.schedule(), run.due_ms, now_ms, live, trigger="chained", suffix=suffix
        )  # fmt: skip

    def _deliver(self, firings: Sequence[Firing]) -> None:
        sends = [
            (e.id, 1, f.job, e.node) for f in firings for r in f.runs for e in r.executions if e.node and not e.message
        ]
        self.planner.courier.deliver(sends)


def _may_run(job: Job, now_ms: int) -> bool:
    """As in Dkron a job that is disabled, has not begun or is over does not follow, and nothing is said of it."""
    begun = job.starts_at is None or now_ms >= to_ms(job.starts_at)
    return job.enabled and begun and (job.expires_at is None or now_ms <= to_ms(job.expires_at))
