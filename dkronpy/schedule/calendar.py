"""Working days: a calendar says which days are off; a schedule with one leaves these out, or moves what is due then."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from dkronpy.clock import from_ms, to_ms

from .model import Schedule

OffDay = Literal["skip", "next", "previous"]
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
LONGEST_OFF = 366
"""A working day that is further away than these days is none."""
MOST_DAYS = 5000
_DAY = timedelta(days=1)
_YEARLY = re.compile(r"(\d\d)-(\d\d)")


class Calendar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Days on which nobody works: ``Calendar(name="de", off=["01-01", "2026-04-03", "2026-12-24..2026-12-31"])``.

    ``off`` holds dates, ranges of them, and days of every year; ``working`` those that are worked though they are
    ``off`` or on the ``weekend``. A definition carries the calendar that it was saved with, under the name and the
    ``revision`` that the store has it by (0: it came with the definition); ``off`` None asks for the one of the store.
    """

    name: str
    off: tuple[str, ...] | None = ()
    working: tuple[str, ...] = ()
    weekend: tuple[str, ...] = ("SAT", "SUN")
    revision: int = 0
    doc: str = ""

    def __post_init__(self) -> None:
        for field in ("off", "working", "weekend"):
            value: Any = getattr(self, field)
            if isinstance(value, (list, set, frozenset)):
                msgspec.structs.force_setattr(self, field, tuple(value))

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it: a value, and why."""
        if not isinstance(self.name, str) or not re.fullmatch(r"[a-z0-9_-]{1,100}", self.name):
            yield str(self.name), f"{self.name!r} is no name of a calendar: lower-case letters, digits, '-' and '_'"
        for field in ("off", "working"):
            texts: Any = getattr(self, field) or ()
            if not isinstance(texts, tuple):
                yield str(texts), f"{field} is no list of days"
                continue
            for text in texts:
                try:
                    if sum(1 for _ in _days(text)) > MOST_DAYS:
                        yield text, f"{text!r} is longer than {MOST_DAYS} days"
                except (ValueError, TypeError):
                    yield str(text), f"{text!r} is no day; write 2026-12-25, 12-25 or 2026-12-24..2026-12-31"
        for day in self.weekend:
            if day not in WEEKDAYS:
                yield str(day), f"{day!r} is no day of the week; they are {', '.join(WEEKDAYS)}"


class Days:
    """A calendar, ready to be asked."""

    def __init__(self, calendar: Calendar) -> None:
        self._weekend = frozenset(WEEKDAYS.index(day) for day in calendar.weekend)
        self._off, self._yearly = _sets(calendar.off or ())
        self._working, self._working_yearly = _sets(calendar.working)

    def is_off(self, day: date) -> bool:
        """Whether nobody works on *day*."""
        if day in self._working or (day.month, day.day) in self._working_yearly:
            return False
        return day.weekday() in self._weekend or day in self._off or (day.month, day.day) in self._yearly

    def working(self, day: date, step: int) -> date | None:
        """The working day that is *day*, or the nearest after (1) or before (-1) it."""
        for _ in range(LONGEST_OFF):
            if not self.is_off(day):
                return day
            try:
                day += step * _DAY
            except OverflowError:
                return None
        return None


class WorkingDays(Schedule):
    """Another schedule on the working days of a calendar.

    A due time on a day off is left out (``skip``), or moves, at the same time of the day, to the ``next`` or the
    ``previous`` working day, where it may fall together with that day's own: then it is due once.
    """

    def __init__(self, inner: Schedule, calendar: Calendar, off_day: OffDay, zone: str) -> None:
        self.inner = inner
        self.calendar = calendar
        self.off_day = off_day
        self.text = inner.text
        self.timezone = inner.timezone
        self.manual = inner.manual
        self.grace = inner.grace
        self.seeded = inner.seeded
        self._days = compiled(calendar)
        self._zone: tzinfo = ZoneInfo(zone) if zone else timezone.utc

    @property
    def parts(self) -> tuple[Schedule, ...]:
        return self.inner.parts

    def next_ms(self, after_ms: int) -> int | None:
        return self._walk(after_ms, 1)

    def prev_ms(self, before_ms: int) -> int | None:
        return self._walk(before_ms, -1)

    def first_ms(self, saved_ms: int) -> int | None:
        first = self.inner.first_ms(saved_ms)
        if first is None or first > saved_ms or self.off_day != "skip":
            return self.next_ms(saved_ms)
        return None if self._days.is_off(self._date(first)) else first  # @after, within its grace

    def _walk(self, from_ms_: int, step: int) -> int | None:
        """The nearest due time strictly after (1) or before (-1) a moment, working day by working day."""
        if self.off_day == "skip":
            return self._skipping(from_ms_, step)
        day = self._days.working(self._date(from_ms_), step)
        for _ in range(LONGEST_OFF):
            if day is None:
                return None
            due = [ms for ms in self._due_on(day) if (ms > from_ms_ if step > 0 else ms < from_ms_)]
            if due:
                return min(due) if step > 0 else max(due)
            day = self._another(day, step)
        return None

    def _skipping(self, moment_ms: int, step: int) -> int | None:
        due = self._inner(moment_ms, step)
        for _ in range(LONGEST_OFF):
            if due is None or not self._days.is_off(self._date(due)):
                return due
            day = self._days.working(self._date(due), step)
            if day is None:
                return None
            edge = self._start(day) - 1 if step > 0 else self._start(day + _DAY)
            due = self._inner(edge, step)
        return None

    def _another(self, day: date, step: int) -> date | None:
        """The next working day, in this direction, that could have due times."""
        first, last = self._block(day)
        due = self._inner(self._start(last + _DAY) - 1 if step > 0 else self._start(first), step)
        return None if due is None else self._owner(self._date(due))

    def _owner(self, day: date) -> date | None:
        """The working day that a due time on *day* belongs to."""
        return self._days.working(day, 1 if self.off_day == "next" else -1)

    def _block(self, day: date) -> tuple[date, date]:
        """The days whose due times belong to the working *day*: itself, and those off before or after it."""
        if self.off_day == "next":
            before = self._days.working(day - _DAY, -1)
            return (day - LONGEST_OFF * _DAY if before is None else before + _DAY), day
        after = self._days.working(day + _DAY, 1)
        return day, (day + LONGEST_OFF * _DAY if after is None else after - _DAY)

    def _due_on(self, day: date) -> Iterator[int]:
        first, last = self._block(day)
        for due in self.inner.between_ms(self._start(first) - 1, self._start(last + _DAY) - 1):
            local = from_ms(due).astimezone(self._zone)
            if local.date() == day:
                yield due
            else:
                moved = datetime.combine(day, local.time(), tzinfo=self._zone)
                yield to_ms(moved.astimezone(timezone.utc))

    def _inner(self, moment_ms: int, step: int) -> int | None:
        return self.inner.next_ms(moment_ms) if step > 0 else self.inner.prev_ms(moment_ms)

    def _date(self, ms: int) -> date:
        return from_ms(ms).astimezone(self._zone).date()

    def _start(self, day: date) -> int:
        return to_ms(datetime(day.year, day.month, day.day, tzinfo=self._zone))


def read_calendar(value: Any) -> Any:
    """What people write for ``calendar``: one, the name of one, or a table with its fields."""
    if isinstance(value, str):
        return Calendar(name=value, off=None) if value else None
    if isinstance(value, Mapping) and "name" in value and set(value) <= set(Calendar.__struct_fields__):
        return Calendar(**value)
    return value


@lru_cache(maxsize=64)
def compiled(calendar: Calendar) -> Days:
    """The days of a calendar; many jobs share one."""
    return Days(calendar)


def _sets(texts: Iterable[str]) -> tuple[frozenset[date], frozenset[tuple[int, int]]]:
    yearly = {(int(found[1]), int(found[2])) for text in texts if (found := _YEARLY.fullmatch(text))}
    single = {day for text in texts if not _YEARLY.fullmatch(text) for day in _days(text)}
    return frozenset(single), frozenset(yearly)


def _days(text: str) -> Iterator[date]:
    """The days that a text means; of one of every year, the one in a leap year. Raises ValueError."""
    if found := _YEARLY.fullmatch(text):
        yield date(2024, int(found[1]), int(found[2]))
        return
    first, dots, last = text.partition("..")
    begin = date.fromisoformat(first)
    end = date.fromisoformat(last) if dots else begin
    if end < begin:
        raise ValueError(text)
    for offset in range((end - begin).days + 1):
        yield begin + offset * _DAY
