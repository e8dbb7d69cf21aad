"""Which due times each job owes by its schedules alone, and whether the records cover each of them exactly once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dkronpy.clock import iso_ms
from dkronpy.schedule import Schedule
from tests.model.snapshot import RunRow


@dataclass
class Version:
    """A schedule and when it was in force: after ``since`` up to and including ``until``.

    ``seen`` is the latest moment that was ever shown by the clock until then; it differs after the clock went back.
    """

    schedule: Schedule
    since: int
    until: int | None = None
    seen: int | None = None


@dataclass
class Calendar:
    """What one name owes. ``excused`` are spans that waited for beat when the job was deleted."""

    versions: list[Version] = field(default_factory=list)
    excused: list[tuple[int, int]] = field(default_factory=list)

    def begin(self, schedule: Schedule, now_ms: int) -> None:
        """A schedule comes into force."""
        self.versions.append(Version(schedule, now_ms))

    def end(self, now_ms: int, seen_ms: int) -> None:
        """The schedule in force no longer is."""
        if self.versions and self.versions[-1].until is None:
            self.versions[-1].until, self.versions[-1].seen = now_ms, seen_ms

    def excuse(self, owed_ms: int, now_ms: int) -> None:
        """The job was deleted while *owed_ms* waited for beat: what it owed goes with it."""
        self.excused.append((owed_ms, now_ms))

    def required(self, horizon: int) -> set[int]:
        """The due times that must have a record once beat was up after *horizon*."""
        return {due for due in self._between(horizon, seen=False) if not self._excuse(due)}

    def allowed(self, horizon: int) -> set[int]:
        """The due times that may have one, besides excused ones."""
        return self._between(horizon, seen=True)

    def unknown(self, due_ms: int, allowed: set[int]) -> bool:
        """Whether no schedule and no excuse accounts for a record of this moment."""
        return due_ms not in allowed and not self._excuse(due_ms)

    def _between(self, horizon: int, *, seen: bool) -> set[int]:
        found: set[int] = set()
        for version in self.versions:
            end = version.seen if seen else version.until
            found.update(version.schedule.between_ms(version.since, horizon if end is None else min(end, horizon)))
        return found

    def _excuse(self, due_ms: int) -> bool:
        return any(first <= due_ms <= last for first, last in self.excused)


def check_records(job: str, calendar: Calendar, runs: Iterable[RunRow], horizon: int, *, complete: bool) -> None:
    """No due time has two records, none has one without reason and, if *complete*, none lacks one."""
    allowed = calendar.allowed(horizon)
    covered: dict[int, str] = {}
    for run in runs:
        if run.trigger != "schedule" or run.job != job:
            continue
        for due in _due_times(run, calendar, allowed):
            assert due not in covered, f"{job} has two records for {iso_ms(due)}: {covered[due]} and {run.id}"
            assert not calendar.unknown(due, allowed), f"{job} was not due at {iso_ms(due)}, yet {run.id} says so"
            covered[due] = run.id
    if complete:
        missing = sorted(calendar.required(horizon) - covered.keys())
        assert not missing, f"{job} has no record of {[iso_ms(due) for due in missing[:5]]} ({len(missing)} in all)"


def _due_times(run: RunRow, calendar: Calendar, allowed: set[int]) -> list[int]:
    if not run.until_ms:
        assert run.count == 1, f"{run.id} stands for one moment and counts {run.count}"
        return [run.due_ms]
    inside = sorted(due for due in allowed if run.due_ms <= due <= run.until_ms)
    if not any(first <= run.until_ms and last >= run.due_ms for first, last in calendar.excused):
        assert run.count == len(inside), f"{run.id} counts {run.count} due times where there are {len(inside)}"
    return inside
