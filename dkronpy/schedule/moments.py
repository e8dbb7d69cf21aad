"""Single moments and none: ``@at``, ``@after``, ``@manually``, and the dates they are written with."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import NoReturn

from dkronpy.clock import EPOCH

from .model import Schedule
from .problems import SchedulePositionError

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|z|[+-]\d\d:\d\d)?", re.ASCII
)
_GRACE = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
# Dkron's year and month; weeks are ours.
_GRACE_SECONDS = (365 * 86_400, 30 * 86_400, 7 * 86_400, 86_400, 3_600, 60, 1)
_LONGEST_GRACE = 100 * 365 * 86_400
MOMENT_ACCEPTED = "an RFC 3339 time such as 2027-01-01T09:30:00+01:00"
GRACE_ACCEPTED = "< and an ISO 8601 duration above zero, such as <PT2H"


class Manual(Schedule):
    """Never due: the job runs when someone, or a parent, asks for it."""

    def __init__(self, *, text: str, timezone: str = "") -> None:
        self.text = text
        self.timezone = timezone
        self.manual = True

    def next_ms(self, after_ms: int) -> int | None:
        return None

    def prev_ms(self, before_ms: int) -> int | None:
        return None


class At(Schedule):
    """Due once, at ``moment_ms``; with ``grace`` (``@after``) a job saved that much later still runs."""

    def __init__(self, *, text: str, moment_ms: int, timezone: str = "", grace: timedelta | None = None) -> None:
        self.text = text
        self.timezone = timezone
        self.grace = grace
        self.moment_ms = moment_ms

    def next_ms(self, after_ms: int) -> int | None:
        return self.moment_ms if after_ms < self.moment_ms else None

    def prev_ms(self, before_ms: int) -> int | None:
        return self.moment_ms if before_ms > self.moment_ms else None

    def first_ms(self, saved_ms: int) -> int | None:
        grace_ms = 0 if self.grace is None else self.grace // timedelta(milliseconds=1)
        if self.grace is not None and self.moment_ms <= saved_ms <= self.moment_ms + grace_ms:
            return self.moment_ms
        return self.next_ms(saved_ms)


class SingleMoment:
    """A wall clock that shows one second only: a time written without offset, still to be hung in a zone."""

    follows_elapsed_time = False

    def __init__(self, moment: datetime) -> None:
        self.wall = (moment.replace(tzinfo=timezone.utc, microsecond=0) - EPOCH) // timedelta(seconds=1)

    def next_wall(self, wall: int) -> int | None:
        return self.wall if wall <= self.wall else None

    def prev_wall(self, wall: int) -> int | None:
        return self.wall if wall >= self.wall else None


def read_moment(text: str, *, field: str, column: int, keyword: str = "") -> datetime:
    """The moment that ``text`` writes in RFC 3339; naive when it names no offset, cut to the millisecond."""
    match = _MOMENT.fullmatch(text)
    dkron = f'failed to parse date {keyword or field} {text}: parsing time "{text}"'
    if match is None:
        raise SchedulePositionError(
            f"{text!r} is not a time" if text else "the time is missing",
            field=field,
            value=text,
            column=column,
            accepted=MOMENT_ACCEPTED,
            dkron=dkron,
        )
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    micros = int((fraction or "0").ljust(6, "0")[:3]) * 1000
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micros, _offset(offset)
        )
        if moment.tzinfo is not None:
            _ = moment - EPOCH  # raises where the moment lies outside the calendar
    except (ValueError, OverflowError) as error:
        raise SchedulePositionError(
            f"{text!r} is not a time ({error})",
            field=field,
            value=text,
            column=column,
            accepted=MOMENT_ACCEPTED,
            dkron=dkron,
        ) from None
    return moment


def read_grace(text: str, column: int) -> timedelta:
    """The grace of ``@after``: ``<`` and an ISO 8601 duration as Dkron reads it, and weeks."""
    if not text.startswith("<"):
        dkron = f"grace period must start with '<', got: {text}"
        _fail_grace(f"{text!r} is not a grace period", text, column, dkron)
    match = _GRACE.fullmatch(text[1:])
    named = [part for part in match.groups() if part is not None] if match else []
    if match is None or not named or text.endswith("T"):
        dkron = f"failed to parse grace period in @after: invalid ISO8601 duration format: {text[1:]}"
        _fail_grace(f"{text[1:]!r} is not an ISO 8601 duration", text, column, dkron)
    seconds = sum(
        (Fraction(part) * size for part, size in zip(match.groups(), _GRACE_SECONDS, strict=True) if part),
        Fraction(0),
    )
    if not seconds:
        dkron = "failed to parse grace period in @after: duration must be greater than zero"
        _fail_grace("a grace period must be above zero", text, column, dkron)
    if seconds > _LONGEST_GRACE:
        _fail_grace(f"{text[1:]!r} is more than a hundred years", text, column, "")
    return timedelta(microseconds=int(seconds * 1_000_000))


def format_grace(grace: timedelta) -> str:
    """``grace`` in ISO 8601: ``PT2H`` comes back as ``PT7200S``, which every reader of Dkron's form takes."""
    seconds, micros = divmod(grace // timedelta(microseconds=1), 1_000_000)
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    return f"PT{seconds}{fraction}S"


def _fail_grace(message: str, value: str, column: int, dkron: str) -> NoReturn:
    raise SchedulePositionError(
        message, field="grace", value=value, column=column, accepted=GRACE_ACCEPTED, dkron=dkron
    )


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text in "Zz":
        return timezone.utc
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[4:])))
