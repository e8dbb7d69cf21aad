"""Reads ``[DTSTART...] RRULE:FREQ=...`` (RFC 5545)."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta, timezone
from typing import Any

from dkronpy.clock import EPOCH

from .model import Schedule
from .problems import did_you_mean
from .reading import Reading, Word, refuse, words_of
from .recurrence import MONTHS, STEPS, Recurrence
from .zoned import ZonedSchedule
from .zones import check_zone, wall_date, zone_table

_SECOND = timedelta(seconds=1)
RECURRENCE = re.compile(r"(?:RRULE|DTSTART|EXRULE|RDATE|EXDATE)[:;]|FREQ=", re.IGNORECASE)
MOST_COUNT = 10_000
MOST_IN_MONTH = 5
"""Of one weekday; dateutil looks past its tables for a sixth."""
# Ten years of each.
_LONGEST_INTERVAL = {
    "SECONDLY": 315_576_000,
    "MINUTELY": 5_259_600,
    "HOURLY": 87_660,
    "DAILY": 3_652,
    "WEEKLY": 521,
    "MONTHLY": 120,
    "YEARLY": 10,
}
# Lowest and highest value of each BY... part, and whether it may count from the end.
_BY = {
    "BYSECOND": (0, 59, False),
    "BYMINUTE": (0, 59, False),
    "BYHOUR": (0, 23, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYMONTH": (1, 12, False),
    "BYSETPOS": (1, 366, True),
}
_KEYS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_BY)
_BYDAY = re.compile(r"(?:[+-]?(?:[1-9]|[1-4]\d|5[0-3]))?(?:MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", re.ASCII)


def read_recurrence(text: str, column: int, reading: Reading) -> Schedule:
    """The schedule of ``[DTSTART...] RRULE:...``, from DTSTART, the job's start or making, or 1970 on."""
    zone, start, rule = reading.timezone, None, None
    for word in words_of(text, column):
        name = word.text[:7].upper()
        if name == "DTSTART" and rule is None and start is None:
            zone, start = _read_start(word, zone)
        elif rule is None and (name.startswith(("RRULE:", "FREQ="))):
            rule = word
        else:
            refuse(
                f"{word.text!r} is not understood here",
                *word,
                field="RRULE",
                accepted="DTSTART:... and one RRULE:...",
            )
    if rule is None:
        refuse("RRULE is missing", text, column, field="RRULE", accepted="RRULE:FREQ=DAILY;BYHOUR=9, for one")
    if start is None:
        start = _default_start(reading, zone)
    clock = _read_rule(rule, start, zone, " ".join(word.text for word in words_of(text, column)))
    return ZonedSchedule(clock, text=clock.text, timezone=zone, gap=reading.gap, overlap=reading.overlap)


