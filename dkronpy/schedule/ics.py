"""Days off out of an .ics file: its whole-day events, those that repeat included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from msgspec import structs

from dkronpy.errors import ConfigError

from .calendar import Calendar
from .problems import SchedulePositionError

YEARS = 30
"""How far ahead events are spelled out that repeat by a rule other than the same day of each year."""
_PROPERTY = re.compile(r"([A-Za-z-]+)((?:;[^:;=]+=(?:\"[^\"]*\"|[^:;]*))*):(.*)", re.DOTALL)
_DAY = timedelta(days=1)
_LONGEST_EVENT, _LAST_YEAR = 366, 9000


def read_ics(text: str, name: str, *, weekend: tuple[str, ...] = ("SAT", "SUN")) -> Calendar:
    """The calendar called *name* of which the whole-day events of *text* (RFC 5545) are the days off.

    An event with a time of day is no holiday and is left out, as is one that is cancelled. Raises SchedulePositionError
    for text that is no such file.
    """
    if "BEGIN:VCALENDAR" not in text:
        raise SchedulePositionError("it is no .ics file: BEGIN:VCALENDAR is missing", field="calendar", value=name)
    off: dict[str, None] = {}
    for event in _events(text):
        off.update(dict.fromkeys(_off(event)))
    return Calendar(name=name, off=tuple(sorted(off)), weekend=weekend)


def _events(text: str) -> Iterator[dict[str, str]]:
    event: dict[str, str] | None = None
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines():
        word = line.strip().upper()
        if word == "BEGIN:VEVENT":
            event = {}
        elif word == "END:VEVENT" and event is not None:
            yield event
            event = None
        elif event is not None and (found := _PROPERTY.fullmatch(line)):
            key = found[1].upper()
            event[key] = f"{event[key]},{found[3]}" if key == "EXDATE" and key in event else found[3].strip()


def _off(event: dict[str, str]) -> Iterator[str]:
    start = _date(event.get("DTSTART", ""))
    if start is None or event.get("STATUS", "").upper() == "CANCELLED":
        return
    end = _date(event.get("DTEND", "")) or start + _DAY
    days = max(1, (end - start).days)
    if days > _LONGEST_EVENT:
        message = f"an event of {days} days is longer than {_LONGEST_EVENT}"
        raise SchedulePositionError(message, field="calendar", value=event.get("DTEND", ""))
    rule = event.get("RRULE", "")
    if not rule:
        yield _range(start, days)
    elif rule.upper() in ("FREQ=YEARLY", "FREQ=YEARLY;INTERVAL=1"):
        for offset in range(days):
            yield f"{start + offset * _DAY:%m-%d}"
    else:
        for one in _repeated(start, rule, event.get("EXDATE", "")):
            yield _range(one, days)


def _repeated(start: date, rule: str, excluded: str) -> Iterator[date]:
    from dateutil.rrule import rrulestr

    first = datetime(start.year, start.month, start.day)  # noqa: DTZ001 - a day of the calendar, in no zone
    without = {_date(text) for text in excluded.split(",")}
    try:
        found = rrulestr(re.sub(r"(UNTIL=\d{8})(T\d{6}Z?)?", r"\1", rule), dtstart=first)
        until = first.replace(year=first.year + YEARS, day=min(first.day, 28))
        for one in found.between(first, until, inc=True):
            if one.date() not in without:
                yield one.date()
    except (ValueError, TypeError) as error:
        raise SchedulePositionError(f"RRULE:{rule} cannot be read: {error}", field="calendar", value=rule) from None


def _range(start: date, days: int) -> str:
    return start.isoformat() if days == 1 else f"{start.isoformat()}..{(start + (days - 1) * _DAY).isoformat()}"


def _date(text: str) -> date | None:
    """A day without a time; None for anything else. Raises SchedulePositionError for a day that there is not."""
    text = text.strip()
    if not re.fullmatch(r"\d{8}", text, re.ASCII):
        return None
    try:
        found = date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError as error:
        raise SchedulePositionError(f"{text} is no day: {error}", field="calendar", value=text) from None
    if found.year > _LAST_YEAR:
        raise SchedulePositionError(f"{text} lies too far ahead", field="calendar", value=text)
    return found


def read_days(file: Path, name: str, *, weekend: tuple[str, ...] = ("SAT", "SUN"), doc: str = "") -> Calendar:
    """The calendar called *name* out of an .ics file, or of a text with a day off a line (``#`` begins a remark).

    Raises ConfigError for a file that cannot be read or is neither.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"calendar {name}: {file} cannot be read: {error}") from None
    if "BEGIN:VCALENDAR" in text:
        found = read_ics(text, name, weekend=weekend)
    else:
        days = (line.partition("#")[0].strip() for line in text.splitlines())
        found = Calendar(name=name, off=tuple(day for day in days if day), weekend=weekend)
    found = structs.replace(found, doc=doc)
    problems = list(found.problems())
    if problems:
        raise ConfigError(f"calendar {name}: {file}: {problems[0][1]}")
    return found
