"""Recomputes what was owed in a window from the schedule alone, and holds the records against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import msgspec

from dkronpy.execution import Run
from dkronpy.schedule import Schedule

LATE = timedelta(seconds=5)
"""A run that was fired later than this after its due time counts as late."""


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What a window came to. Due times are milliseconds since the epoch.

    ``missing``: owed, and nobody knows what became of it. ``doubled``: more than one record of the schedule, or more
    than one success with what was backfilled. ``unexpected``: a record for a moment that was not owed. ``early``: fired
    before it was due. ``late``: fired more than ``LATE`` after it. ``backfilled`` counts due times that a backfill did.
    """

    owed: int
    ran: int
    skipped: int
    backfilled: int = 0
    missing: tuple[int, ...] = ()
    doubled: tuple[int, ...] = ()
    unexpected: tuple[int, ...] = ()
    early: tuple[int, ...] = ()
    late: tuple[int, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether each due time has exactly one record, and no record came too early. Late ones are no breach."""
        return not (self.missing or self.doubled or self.unexpected or self.early)


def audit(schedule: Schedule, runs: Iterable[Run], start_ms: int, end_ms: int) -> Audit:
    """Compare the records of one job with its schedule, for due times after *start_ms* up to *end_ms*.

    Only runs that the schedule or a backfill caused count; a range record stands for each due time in it. A due time
    without a record that was backfilled is not missing: it is known what became of it.
    """
    owed = list(schedule.between_ms(start_ms, end_ms))
    expected = set(owed)
    records: Counter[int] = Counter()
    successes: Counter[int] = Counter()
    made_up: dict[int, bool] = {}
    early, late, skipped, ran = [], [], 0, 0
    for run in runs:
        covered = _covered(run, owed, start_ms, end_ms) if run.trigger in ("schedule", "backfill") else []
        if not covered:
            continue
        if run.state == "success":
            successes.update(covered)
        if run.trigger == "backfill":
            made_up[run.due_ms] = made_up.get(run.due_ms, False) or run.state == "success"
            continue
        records.update(covered)
        if run.state == "skipped":
            skipped += len(covered)
        else:
            ran += len(covered)
        if run.fired_ms < run.due_ms:
            early.append(run.due_ms)
        if run.state != "skipped" and run.fired_ms - run.due_ms > LATE // timedelta(milliseconds=1):
            late.append(run.due_ms)
    twice = {due for counted in (records, successes) for due, count in counted.items() if count > 1}
    return Audit(
        owed=len(owed),
        ran=ran,
        skipped=skipped,
        backfilled=sum(made_up.values()),
        missing=tuple(due for due in owed if not records[due] and due not in made_up),
        doubled=tuple(sorted(twice)),
        unexpected=tuple(sorted(due for due in {*records, *made_up} if due not in expected)),
        early=tuple(sorted(early)),
        late=tuple(sorted(late)),
    )


def _covered(run: Run, owed: list[int], start_ms: int, end_ms: int) -> list[int]:
    """The due times of the window that a record speaks of."""
    if run.count > 1:
        return [due for due in owed if run.due_ms <= due <= run.until_ms]
    return [run.due_ms] if start_ms < run.due_ms <= end_ms else []
