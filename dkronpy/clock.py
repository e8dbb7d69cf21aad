"""The one place that reads a clock; everything else is handed a ``Clock`` or a moment."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    """What a service needs of time: wall-clock milliseconds and monotonic seconds."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware moment."""
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs a time zone: {moment.isoformat()}")
    return (moment - EPOCH) // _MILLISECOND


def aware(moment: datetime) -> datetime:
    """The moment itself; one without a zone is taken as UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def from_ms(ms: int) -> datetime:
    """The aware moment (UTC) of milliseconds since the epoch."""
    return EPOCH + timedelta(milliseconds=ms)


def iso_ms(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: ``2026-11-23T02:30:00.000Z``."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=1024)  # many due times share their second
def _second(seconds: int) -> str:
    return from_ms(seconds * 1000).isoformat()[:19]


ISO_LENGTH = len("2026-11-23T02:30:00.000Z")


def ms_of_iso(text: str) -> int:
    """The inverse of ``iso_ms``. Raises ValueError for any other text."""
    if len(text) != ISO_LENGTH or not text.endswith("Z"):
        raise ValueError(f"{text!r} is no moment with milliseconds")
    return _ms_of_second(text[:-5]) + int(text[-4:-1])


@lru_cache(maxsize=1024)
def _ms_of_second(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=timezone.utc))


def ms_of_rfc3339(text: str) -> int:
    """The millisecond of a moment with a zone and any number of decimals, as Go writes it.

    Raises ValueError for what is none, OverflowError for one that UTC has no year for.
    """
    plain, zone = (text[:-1], "+00:00") if text[-1:] in ("Z", "z") else (text[:-6], text[-6:])
    whole, _, fraction = plain.partition(".")
    return to_ms(datetime.fromisoformat(f"{whole}{zone}").astimezone(timezone.utc)) + int((fraction + "000")[:3])
