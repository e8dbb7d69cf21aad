"""Durations as people write them: ``90``, ``"90s"``, ``"1h30m"``; inside they are ``timedelta``."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

from dkronpy.errors import ConfigError

# Go's units (Dkron writes its durations with Go), and days and weeks on top. Values are nanoseconds.
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([^\W\d]+)", re.ASCII | re.IGNORECASE)
_MICRO_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([µμ]s)")
_BARE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_LONGEST = 32
_SPELLED = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "min": "m", "mins": "m", "minute": "m", "minutes": "m",
    "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "day": "d", "days": "d", "week": "w", "weeks": "w", "msec": "ms", "millis": "ms",
}  # fmt: skip

ACCEPTED = "a number with a unit, such as 90s, 1h30m or 2d (units ms, s, m, h, d, w), or a bare number of seconds"


class DurationError(ConfigError, ValueError):
    """A duration that cannot be understood."""


def parse_duration(value: str | float | timedelta, *, field: str = "duration") -> timedelta:
    """The duration that ``value`` stands for, to the microsecond.

    ``value`` is a ``timedelta``, a number of seconds, or a string in Go's form (``"1h30m"``, ``"1.5s"``,
    ``"500ms"``) with ``d`` and ``w`` added; a string that is only a number means seconds. ``field`` is what
    the error calls it. Raises ``DurationError`` for anything else, and for what is below zero.
    """
    if isinstance(value, timedelta):
        duration = value
    elif isinstance(value, bool):
        raise DurationError(f"{field}: {value!r} is not a duration; accepted: {ACCEPTED}")
    elif isinstance(value, (int, float)):
        duration = _from_seconds(value, field)
    elif isinstance(value, str):
        duration = _from_text(value, field)
    else:
        raise DurationError(f"{field}: {value!r} is not a duration; accepted: {ACCEPTED}")
    if duration < timedelta(0):
        raise DurationError(f"{field}: {format_duration(duration)} is below zero; accepted: {ACCEPTED}")
    return duration


def format_duration(duration: timedelta) -> str:
    """``duration`` in the shortest form that Go reads as well: ``1h30m``, ``500ms``, ``36h``, ``0s``."""
    micros = duration // timedelta(microseconds=1)
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    parts = []
    for unit, size in (("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)):
        count, micros = divmod(micros, size)
        if count:
            parts.append(f"{count}{unit}")
    return sign + ("".join(parts) or "0s")


def _from_seconds(value: float, field: str) -> timedelta:
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise DurationError(f"{field}: {value!r} seconds is more than a duration can hold") from None


@lru_cache(maxsize=1024)  # the jobs of a fleet share theirs
def _from_text(value: str, field: str) -> timedelta:
    text = value.strip()
    if text.startswith("-"):
        raise DurationError(f"{field}: {value!r} is below zero; accepted: {ACCEPTED}")
    if len(text) > _LONGEST:
        raise DurationError(f"{field}: {value[:_LONGEST]!r}... is too long for a duration; accepted: {ACCEPTED}")
    bare = text.removeprefix("+")
    whole = _BARE.fullmatch(bare)
    nanos = Decimal(bare) * _UNITS["s"] if whole else _sum_parts(bare, value, field)
    try:
        return timedelta(microseconds=int(nanos) // 1000)
    except OverflowError:
        raise DurationError(f"{field}: {value!r} is more than a duration can hold") from None


def _sum_parts(text: str, value: str, field: str) -> Decimal:
    if not text:
        raise DurationError(f"{field}: {value!r} is not a duration; accepted: {ACCEPTED}")
    nanos = Decimal(0)
    position = 0
    while position < len(text):
        part = _MICRO_PART.match(text, position) or _PART.match(text, position)
        if part is None:
            raise DurationError(
                f"{field}: {value!r} is not a duration (stuck at {text[position:]!r}); accepted: {ACCEPTED}",
                hint=_missing_unit(text, position),
            )
        number, unit = part.groups()
        if unit not in _UNITS:
            raise DurationError(
                f"{field}: unknown unit {unit!r} in {value!r}; accepted: {ACCEPTED}",
                hint=_near_unit(number, unit),
            )
        nanos += Decimal(number) * _UNITS[unit]
        position = part.end()
    return nanos


def _missing_unit(text: str, position: int) -> str:
    number = _BARE.fullmatch(text, position)
    return f"{number.group()!r} has no unit: did you mean {text + 's'!r}?" if number else ""


def _near_unit(number: str, unit: str) -> str:
    near = _SPELLED.get(unit.lower()) or (unit.lower() if unit.lower() in _UNITS else "")
    return f"did you mean {number + near!r}?" if near else ""