def _default_start(reading: Reading, zone: str) -> int:
    moment = reading.starts_at or reading.anchor
    if moment is None:
        return 0
    second = -((EPOCH - moment) // _SECOND) if reading.starts_at else (moment - EPOCH) // _SECOND
    return second + zone_table(zone).offset(second)


def _read_start(word: Word, zone: str) -> tuple[str, int]:
    head, colon, value = word.text.partition(":")
    _, semicolon, parameter = head.partition(";")
    value_column = word.column + len(head) + 1
    if semicolon:
        key, _, name = parameter.partition("=")
        if key.upper() != "TZID":
            refuse(
                f"{parameter!r} is not known",
                parameter,
                word.column + 8,
                field="DTSTART",
                accepted="TZID=Europe/Berlin",
            )
        zone = check_zone(name, column=word.column + 13)
    if not colon:
        refuse("a time is missing", *word, field="DTSTART", accepted="DTSTART:20270101T090000, for one")
    return zone, _read_wall(value, value_column, "DTSTART", zone, end_of_day=False)


def _read_wall(text: str, column: int, field: str, zone: str, *, end_of_day: bool) -> int:
    accepted = "20270101T090000, 20270101T090000Z or 20270101"
    match = _MOMENT.fullmatch(text.upper())
    if match is None:
        refuse(f"{text!r} is not a time", text, column, field=field, accepted=accepted)
    year, month, day, hour, minute, second, utc = match.groups()
    clock = (int(hour), int(minute), int(second)) if hour else (23, 59, 59) if end_of_day else (0, 0, 0)
    try:
        moment = datetime(int(year), int(month), int(day), *clock, tzinfo=timezone.utc)
    except ValueError as error:
        refuse(f"{text!r} is not a time ({error})", text, column, field=field, accepted=accepted)
    wall = (moment - EPOCH) // _SECOND
    return wall + zone_table(zone).offset(wall) if utc else wall


def _read_rule(word: Word, start: int, zone: str, text: str) -> Recurrence:
    parts = _read_parts(word)
    frequency = _frequency(parts, word)
    interval = _whole(parts, "INTERVAL", _LONGEST_INTERVAL[frequency]) or 1
    count = _whole(parts, "COUNT", MOST_COUNT)
    until = parts.pop("UNTIL", None)
    if until is not None and count is not None:
        refuse("COUNT and UNTIL exclude one another", *until, field="UNTIL", accepted="one of them")
    last = None if until is None else _read_wall(until.text, until.column, "UNTIL", zone, end_of_day=True)
    for key, value in parts.items():
        _check_part(key, value)
    if "BYDAY" in parts:
        _check_days(parts["BYDAY"], frequency, parts.keys())
    rule = _dateutil_rule(parts, frequency, interval, wall_date(start), word)
    clock = Recurrence(rule, frequency=frequency, interval=interval, start=start, until=last, text=text)
    if clock.next_wall(start) is None:
        refuse("no time matches all parts of the rule, so it never fires", *word, field="RRULE")
    if count is not None:
        clock.stop_after(count)
    return clock


def _read_parts(word: Word) -> dict[str, Word]:
    parts: dict[str, Word] = {}
    place = 6 if word.text[:6].upper() == "RRULE:" else 0
    for part in word.text[place:].split(";"):
        key, equals, value = part.partition("=")
        column = word.column + place
        name = key.upper()
        if name not in _KEYS or not equals or not value:
            hint = did_you_mean(key, _KEYS)
            refuse(
                f"{part!r} is not a part of a rule",
                part,
                column,
                field="RRULE",
                accepted=", ".join(_KEYS),
                hint=hint,
            )
        if name in parts:
            refuse(f"{name} is there twice", part, column, field="RRULE")
        parts[name] = Word(value.upper(), column + len(key) + 1)
        place += len(part) + 1
    return parts


def _frequency(parts: dict[str, Word], word: Word) -> str:
    value = parts.pop("FREQ", None)
    accepted = ", ".join(STEPS)
    if value is None:
        refuse("FREQ is missing", *word, field="RRULE", accepted=f"FREQ= and one of {accepted}")
    if value.text not in STEPS:
        hint = did_you_mean(value.text, STEPS)
        refuse(f"{value.text!r} is not a frequency", *value, field="FREQ", accepted=accepted, hint=hint)
    return value.text


def _whole(parts: dict[str, Word], key: str, highest: int) -> int | None:
    value = parts.pop(key, None)
    if value is None:
        return None
    if not re.fullmatch(r"\d{1,9}", value.text, re.ASCII) or not 1 <= int(value.text) <= highest:
        refuse(f"{value.text!r} is out of bounds", *value, field=key, accepted=f"1-{highest}")
    return int(value.text)


def _check_part(key: str, value: Word) -> None:
    column = value.column
    for item in value.text.split(","):
        if key in ("BYDAY", "WKST"):
            ok = bool(_BYDAY.fullmatch(item)) and (key == "BYDAY" or len(item) == 2)
            accepted = "MO TU WE TH FR SA SU" + (", also as 2MO or -1FR" if key == "BYDAY" else "")
        else:
            low, high, from_end = _BY[key]
            number = int(item) if re.fullmatch(r"[+-]?\d{1,4}", item, re.ASCII) else None
            ok = number is not None and (low <= number <= high or (from_end and low <= -number <= high))
            accepted = f"{low}-{high}" + (f", or -{low} to -{high} from the end" if from_end else "")
        if not ok:
            refuse(f"{item!r} is out of bounds", item, column, field=key, accepted=accepted)
        column += len(item) + 1


def _check_days(days: Word, frequency: str, named: Collection[str]) -> None:
    """Refuse ``21FR`` of a month, and ``2FR`` where no month or year is counted (RFC 5545, section 3.3.10)."""
    in_month = frequency == "MONTHLY" or "BYMONTH" in named
    counted = frequency in MONTHS and "BYWEEKNO" not in named
    column = days.column
    for item in days.text.split(","):
        number = int(item[:-2] or 0)
        if number and not counted:
            accepted = f"{item[-2:]} without a number, or FREQ=MONTHLY or FREQ=YEARLY without BYWEEKNO"
            refuse(f"{item!r} counts the weekdays of a month or year", item, column, field="BYDAY", accepted=accepted)
        if in_month and abs(number) > MOST_IN_MONTH:
            accepted = f"1{item[-2:]}-{MOST_IN_MONTH}{item[-2:]}, or -{MOST_IN_MONTH} to -1 from the end"
            refuse(f"no month has {item!r}", item, column, field="BYDAY", accepted=accepted)
        column += len(item) + 1


def _dateutil_rule(parts: dict[str, Word], frequency: str, interval: int, start: datetime, word: Word) -> Any:
    # Imported here: dateutil costs more to import than all the rest, and few schedules need it.
    from dateutil.rrule import rrulestr

    named = {key: value.text for key, value in parts.items()}
    if frequency in MONTHS and not named.keys() & {
        "BYMONTHDAY",
        "BYDAY",
        "BYYEARDAY",
        "BYWEEKNO",
        "BYEASTER",
    }:
        # dateutil would take these from the start; the start is shifted to the 1st while counting.
        named["BYMONTHDAY"] = str(start.day)
        if frequency == "YEARLY":
            named.setdefault("BYMONTH", str(start.month))
    rule = ";".join([f"FREQ={frequency}", f"INTERVAL={interval}", *(f"{key}={value}" for key, value in named.items())])
    try:
        return rrulestr(rule, dtstart=start)
    except ValueError as error:
        refuse(f"the parts of the rule exclude one another ({error})", *word, field="RRULE")
