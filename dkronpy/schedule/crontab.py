"""Cron fields as a clock on the wall: the next or last local second that matches."""

from __future__ import annotations

from datetime import date

from .days import DayRule
from .fields import Field

_DAY = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal() - _EPOCH_ORDINAL
_FIRST_DAY = date.min.toordinal() - _EPOCH_ORDINAL


class Crontab:
    """Seconds, minutes and hours as masks, and a rule for days.

    Local seconds count from 1970-01-01 00:00 on the wall.

    ``follows_elapsed_time`` is true for a schedule with a wildcard in hour or minute: it runs by elapsed time
    when clocks change; one without is tied to the wall clock (as in Debian's cron).
    """

    __slots__ = (
        "_first", "_hours", "_last", "_minute", "_minutes", "_month", "_second", "_seconds",
        "fields", "follows_elapsed_time", "rule",
    )  # fmt: skip

    def __init__(self, fields: tuple[Field, ...], *, rule: DayRule) -> None:
        self.fields = fields
        self.rule = rule
        self.follows_elapsed_time = fields[1].is_wildcard or fields[2].is_wildcard
        self._seconds, self._minutes, self._hours = (field.mask for field in fields[:3])
        self._second = _lowest(self._seconds)
        self._minute = _lowest(self._minutes) * 60 + self._second
        self._first = _lowest(self._hours) * 3600 + self._minute
        self._last = _highest(self._hours) * 3600 + _highest(self._minutes) * 60 + _highest(self._seconds)
        # The month looked at last, nearly always the one asked for next: its first day, the day after it, its
        # matching days. One tuple, so that threads never see half of it.
        self._month = (0, 0, 0)

    def next_wall(self, wall: int) -> int | None:
        """The first matching local second at or after ``wall``; None beyond the year 9999."""
        day, second = divmod(wall, _DAY)
        if self._matches_day(day):
            found = self._next_in_day(second)
            if found >= 0:
                return day * _DAY + found
        next_day = self._next_day(day + 1)
        return None if next_day is None else next_day * _DAY + self._first

    def prev_wall(self, wall: int) -> int | None:
        """The last matching local second at or before ``wall``; None before the year 1."""
        day, second = divmod(wall, _DAY)
        if self._matches_day(day):
            found = self._prev_in_day(second)
            if found >= 0:
                return day * _DAY + found
        prev_day = self._prev_day(day - 1)
        return None if prev_day is None else prev_day * _DAY + self._last

    def _next_in_day(self, second: int) -> int:
        hour, rest = divmod(second, 3600)
        if self._hours >> hour & 1:
            minute, rest = divmod(rest, 60)
            if self._minutes >> minute & 1:
                later = self._seconds >> rest
                if later:
                    return second + (later & -later).bit_length() - 1
            later = self._minutes >> minute + 1
            if later:
                return hour * 3600 + (minute + (later & -later).bit_length()) * 60 + self._second
        later = self._hours >> hour + 1
        if later:
            return (hour + (later & -later).bit_length()) * 3600 + self._minute
        return -1

    def _prev_in_day(self, second: int) -> int:
        hour, rest = divmod(second, 3600)
        if self._hours >> hour & 1:
            minute, rest = divmod(rest, 60)
            if self._minutes >> minute & 1:
                sooner = self._seconds & (2 << rest) - 1
                if sooner:
                    return hour * 3600 + minute * 60 + _highest(sooner)
            sooner = self._minutes & (1 << minute) - 1
            if sooner:
                return hour * 3600 + _highest(sooner) * 60 + _highest(self._seconds)
        sooner = self._hours & (1 << hour) - 1
        if sooner:
            return _highest(sooner) * 3600 + _highest(self._minutes) * 60 + _highest(self._seconds)
        return -1

    def _matches_day(self, day: int) -> bool:
        start, end, mask = self._month
        if not start <= day < end:
            start, end, mask = self._turn_to(day)
        return bool(mask >> day - start & 1)

    def _next_day(self, day: int) -> int | None:
        while day <= _LAST_DAY:
            start, end, mask = self._month
            if not start <= day < end:
                start, end, mask = self._turn_to(day)
            later = mask >> day - start
            if later:
                return day + (later & -later).bit_length() - 1
            day = end
        return None

    def _prev_day(self, day: int) -> int | None:
        while day >= _FIRST_DAY:
            start, end, mask = self._month
            if not start <= day < end:
                start, end, mask = self._turn_to(day)
            sooner = mask & (2 << day - start) - 1
            if sooner:
                return start + _highest(sooner)
            day = start - 1
        return None

    def _turn_to(self, day: int) -> tuple[int, int, int]:
        """Look up the month that holds ``day`` (from 1970-01-01), skipping months that are not named."""
        if not _FIRST_DAY <= day <= _LAST_DAY:
            return (day, day + 1, 0)
        moment = date.fromordinal(day + _EPOCH_ORDINAL)
        year, month = moment.year, moment.month
        start = day - moment.day + 1
        mask = self.rule.days(year, month)
        while True:
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
            if year > 9999 or self.rule.months.mask >> month & 1:
                break
        end = _LAST_DAY + 1 if year > 9999 else date(year, month, 1).toordinal() - _EPOCH_ORDINAL
        self._month = (start, end, mask)
        return self._month


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _highest(mask: int) -> int:
    return mask.bit_length() - 1
