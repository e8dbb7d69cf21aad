"""Which days of a month a cron expression means, as a bit mask."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass

from .fields import Field


@dataclass(frozen=True, kw_only=True)
class DayRule:
    """The day-of-month, month and day-of-week fields together.

    ``both`` says that a day must match day of month *and* day of week; otherwise one of them suffices.
    """

    month_days: Field
    months: Field
    weekdays: Field
    both: bool

    def days(self, year: int, month: int) -> int:
        """The matching days of a month: bit 0 for the 1st."""
        if not self.months.mask >> month & 1:
            return 0
        first, length = monthrange(year, month)
        first = (first + 1) % 7  # Sunday is 0 in cron
        by_month = _by_month_day(self.month_days, first, length)
        by_week = _by_weekday(self.weekdays, first, length)
        return by_month & by_week if self.both else by_month | by_week

    def never(self) -> str:
        """Why no day ever matches, or an empty string; after 400 years the calendar repeats."""
        if any(self.days(year, month) for year in (2000, 2001, *range(2002, 2028)) for month in range(1, 13)):
            return ""
        if any(self.days(year, month) for year in range(2028, 2400) for month in range(1, 13)):
            return ""
        if self.both and self.month_days.has_plain_star:
            return f"no month {self.months.text} has day of week {self.weekdays.text}"
        if self.both and not self.weekdays.has_plain_star:
            days = f"day of month {self.month_days.text} on day of week {self.weekdays.text}"
            return f"no month {self.months.text} has {days}"
        return f"no month {self.months.text} has day of month {self.month_days.text}"


def _by_month_day(field: Field, first: int, length: int) -> int:
    every_day = (1 << length) - 1
    days = field.mask >> 1 & every_day
    for back in field.from_last:
        if back < length:
            days |= 1 << (length - 1 - back)
    if field.last_workday:
        days |= 1 << _nearest_workday(length, first, length) - 1
    for day in field.near:
        if day <= length:
            days |= 1 << _nearest_workday(day, first, length) - 1
    return days


def _by_weekday(field: Field, first: int, length: int) -> int:
    week = sum(1 << day for day in range(7) if field.mask >> (first + day) % 7 & 1)
    days = 0
    for start in range(0, length, 7):
        days |= week << start
    for weekday, count in field.nth:
        days |= 1 << (weekday - first) % 7 + 7 * (count - 1)
    for weekday in field.last:
        back = (first + length - 1 - weekday) % 7
        days |= 1 << length - 1 - back
    return days & (1 << length) - 1


def _nearest_workday(day: int, first: int, length: int) -> int:
    """The day from Monday to Friday nearest to ``day`` in the same month (Quartz's W)."""
    weekday = (first + day - 1) % 7
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day
