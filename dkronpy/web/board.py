"""What pages show, kept in memory: every job and the recent runs, brought up to date from the event stream.

A page of 10,000 jobs would otherwise read 10,000 definitions each time. Before each answer the events since the last
one are read, and what they name is read again; a board that fell behind the stream starts over.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from dkronpy.client import Client, JobView
from dkronpy.clock import Clock, SystemClock
from dkronpy.errors import DkronpyError
from dkronpy.execution import Run
from dkronpy.web.digest import Digest

log = logging.getLogger(__name__)

MOST_RUNS = 2_000
MOST_OF_JOB = 20
MOST_CHANGES = 5_000
STALE_S = 120.0
"""Seconds after which everything is read again behind the scenes, whatever the events said."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the history of a job comes to. Durations in ms; None where no run has ended."""

    ended: int
    succeeded: int
    median: float | None = None
    p95: float | None = None

    @property
    def rate(self) -> float | None:
        """The share of the ended runs that succeeded."""
        return self.succeeded / self.ended if self.ended else None


def took(run: Run) -> int | None:
    """How long a run took, from its firing on, in ms; None for one that is not over or never started."""
    if run.state in {"running", "skipped"} or not run.finished_ms or not run.fired_ms:
        return None
    return max(0, run.finished_ms - run.fired_ms)


def figures(runs: tuple[Run, ...] | list[Run]) -> Figures:
    """Success rate and usual durations of some runs."""
    ended = [run for run in runs if took(run) is not None]
    spans = sorted(took(run) or 0 for run in ended if run.state == "success") or sorted(took(run) or 0 for run in ended)
    if not spans:
        return Figures(ended=len(ended), succeeded=0)
    return Figures(
        ended=len(ended),
        succeeded=sum(run.state == "success" for run in ended),
        median=spans[len(spans) // 2],
        p95=spans[min(len(spans) - 1, int(len(spans) * 0.95))],
    )


class Board:
    """Thread-safe. Every method raises StoreUnavailableError while the store is away."""

    def __init__(self, client: Client, clock: Clock | None = None) -> None:
        self._client, self._clock = client, clock or SystemClock()
        self._lock = threading.Lock()
        self._position = ""
        self._loaded_at = 0.0
        self._loading = False
        self._jobs: dict[str, JobView] = {}
        self._runs: dict[str, Run] = {}
        self._older: dict[str, tuple[Run, ...]] = {}
        self._newest: tuple[Run, ...] = ()
        self._of_job: dict[str, list[Run]] = {}
        self._digest = Digest()

    def jobs(self) -> dict[str, JobView]:
        """Every job, by name, in the order of names."""
        with self._lock:
            self._sync()
            return self._jobs

    def runs(self) -> tuple[Run, ...]:
        """The recent runs of all jobs, the newest first; at most MOST_RUNS."""
        with self._lock:
            self._sync()
            return self._newest

    def digest(self) -> Digest:
        """What the jobs come to, as of the last look at ``jobs`` or ``runs``."""
        return self._digest

    def newest(self) -> Mapping[str, Sequence[Run]]:
        """The recent runs of each job, the newest first, as of the last look at ``jobs`` or ``runs``."""
        return self._of_job

    def recent(self, job: str) -> list[Run]:
        """The runs of a job among the recent ones, the newest first."""
        with self._lock:
            return self._of_job.get(job, [])

    def figures(self, job: str) -> Figures:
        """How the recent runs of a job went."""
        return figures(self.recent(job)[:MOST_OF_JOB])

    def history(self, job: str) -> tuple[Run, ...]:
        """The last runs of a job, the newest first, also those that are recent no more."""
        with self._lock:
            recent, older = self._of_job.get(job, []), self._older.get(job)
        if len(recent) < MOST_OF_JOB and older is None:
            older = tuple(self._client.runs(job=job, limit=MOST_OF_JOB))
            with self._lock:
                self._older[job] = older
        known = {run.id: run for run in older or ()}
        known.update((run.id, run) for run in recent)
        return tuple(sorted(known.values(), key=_age, reverse=True)[:MOST_OF_JOB])

    def _sync(self) -> None:
        now = self._clock.monotonic()
        if not self._position:
            self._load(now)
            return
        if now - self._loaded_at > STALE_S and not self._loading:
            self._loading = True
            threading.Thread(target=self._load_behind, name="dkronpy-board", daemon=True).start()
        changes = self._client.changes(self._position, MOST_CHANGES)
        if changes is None:
            self._load(now)
            return
        if changes:
            self._position = changes[-1].id
            self._apply(
                {event.fields["job"] for event in changes if "job" in event.fields},
                {event.fields["run"] for event in changes if event.kind in {"fired", "run"}},
            )

    def _load(self, now: float) -> None:
        self._take(self._read(), now)

    def _load_behind(self) -> None:
        """Read everything while pages go on with what is known; what happens meanwhile is in the events."""
        found = None
        try:
            found = self._read()
        except DkronpyError as error:
            log.warning("the board stays as it is: %s", error)
        with self._lock:
            self._loading = False
            if found is not None:
                self._take(found, self._clock.monotonic())

    def _read(self) -> tuple[str, dict[str, JobView], dict[str, Run]]:
        position = self._client.position()
        jobs = {view.job.name: view for view in self._client.jobs()}
        return position, jobs, {run.id: run for run in self._client.runs(limit=MOST_RUNS)}

    def _take(self, found: tuple[str, dict[str, JobView], dict[str, Run]], now: float) -> None:
        self._position, self._jobs, self._runs = found
        self._older.clear()
        self._arrange()
        self._digest.rebuild(self._jobs, self._of_job)
        self._loaded_at = now

    def _apply(self, jobs: set[str], runs: set[str]) -> None:
        found = {view.job.name: view for view in self._client.some_jobs(sorted(jobs))}
        merged = {name: view for name, view in self._jobs.items() if name not in jobs} | found
        if len(merged) == len(self._jobs) and merged.keys() == self._jobs.keys():
            self._jobs = {name: merged[name] for name in self._jobs}
        else:
            self._jobs = dict(sorted(merged.items()))
        if runs:
            self._runs.update((run.id, run) for run in self._client.some_runs(sorted(runs)))
            self._arrange()
        self._digest.update(jobs | {run.partition("@")[0] for run in runs}, self._jobs, self._of_job)

    def _arrange(self) -> None:
        newest = sorted(self._runs.values(), key=_age, reverse=True)
        for run in newest[MOST_RUNS:]:
            del self._runs[run.id]
        self._newest = tuple(newest[:MOST_RUNS])
        of_job: dict[str, list[Run]] = defaultdict(list)
        for run in self._newest:
            of_job[run.job].append(run)
        self._of_job = dict(of_job)


def _age(run: Run) -> tuple[int, str]:
    return (run.fired_ms or run.due_ms, run.id)
