"""How dense the coming week is: for each hour the most jobs that start in one minute of it."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from dkronpy.clock import to_ms
from dkronpy.schedule import Schedule

DAYS = 7
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
CONSTANT = 288
"""A job that starts in so many minutes of a day, every five at least, is the same in every hour: it is not drawn."""
LEVELS = 6
_NAMED = 40


class Counted(msgspec.Struct, frozen=True):
    """In which minutes (counted from the epoch, rising) a job starts; none where it is ``constant``: all the time."""

    minutes: array[int]
    constant: bool = False


NOTHING = Counted(array("I"))


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """An hour: when it begins (ms), the most starts in one of its minutes, all its starts, a level from 0 to LEVELS."""

    at_ms: int
    peak: int
    total: int
    level: int


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """Seven days of hours; ``constant`` names jobs that are due all the time.

    ``jobs`` of ``all_jobs`` are counted so far; ``minutes`` says how many start in which minute.
    """

    days: tuple[tuple[int, tuple[Cell, ...]], ...]
    constant: tuple[str, ...]
    busiest: int
    jobs: int
    all_jobs: int


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """A minute in which something starts, and what."""

    at_ms: int
    count: int
    names: tuple[str, ...]


def count(schedule: Schedule, start_ms: int, end_ms: int) -> Counted:
    """The minutes of a span in which a schedule is due; a second time in the same minute changes nothing."""
    most, first_day = CONSTANT * -(-(end_ms - start_ms) // DAY_MS), start_ms + DAY_MS
    minutes = array("I")
    at = schedule.next_ms(start_ms - 1)
    while at is not None and at < end_ms:
        minute = at // MINUTE_MS
        minutes.append(minute)
        if len(minutes) >= most or (len(minutes) == CONSTANT and at < first_day):
            return Counted(NOTHING.minutes, constant=True)
        at = schedule.next_ms((minute + 1) * MINUTE_MS - 1)
    return Counted(minutes)


def week_of(counted: Iterable[tuple[str, Counted]], start: datetime, all_jobs: int) -> Week:
    """The density from the midnight *start* (aware) on, of named jobs out of *all_jobs*."""
    first, end = to_ms(start) // MINUTE_MS, _midnight(start, DAYS) // MINUTE_MS
    starts: Counter[int] = Counter()
    constant, jobs = [], 0
    for name, one in counted:
        jobs += 1
        if one.constant:
            constant.append(name)
        else:
            starts.update(one.minutes[bisect_left(one.minutes, first) : bisect_left(one.minutes, end)])
    return _arranged(starts, start, tuple(constant), (jobs, all_jobs))


def _arranged(starts: Mapping[int, int], start: datetime, constant: tuple[str, ...], jobs: tuple[int, int]) -> Week:
    peaks: Counter[int] = Counter()
    totals: Counter[int] = Counter()
    for minute, many in starts.items():
        hour = minute // 60
        peaks[hour] = max(peaks[hour], many)
        totals[hour] += many
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
    return Week(days=tuple(days), constant=constant, busiest=busiest, jobs=jobs[0], all_jobs=jobs[1])


def _midnight(start: datetime, days: int) -> int:
    return to_ms((start.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=start.tzinfo))


def _level(peak: int, busiest: int) -> int:
    return 0 if not peak else max(1, -(-peak * LEVELS // max(busiest, LEVELS)))


def starts_in(counted: Counted, minute: int) -> bool:
    """Whether it starts in a minute."""
    place = bisect_left(counted.minutes, minute)
    return place < len(counted.minutes) and counted.minutes[place] == minute


def minutes_of(counted: Iterable[tuple[str, Counted]], hour_ms: int) -> list[Minute]:
    """Which jobs start in which minutes of an hour."""
    first = hour_ms // MINUTE_MS
    found: dict[int, list[str]] = {}
    for name, one in counted:
        place = bisect_left(one.minutes, first)
        while place < len(one.minutes) and one.minutes[place] < first + 60:
            found.setdefault(one.minutes[place], []).append(name)
            place += 1
    return [
        Minute(at_ms=minute * MINUTE_MS, count=len(names), names=tuple(names[:_NAMED]))
        for minute, names in sorted(found.items())
    ]
