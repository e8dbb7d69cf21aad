"""How dense the coming week is: for each hour the most jobs that start in one minute of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError  # noqa: A004 - the built-in one only since 3.11
from datetime import datetime, timedelta
from itertools import islice

import msgspec

from dkronpy.client import JobView
from dkronpy.clock import to_ms

DAYS = 7
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
CONSTANT_MS = 5 * MINUTE_MS
"""A job that is due so often at least is the same in every hour: it is counted, and not drawn."""
MOST_DUE = 60_000
"""Due times that are computed for a page; what lies beyond is said, not shown."""
LEVELS = 6
MOST_WEEKS = 20
PATIENCE_S = 0.08
"""How long a page waits for its week to be counted before it says that it comes."""
_NAMED = 40


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """An hour: when it begins (ms), the most starts in one of its minutes, all its starts, a level from 0 to LEVELS."""

    at_ms: int
    peak: int
    total: int
    level: int


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """Seven days of hours; ``constant`` names jobs that are due all the time, ``left_out`` counts those not drawn."""

    days: tuple[tuple[int, tuple[Cell, ...]], ...]
    constant: tuple[str, ...]
    left_out: int
    busiest: int
    names: dict[int, list[str]]
    """Which jobs start in which minute (counted from the epoch)."""


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """A minute in which something starts, and what."""

    at_ms: int
    count: int
    names: tuple[str, ...]


class Weeks:
    """Counts weeks in a thread of its own, and remembers them until a job changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Hashable, Future[Week]] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="dkronpy-week")

    def find(self, views: Sequence[JobView], start: datetime, stamp: Hashable) -> Week | None:
        """The week, or None while it is being counted, which takes seconds where there are thousands of jobs.

        *stamp* is another one when the jobs are.
        """
        key = (str(start.tzinfo), to_ms(start), stamp)
        with self._lock:
            if key not in self._known:
                if len(self._known) >= MOST_WEEKS:
                    self._known.clear()
                self._known[key] = self._worker.submit(week_of, views, start)
            future = self._known[key]
        try:
            return future.result(PATIENCE_S)
        except TimeoutError:
            return None


def week_of(views: Iterable[JobView], start: datetime) -> Week:
    """The density from the midnight *start* (aware) on."""
    zone = start.tzinfo
    start_ms, end = to_ms(start), start.replace(tzinfo=None) + timedelta(days=DAYS)
    end_ms = to_ms(end.replace(tzinfo=zone))
    names: dict[int, list[str]] = {}
    constant, left, budget = [], 0, MOST_DUE
    for view in views:
        if not view.job.enabled or view.stored.due_ms is None:
            continue
        if _is_constant(view, start_ms):
            constant.append(view.job.name)
            continue
        due = list(islice(view.stored.schedule().between_ms(start_ms - 1, end_ms - 1), budget))
        budget -= len(due)
        left += budget <= 0
        for minute in {at // MINUTE_MS for at in due}:
            names.setdefault(minute, []).append(view.job.name)
    return _arranged(names, start, tuple(constant), left)


def _is_constant(view: JobView, start_ms: int) -> bool:
    """Whether it is due every few minutes around the clock."""
    first = list(islice(view.stored.schedule().between_ms(start_ms - 1, start_ms + DAY_MS), 290))
    return len(first) >= DAY_MS // CONSTANT_MS


def _arranged(names: dict[int, list[str]], start: datetime, constant: tuple[str, ...], left: int) -> Week:
    peaks: Counter[int] = Counter()
    totals: Counter[int] = Counter()
    for minute, jobs in names.items():
        hour = minute // 60
        peaks[hour] = max(peaks[hour], len(jobs))
        totals[hour] += len(jobs)
    busiest = max(peaks.values(), default=0)
    days = []
    for number in range(DAYS):
        midnight = (start.replace(tzinfo=None) + timedelta(days=number)).replace(tzinfo=start.tzinfo)
        cells = []
        for wall in range(24):
            at_ms = to_ms(midnight.replace(hour=wall))
            hour = at_ms // HOUR_MS
            cells.append(Cell(at_ms=at_ms, peak=peaks[hour], total=totals[hour], level=_level(peaks[hour], busiest)))
        days.append((to_ms(midnight), tuple(cells)))
    return Week(days=tuple(days), constant=constant, left_out=left, busiest=busiest, names=names)


def _level(peak: int, busiest: int) -> int:
    return 0 if not peak else max(1, -(-peak * LEVELS // max(busiest, LEVELS)))


def minutes_of(week: Week, hour_ms: int) -> list[Minute]:
    """Which jobs start in which minutes of an hour."""
    first = hour_ms // MINUTE_MS
    return [
        Minute(at_ms=minute * MINUTE_MS, count=len(week.names[minute]), names=tuple(week.names[minute][:_NAMED]))
        for minute in range(first, first + 60)
        if minute in week.names
    ]
