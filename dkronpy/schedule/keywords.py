"""The forms that begin with ``@``: descriptors, ``@every``, ``@at``, ``@after`` and ``@manually``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NoReturn

from dkronpy.clock import to_ms

from .cronline import cron_schedule
from .durations import DurationError, parse_duration
from .intervals import Every
from .model import Schedule
from .moments import At, Manual, SingleMoment, read_grace, read_moment
from .problems import did_you_mean
from .reading import Reading, Word, refuse, words_of
from .zoned import ZonedSchedule

SHORTEST_PERIOD = timedelta(milliseconds=100)
LONGEST_PERIOD = timedelta(days=100 * 365)

DESCRIPTORS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
    "@minutely": "0 * * * * *",
}
_EVERY_ACCEPTED = "@every and a duration from 100ms to 100 years, such as @every 90s, @every 1h30m or @every 1d"


def read_keyword(text: str, column: int, reading: Reading) -> Schedule:
    """The schedule of a text whose first character is ``@``; the keyword may be in any case."""
    words = words_of(text, column)
    keyword = words[0].text.lower()
    if keyword == "@every":
        return _read_every(words, reading)
    if keyword == "@at":
        return _read_at(words, reading)
    if keyword == "@after":
        return _read_after(words, reading)
    if keyword not in DESCRIPTORS and keyword != "@manually":
        _refuse_keyword(text, words[0])
    if len(words) > 1:
        refuse(f"{words[1].text!r} after {keyword} means nothing", *words[1], accepted=f"{keyword} alone")
    if keyword == "@manually":
        return Manual(text=keyword, timezone=reading.timezone)
    return cron_schedule([Word(word, column) for word in DESCRIPTORS[keyword].split()], keyword, reading)


def _refuse_keyword(text: str, word: Word) -> NoReturn:
    known = (*DESCRIPTORS, "@every", "@at", "@after", "@manually")
    hint = did_you_mean(word.text, known)
    if word.text.lower() == "@reboot":
        hint = "no schedule starts with a machine: use @manually and run the job from a service"
    accepted = ", ".join(known)
    dkron = f"unrecognized descriptor: {text}"
    refuse(f"{word.text!r} is not known", *word, accepted=accepted, hint=hint, dkron=dkron)


def _read_every(words: list[Word], reading: Reading) -> Schedule:
    value = "".join(word.text for word in words[1:])
    column = words[1].column if len(words) > 1 else words[0].column
    try:
        period = parse_duration(value)
    except DurationError as error:
        message = str(error).removeprefix("duration: ").split("; accepted")[0]
        dkron = f"failed to parse duration @every {value}: time: invalid duration {value!r}"
        refuse(message, value, column, field="@every", accepted=_EVERY_ACCEPTED, hint=error.hint, dkron=dkron)
    if not SHORTEST_PERIOD <= period <= LONGEST_PERIOD:
        refuse(f"{value!r} is out of bounds", value, column, field="@every", accepted=_EVERY_ACCEPTED)
    anchor_ms, first = 0, 1
    if reading.starts_at is not None:
        anchor_ms, first = to_ms(reading.starts_at), 0
    elif reading.anchor is not None:
        # On the whole second, as in Dkron; the moment at which the job was made is not itself due.
        anchor_ms = to_ms(reading.anchor) // 1000 * 1000
    return Every(
        text=f"@every {value}",
        period_ms=period // timedelta(milliseconds=1),
        anchor_ms=anchor_ms,
        first=first,
        timezone=reading.timezone,
    )


def _read_at(words: list[Word], reading: Reading) -> Schedule:
    text, moment_ms = _read_instant(words[1:], words[0], reading)
    return At(text=f"@at {text}", moment_ms=moment_ms, timezone=reading.timezone)


def _read_after(words: list[Word], reading: Reading) -> Schedule:
    said = " ".join(word.text for word in words[1:])
    if len(words) < 3:
        refuse(
            "a time and a grace period are needed",
            said,
            words[0].column,
            field="@after",
            accepted="@after 2027-01-01T09:30:00+01:00 <PT2H, for one",
            dkron=f"@after requires format: @after <RFC3339 datetime> <ISO8601 duration>, got: {said}",
        )
    text, moment_ms = _read_instant(words[1:-1], words[0], reading)
    grace = read_grace(*words[-1])
    return At(text=f"@after {text} {words[-1].text}", moment_ms=moment_ms, timezone=reading.timezone, grace=grace)


def _read_instant(words: list[Word], keyword: Word, reading: Reading) -> tuple[str, int]:
    """The time that the words write, and its milliseconds; a time without offset is one of the job's zone."""
    text = " ".join(word.text for word in words)
    field = keyword.text.lower()
    column = words[0].column if words else keyword.column
    moment = read_moment(text, field=field, column=column)
    if moment.tzinfo is not None:
        return text, to_ms(moment)
    if not reading.timezone:
        accepted = "an offset (Z or +01:00), a TZ= in front, or the job's timezone"
        dkron = f"failed to parse date {field} {text}"
        refuse(f"{text!r} names no zone", text, column, field=field, accepted=accepted, dkron=dkron)
    return text, _instant_in_zone(moment, text, column, field, reading)


def _instant_in_zone(moment: datetime, text: str, column: int, field: str, reading: Reading) -> int:
    # The first answer alone counts: @at is due once, even where an overlap has the time twice.
    single = SingleMoment(moment)
    schedule = ZonedSchedule(single, text=text, timezone=reading.timezone, gap=reading.gap, overlap=reading.overlap)
    found = schedule.next_ms((single.wall - 3 * 86_400) * 1000)
    if found is None:
        refuse(f"{text!r} never comes in {reading.timezone}: clocks skip it", text, column, field=field)
    return found + moment.microsecond // 1000
