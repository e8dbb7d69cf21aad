"""How dense the coming week is: for each hour the most jobs that start in one minute of it."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

from dkronpy.clock import to_ms
from dkronpy.schedule import Schedule

DAYS = 7
MINUTE_MS, DAY_MS = 60_000, 86_400_000
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
    """An hour of the clock: when it begins (ms), the most starts in one of its minutes, all its starts, its level.

    Where clocks change an hour may have no minutes at all, or those of two.
    """

    at_ms: int
    peak: int
    total: int
    level: int
    minutes: int = 60

    @property
    def end_ms(self) -> int:
        """When it is over."""
        return self.at_ms + self.minutes * MINUTE_MS


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
    first, end = _hour(start, 0), _hour(start, 24 * DAYS)
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
    hours = [_hour(start, number) for number in range(24 * DAYS + 1)]
    peaks, totals = [0] * len(hours), [0] * len(hours)
    for minute, many in starts.items():
        place = bisect_right(hours, minute) - 1
        peaks[place] = max(peaks[place], many)
        totals[place] += many
    busiest = max(peaks)
    cells = [
        Cell(at_ms=at * MINUTE_MS, peak=peak, total=total, level=_level(peak, busiest), minutes=end - at)
        for (at, end), peak, total in zip(pairwise(hours), peaks, totals, strict=False)
    ]
    days = tuple((cells[number].at_ms, tuple(cells[number : number + 24])) for number in range(0, 24 * DAYS, 24))
    return Week(days=days, constant=constant, busiest=busiest, jobs=jobs[0], all_jobs=jobs[1])


def _hour(start: datetime, number: int) -> int:
    """In which minute an hour of the clock begins; one that the clock leaves out begins and ends with the next one."""
    return to_ms((start.replace(tzinfo=None) + timedelta(hours=number)).replace(tzinfo=start.tzinfo)) // MINUTE_MS


def changed(cells: Iterable[Cell]) -> int:
    """By how many minutes a day is longer than others, since clocks are changed; less than 0 where it is shorter."""
    return sum(cell.minutes - 60 for cell in cells)


def _level(peak: int, busiest: int) -> int:
    return 0 if not peak else max(1, -(-peak * LEVELS // max(busiest, LEVELS)))


def starts_in(counted: Counted, minute: int) -> bool:
    """Whether it starts in a minute."""
    place = bisect_left(counted.minutes, minute)
    return place < len(counted.minutes) and counted.minutes[place] == minute


def minutes_of(counted: Iterable[tuple[str, Counted]], hour: Cell) -> list[Minute]:
    """Which jobs start in which minutes of an hour."""
    first, end = hour.at_ms // MINUTE_MS, hour.end_ms // MINUTE_MS
    found: dict[int, list[str]] = {}
    for name, one in counted:
        place = bisect_left(one.minutes, first)
        while place < len(one.minutes) and one.minutes[place] < end:
            found.setdefault(one.minutes[place], []).append(name)
            place += 1
    return [
        Minute(at_ms=minute * MINUTE_MS, count=len(names), names=tuple(names[:_NAMED]))
        for minute, names in sorted(found.items())
    ]
