"""Recurrence rules of RFC 5545 as clocks on the wall; dateutil does the counting."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from dkronpy.clock import EPOCH

from .zones import wall_date

_SECOND = timedelta(seconds=1)

_DAY = 86_400
# Seconds of one step of the frequency; months and years are stepped on the calendar instead.
STEPS = {
    "SECONDLY": 1,
    "MINUTELY": 60,
    "HOURLY": 3_600,
    "DAILY": _DAY,
    "WEEKLY": 7 * _DAY,
    "MONTHLY": 0,
    "YEARLY": 0,
}
_ELAPSED = ("SECONDLY", "MINUTELY", "HOURLY")
MONTHS = {"MONTHLY": 1, "YEARLY": 12}
# 29 February falls on a given weekday once in 40 years at least; what does not come in 60 never comes.
_HORIZON_YEARS = 60
# The calendar repeats, weekdays included, after 400 years of so many seconds.
_CYCLE = 146_097 * _DAY


class Recurrence:
    """A rule, as a clock on the wall. ``start`` is the wall-clock second from which it counts.

    Rules of hours, minutes and seconds follow elapsed time when clocks change; the coarser ones are tied to
    the wall.
    """

    def __init__(self, rule: Any, *, frequency: str, interval: int, start: int, until: int | None, text: str) -> None:
        self.text = text
        self.follows_elapsed_time = frequency in _ELAPSED
        self._rule = rule
        self.frequency = frequency
        self.interval = interval
        self._start = start
        self._until = until
        self._counted: list[int] | None = None

    def stop_after(self, count: int) -> None:
        """Keep only the first ``count`` times."""
        counted: list[int] = []
        found = self.next_wall(self._start)
        while found is not None and len(counted) < count:
            counted.append(found)
            found = self.next_wall(found + 1)
        self._counted = counted

    def next_wall(self, wall: int) -> int | None:
        if self._counted is not None:
            place = bisect_left(self._counted, wall)
            return self._counted[place] if place < len(self._counted) else None
        wall = max(wall, self._start)
        for found in self._from(wall):
            if found >= wall:
                return None if self._until is not None and found > self._until else found
        return None

    def prev_wall(self, wall: int) -> int | None:
        if self._counted is not None:
            place = bisect_right(self._counted, wall)
            return self._counted[place - 1] if place else None
        low = self._some_before(wall)
        if low is None:
            return None
        # The last one is the highest second from which the next one is not beyond `wall`.
        high = wall + 1
        while high - low > 1:
            middle = (low + high) // 2
            found = self.next_wall(middle)
            if found is not None and found <= wall:
                low = found
            else:
                high = middle
        return low

    def _some_before(self, wall: int) -> int | None:
        """A time at or before ``wall``, looked for further and further back."""
        back = 1
        while True:
            found = self.next_wall(wall - back)
            if found is not None and found <= wall:
                return found
            if wall - back < self._start:
                return None
            back *= 8

    def _from(self, wall: int) -> Iterator[int]:
        """Times from shortly before ``wall`` on; ends when nothing comes for at least 60 years.

        dateutil counts to the end of the calendar where nothing matches. So it is set to count in the same
        years of a later cycle of 400 years, from where that end is not far.
        """
        start = self._shifted(wall)
        cycles = (9999 - _HORIZON_YEARS - start.year) // 400
        moments = iter(self._rule.replace(dtstart=start.replace(year=start.year + 400 * cycles)))
        while True:
            try:
                moment = next(moments)
            except (StopIteration, ValueError):
                # ValueError: dateutil finds out while counting that the parts exclude one another.
                return
            yield (moment.replace(tzinfo=timezone.utc) - EPOCH) // _SECOND - cycles * _CYCLE

    def _shifted(self, wall: int) -> datetime:
        """A start in the rhythm of the rule, at or shortly before ``wall``, so that counting stays short."""
        step = STEPS[self.frequency] * self.interval
        if step:
            return wall_date(self._start + max(0, wall - self._start) // step * step)
        start, target = wall_date(self._start), wall_date(wall)
        months = (target.year - start.year) * 12 + target.month - start.month
        step = MONTHS[self.frequency] * self.interval
        year, month = divmod(start.year * 12 + start.month - 1 + max(0, months) // step * step, 12)
        # From the 1st, since not every month has a 31st; the rule names its days, so none are added.
        return start.replace(year=year, month=month + 1, day=1)
