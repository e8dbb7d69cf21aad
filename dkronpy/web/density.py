"""How dense a day, a week or a month is: for each part of it the most jobs that start in one minute."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import accumulate, pairwise

import msgspec

from dkronpy.clock import to_ms
from dkronpy.schedule import Schedule

MINUTE_MS, DAY_MS = 60_000, 86_400_000
CONSTANT = 288
"""A job that starts in so many minutes of a day, every five at least, is the same in every hour: it is not drawn."""
LEVELS = 6
_NAMED = 40


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a span is cut: into rows of so many cells, of so many minutes of the clock each.

    ``constant`` is how many starts a day make a job the same all the time.
    """

    rows: int
    columns: int
    minutes: int
    constant: int = CONSTANT


DAY = Layout(rows=24, columns=12, minutes=5)
WEEK = Layout(rows=7, columns=24, minutes=60)
MONTH = Layout(rows=5, columns=7, minutes=24 * 60, constant=24)


class Counted(msgspec.Struct, frozen=True):
    """In which minutes (counted from the epoch, rising) a job starts; none where it is ``constant``: all the time."""

    minutes: array[int]
    constant: bool = False


NOTHING = Counted(array("I"))


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A part, such as an hour: when it begins (ms), the most starts in one of its minutes, all starts, its level.

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


class Dense(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of cells, each with when it begins; ``constant`` names jobs that are due all the time.

    ``jobs`` of ``all_jobs`` are counted so far.
    """

    rows: tuple[tuple[int, tuple[Cell, ...]], ...]
    constant: tuple[str, ...]
    busiest: int
    jobs: int
    all_jobs: int


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """A minute in which something starts, and what."""

    at_ms: int
    count: int
    names: tuple[str, ...]


def count(schedule: Schedule, start_ms: int, end_ms: int, constant: int = CONSTANT) -> Counted:
    """The minutes of a span in which a schedule is due; a second time in the same minute changes nothing."""
    most, first_day = constant * -(-(end_ms - start_ms) // DAY_MS), start_ms + DAY_MS
    minutes = array("I")
    at = schedule.next_ms(start_ms - 1)
    while at is not None and at < end_ms:
        minute = at // MINUTE_MS
        minutes.append(minute)
        if len(minutes) >= most or (len(minutes) == constant and at < first_day):
            return Counted(NOTHING.minutes, constant=True)
        at = schedule.next_ms((minute + 1) * MINUTE_MS - 1)
    return Counted(minutes)


def dense(counted: Iterable[tuple[str, Counted]], start: datetime, all_jobs: int, layout: Layout = WEEK) -> Dense:
    """The density from the midnight *start* (aware) on, of named jobs out of *all_jobs*."""
    edges = [_edge(start, number * layout.minutes) for number in range(layout.rows * layout.columns + 1)]
    edges = list(accumulate(reversed(edges), min))[::-1]  # a time that clocks leave out ends with the gap
    first, end = edges[0], edges[-1]
    starts: Counter[int] = Counter()
    constant, jobs = [], 0
    for name, one in counted:
        jobs += 1
        if one.constant:
            constant.append(name)
        else:
            starts.update(one.minutes[bisect_left(one.minutes, first) : bisect_left(one.minutes, end)])
    return _arranged(starts, edges, layout.columns, (tuple(constant), jobs, all_jobs))


def _arranged(
    starts: Mapping[int, int], edges: list[int], columns: int, what: tuple[tuple[str, ...], int, int]
) -> Dense:
    peaks, totals = [0] * len(edges), [0] * len(edges)
    for minute, many in starts.items():
        place = bisect_right(edges, minute) - 1
        peaks[place] = max(peaks[place], many)
        totals[place] += many
    busiest = max(peaks)
    cells = [
        Cell(at_ms=at * MINUTE_MS, peak=peak, total=total, level=_level(peak, busiest), minutes=end - at)
        for (at, end), peak, total in zip(pairwise(edges), peaks, totals, strict=False)
    ]
    rows = tuple(
        (cells[number].at_ms, tuple(cells[number : number + columns])) for number in range(0, len(cells), columns)
    )
    constant, jobs, all_jobs = what
    return Dense(rows=rows, constant=constant, busiest=busiest, jobs=jobs, all_jobs=all_jobs)


def _edge(start: datetime, minutes: int) -> int:
    """The minute in which a clock shows so much after midnight; of one that it leaves out, as if it went on."""
    return to_ms((start.replace(tzinfo=None) + timedelta(minutes=minutes)).replace(tzinfo=start.tzinfo)) // MINUTE_MS


def changed(cells: Iterable[Cell], minutes: int = WEEK.minutes) -> int:
    """By how much cells of *minutes* are longer together, since clocks are changed; less than 0 where shorter."""
    return sum(cell.minutes - minutes for cell in cells)


def _level(peak: int, busiest: int) -> int:
    return 0 if not peak else max(1, -(-peak * LEVELS // max(busiest, LEVELS)))


def starts_in(counted: Counted, minute: int) -> bool:
    """Whether it starts in a minute."""
    place = bisect_left(counted.minutes, minute)
    return place < len(counted.minutes) and counted.minutes[place] == minute


def minutes_of(counted: Iterable[tuple[str, Counted]], cell: Cell) -> list[Minute]:
    """Which jobs start in which minutes of a cell."""
    first, end = cell.at_ms // MINUTE_MS, cell.end_ms // MINUTE_MS
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
