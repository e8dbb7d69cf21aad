"""What a plan means in time: due times that appear, vanish or move, and the fullest minute of each kind of target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from dkronpy.client.spreading import timing
from dkronpy.fleet.plan import FleetPlan, JobPlan
from dkronpy.job import Job
from dkronpy.node import Target
from dkronpy.schedule import Schedule
from dkronpy.store.stored import StoredJob, parsed

MINUTE_MS = 60_000
PEAK_MS = 24 * 60 * MINUTE_MS
MOST = 2_000
"""So many due times of one job are compared; what comes after them is left out on both sides."""


class TimeChange(msgspec.Struct, frozen=True, kw_only=True):
    """How the due times of one job change, in ms. ``moves`` are pairs of one that vanishes and one in its place.

    ``until_ms`` is how far both were compared: less far than asked where there are very many.
    """

    job: str
    appears: tuple[int, ...] = ()
    vanishes: tuple[int, ...] = ()
    moves: tuple[tuple[int, int], ...] = ()
    until_ms: int = 0


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """The fullest minute of the next day among the jobs of one kind of target, before and after."""

    target: str
    before: int
    before_ms: int
    after: int
    after_ms: int


def time_changes(plan: FleetPlan, now_ms: int, until_ms: int) -> list[TimeChange]:
    """For each job whose due times in (now, until] change: which ones."""
    found = []
    for row in plan.jobs:
        if row.writes:
            change = _compared(row, now_ms, until_ms)
            if change.appears or change.vanishes or change.moves:
                found.append(change)
    return found


def _compared(row: JobPlan, now_ms: int, until_ms: int) -> TimeChange:
    before = list(islice(_due(_old_schedule(row), now_ms, until_ms), MOST))
    after = list(islice(_due(_new_schedule(row, now_ms), now_ms, until_ms), MOST))
    for times in (before, after):
        if len(times) == MOST:
            until_ms = min(until_ms, times[-1])
    old = {due for due in before if due <= until_ms}
    new = {due for due in after if due <= until_ms}
    vanishes, appears = sorted(old - new), sorted(new - old)
    if len(vanishes) == len(appears):
        return TimeChange(job=row.name, moves=tuple(zip(vanishes, appears, strict=True)), until_ms=until_ms)
    return TimeChange(job=row.name, appears=tuple(appears), vanishes=tuple(vanishes), until_ms=until_ms)


def _old_schedule(row: JobPlan) -> Schedule | None:
    return row.old.schedule() if row.old is not None and _scheduled(row.old.job) else None


def _new_schedule(row: JobPlan, now_ms: int) -> Schedule | None:
    """The schedule that the job would have; its phase is kept, or begins now."""
    if row.new is None or not _scheduled(row.new):
        return None
    return parsed(row.new, row.old.anchor_ms if row.old else now_ms // 1000 * 1000)


def _scheduled(job: Job) -> bool:
    return job.enabled and bool(job.schedule) and not job.after


def _due(schedule: Schedule | None, now_ms: int, until_ms: int) -> Iterator[int]:
    return iter(()) if schedule is None else iter(schedule.between_ms(now_ms, until_ms))


def peaks(plan: FleetPlan, stored: Iterable[StoredJob], now_ms: int) -> list[Peak]:
    """The fullest minute of the next day, for each kind of target whose count changes, of all jobs of the store."""
    writes = {row.name: row for row in plan.jobs if row.writes}
    leaving = {*writes, *(row.moved for row in writes.values())}
    touched = {target_words(job.on) for row in writes.values() for job in (row.new, row.old and row.old.job) if job}
    before, after = _Load(now_ms), _Load(now_ms)
    for one in stored:
        target = target_words(one.job.on)
        if target in touched and _scheduled(one.job):
            before.add(target, one.job, one.anchor_ms)
            if one.job.name not in leaving:
                after.add(target, one.job, one.anchor_ms)
    for row in writes.values():
        if row.new is not None and _scheduled(row.new):
            after.add(target_words(row.new.on), row.new, row.old.anchor_ms if row.old else now_ms // 1000 * 1000)
    found = []
    for target in sorted(touched):
        old, new = before.fullest(target), after.fullest(target)
        if old != new:
            found.append(Peak(target=target, before=old[1], before_ms=old[0], after=new[1], after_ms=new[0]))
    return found


class _Load:
    """How many jobs are due in each minute of the next day, by target. Those of one timing are counted together."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self._counts: dict[str, Counter[tuple[object, ...]]] = {}
        self._schedules: dict[tuple[object, ...], Schedule] = {}

    def add(self, target: str, job: Job, anchor_ms: int) -> None:
        """One more job."""
        key = timing(job, anchor_ms)
        if key not in self._schedules:
            self._schedules[key] = parsed(job, anchor_ms)
        self._counts.setdefault(target, Counter())[key] += 1

    def fullest(self, target: str) -> tuple[int, int]:
        """The first of the fullest minutes, in ms, and its count; (0, 0) for none."""
        minutes: Counter[int] = Counter()
        for key, jobs in self._counts.get(target, {}).items():
            for due in self._schedules[key].between_ms(self.now_ms, self.now_ms + PEAK_MS):
                minutes[due // MINUTE_MS * MINUTE_MS] += jobs
        if not minutes:
            return 0, 0
        minute, count = min(minutes.items(), key=lambda item: (-item[1], item[0]))
        return minute, count


def target_words(on: Target) -> str:
    """Which nodes a target means, in words: jobs of one kind wait in the same queues."""
    tags, count = on.wanted()
    if on.nodes:
        return "node " + ", ".join(sorted(on.nodes))
    wanted = ", ".join(f"{tag}={value}" for tag, value in sorted(tags.items()))
    many = "every node" if count is None else "one node" if count == 1 else f"{count} nodes"
    return f"{many} with {wanted}" if wanted else many
