"""Makes up for due times of the past: a run for each that has no success, never more at a time than was allowed.

The id of such a run follows from its due time (``job@due-backfill``, ``job@due-backfill2`` for a further try), so that
whoever was interrupted, or works on the same window twice, finds what was begun and makes nothing twice.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from random import SystemRandom

import msgspec

from dkronpy.client.records import AT_ONCE, BACKFILL, Records
from dkronpy.clock import iso_ms
from dkronpy.deployment import Deployment
from dkronpy.dispatch.courier import NoCourier
from dkronpy.dispatch.targets import LiveNodes, Planner
from dkronpy.errors import ConfigError
from dkronpy.execution import Run, run_id
from dkronpy.node import Node
from dkronpy.store.jobs import StoredJob
from dkronpy.store.ledger import Firing

LOOK_SECONDS = 0.2
MOST = 100_000
"""How many due times one backfill may look at."""
MOST_TRIES = 50
"""How often a due time is tried again in one go where a live run of a job that forbids overlap was faster."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a window needs: ``due`` are the due times to make up for, in ms and in order.

    ``done`` counts those that have a success, ``running`` those that may yet get one, ``notes`` say what was left out.
    """

    job: str
    due: tuple[int, ...]
    done: int
    running: int
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many there are to make up for."""
        return len(self.due)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a backfill is: of ``total`` due times, how many ended in which state, and how many are active."""

    total: int
    ended: dict[str, int]
    active: int

    @property
    def complete(self) -> int:
        """How many have ended."""
        return sum(self.ended.values())


class Backfill:
    """One job's backfill. Raises NotFoundError where the job is gone, StoreUnavailableError where the store is."""

    def __init__(self, deployment: Deployment, job: str, *, max_active: int, who: str) -> None:
        self.deployment = deployment
        self.job = job
        self.max_active = max_active
        self.who = who
        self._planner = Planner(NoCourier(), SystemRandom(), fired_by=who)
        self._active: dict[int, str] = {}
        self._tries: dict[int, int] = {}
        self._ended: Counter[str] = Counter()

    def plan(self, start_ms: int, end_ms: int, *, forgotten: bool = False) -> Plan:
        """Which due times after *start_ms* up to *end_ms* have no success.

        What beat still owes is left to it. What lies so far back that its record may be forgotten counts as done,
        unless *forgotten*.
        """
        stored, now_ms = self._stored()
        records, notes = Records(self.deployment), []
        horizon = records.horizon(stored, now_ms)
        if horizon > start_ms and self._has_history() and not forgotten:
            start_ms = min(horizon, end_ms)
            notes.append(f"nothing before {iso_ms(start_ms)} is touched: what became of it is forgotten")
        end_ms = min(end_ms, now_ms)
        if stored.due_ms is not None and stored.due_ms <= end_ms:
            end_ms = stored.due_ms - 1
            notes.append(f"what is due from {iso_ms(stored.due_ms)} on is left to beat")
        owed = list(islice(stored.schedule().between_ms(start_ms, end_ms), MOST + 1))
        if len(owed) > MOST:
            raise ConfigError(
                f"job {self.job!r}: more than {MOST:,} due times lie between {iso_ms(start_ms)} and {iso_ms(end_ms)}",
                hint=f"take a part at a time; the first {MOST:,} end at {iso_ms(owed[MOST - 1])}",
            )
        states: dict[int, set[str]] = {}
        for run in records.runs(stored, start_ms, end_ms):
            if run.count == 1 and run.trigger in ("schedule", BACKFILL):
                states.setdefault(run.due_ms, set()).add(self._standing(run))
        done = [due for due in owed if "success" in states.get(due, ())]
        running = [due for due in owed if "running" in states.get(due, ()) and "success" not in states[due]]
        left = tuple(due for due in owed if not {"success", "running"} & states.get(due, set()))
        return Plan(job=self.job, due=left, done=len(done), running=len(running), notes=tuple(notes))

    def run(self, due: Sequence[int], report: Callable[[Progress], None], stopping: threading.Event) -> Progress:
        """Make up for *due*, at most ``max_active`` at a time, until all have ended or *stopping* is set.

        *report* is called whenever something has changed. What is active when it stops goes on by itself.
        """
        waiting = list(reversed(due))
        progress = Progress(total=len(due), ended={}, active=0)
        while (waiting or self._active) and not stopping.is_set():
            waiting += self._settle()
            self._start(waiting)
            before, progress = progress, self._progress(len(due))
            if progress != before:
                report(progress)
            if self._active or waiting:
                stopping.wait(LOOK_SECONDS)
        return self._progress(len(due))

    def _progress(self, total: int) -> Progress:
        return Progress(total=total, ended=dict(self._ended), active=len(self._active))

    def _standing(self, run: Run) -> str:
        """A backfilled run that is still open is no reason to leave it out: it is found and followed."""
        return "backfilling" if run.trigger == BACKFILL and run.state == "running" else run.state

    def _start(self, waiting: list[int]) -> None:
        """Start as many of *waiting* (the next one last) as there is room for."""
        room = self.max_active - len(self._active)
        if not waiting or room <= 0:
            return
        stored, now_ms = self._stored()
        if stored.job.forbids_overlap:
            room = 0 if self._active or self._busy() else 1
        live = LiveNodes(self._nodes())
        firings: dict[int, Firing] = {}
        while waiting and len(firings) < min(room, AT_ONCE):
            due_ms = waiting.pop()
            suffix, begun = self._next_try(due_ms)
            self._active[due_ms] = run_id(self.job, due_ms, suffix)
            if begun:
                room -= 1
            else:
                firings[due_ms] = self._firing(stored, due_ms, now_ms, live, suffix)
        if firings:
            self._fire(firings, waiting)

    def _fire(self, firings: dict[int, Firing], waiting: list[int]) -> None:
        deployment = self.deployment
        with deployment.store.errors():
            _, codes = deployment.ledger.fire(list(firings.values()), epoch=None)
            deployment.store.client.publish(deployment.store.keys.wake, "backfill")
        for due_ms, code in zip(firings, codes, strict=True):
            if code == -2:  # it was changed in this very moment: with the new definition, then
                del self._active[due_ms]
                self._tries[due_ms] -= 1
                waiting.append(due_ms)

    def _firing(self, stored: StoredJob, due_ms: int, now_ms: int, live: LiveNodes, suffix: str) -> Firing:
        plan = self._planner.run(
            stored.job, stored.schedule(), due_ms, now_ms, live,
            trigger=BACKFILL, suffix=suffix, message=f"backfilled by {self.who}",
        )  # fmt: skip
        return Firing(
            job=self.job,
            revision=stored.revision,
            runs=(plan,),
            forbid=stored.job.forbids_overlap,
            history=stored.job.history_limit or 0,
        )

    def _settle(self) -> list[int]:
        """Count what has ended; returns what has to be tried again, since a live run was in its way."""
        ids = list(self._active.values())
        with self.deployment.store.errors():
            known = {run.id: run for run in self.deployment.ledger.runs(ids)}
        again = []
        for due_ms, name in list(self._active.items()):
            run = known.get(name) or self.deployment.results.run(name)
            if run is not None and not run.terminal:
                continue
            del self._active[due_ms]
            if run is not None and run.reason == "overlap" and self._tries[due_ms] < MOST_TRIES:
                again.append(due_ms)
            else:
                self._ended["gone" if run is None else run.state] += 1
        return again

    def _next_try(self, due_ms: int) -> tuple[str, bool]:
        """The suffix of the next try, and whether it was begun already: the first without a record, or still open."""
        number = self._tries.get(due_ms, 0)
        while True:
            number = self._tries[due_ms] = number + 1
            suffix = BACKFILL if number == 1 else f"{BACKFILL}{number}"
            run = self._known(run_id(self.job, due_ms, suffix))
            if run is None or not run.terminal:
                return suffix, run is not None

    def _known(self, name: str) -> Run | None:
        with self.deployment.store.errors():
            found = self.deployment.ledger.run(name)
        return found or self.deployment.results.run(name)

    def _has_history(self) -> bool:
        return bool(self.deployment.results.runs(job=self.job, limit=1))

    def _busy(self) -> bool:
        with self.deployment.store.errors():
            return bool(self.deployment.store.client.scard(self.deployment.store.keys.job_active(self.job)))

    def _nodes(self) -> list[Node]:
        with self.deployment.store.errors():
            return self.deployment.nodes.all()

    def _stored(self) -> tuple[StoredJob, int]:
        with self.deployment.store.errors():
            return self.deployment.jobs.get(self.job), self.deployment.store.now_ms()
