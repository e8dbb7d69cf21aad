"""Moments as people write them on the command line, and as they read them there."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Literal

import click

from dkronpy.clock import SystemClock, from_ms

Style = Literal["relative", "local", "utc"]
STYLES: tuple[Style, ...] = ("relative", "local", "utc")
ACCEPTED = 'accepted: 2026-11-23T02:30:00Z, "2026-11-23 02:30", 02:30, now, -5m, +1h'

_CLOCK = re.compile(r"\d\d?:\d\d(:\d\d(\.\d+)?)?")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def now() -> datetime:
    """This moment, UTC."""
    return from_ms(SystemClock().now_ms())


def zone_named(name: str | None) -> tzinfo | None:
    """The zone of that name; None (the machine's own) for none. Raises ScheduleError with a near name."""
    if not name:
        return None
    from zoneinfo import ZoneInfo

    from dkronpy.schedule.zones import check_zone

    return ZoneInfo(check_zone(name))


def read_moment(text: str, zone: tzinfo | None, *, option: str) -> datetime:
    """The moment that *text* names; without an offset it is read in *zone* (None: the machine's own).

    Raises click.UsageError that names *option* and what is accepted.
    """
    text = text.strip()
    if text == "now":
        return now()
    if text[:1] in ("-", "+"):
        try:
            return now() + _distance(text, option)
        except OverflowError:
            raise click.UsageError(f"{option}: {text!r} is farther away than the calendar goes; {ACCEPTED}") from None
    if _CLOCK.fullmatch(text):
        text = f"{now().astimezone(zone):%Y-%m-%d} {text.zfill(5) if len(text) < 6 else text}"
    try:
        moment = datetime.fromisoformat(_padded(re.sub("[zZ]$", "+00:00", text)))
    except ValueError:
        raise click.UsageError(f"{option}: {text!r} is not a moment; {ACCEPTED}") from None
    if moment.tzinfo is not None:
        return moment
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)


def _padded(text: str) -> str:
    """A fraction of seconds with six digits, which is what Python 3.10 reads."""
    return re.sub(r"\.(\d{1,6})\d*", lambda match: "." + match[1].ljust(6, "0"), text)


def _distance(text: str, option: str) -> timedelta:
    from dkronpy.schedule.durations import DurationError, parse_duration

    try:
        distance = parse_duration(text[1:], field=option)
    except DurationError as error:
        raise click.UsageError(f"{error}; {ACCEPTED}") from None
    return -distance if text[0] == "-" else distance


@dataclass(frozen=True, kw_only=True)
class Times:
    """How moments are shown: by their distance from ``now_ms``, in the machine's zone, or in UTC."""

    style: Style
    now_ms: int

    def show(self, ms: int | None) -> str:
        """A moment, or ``-`` for none."""
        if not ms:
            return "-"
        if self.style == "relative":
            return relative(ms - self.now_ms)
        if self.style == "utc":
            return from_ms(ms).strftime("%Y-%m-%d %H:%M:%SZ")
        return from_ms(ms).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def relative(ms: int) -> str:
    """A distance in words: ``in 5 min``, ``2 h ago``, ``now``."""
    if abs(ms) < 1_000:
        return "now"
    return f"in {span(ms)}" if ms > 0 else f"{span(-ms)} ago"


def span(ms: int) -> str:
    """A length of time in at most two units: ``0.4 s``, ``6.4 s``, ``3 min 20 s``, ``2 d 4 h``."""
    if ms < 10_000:
        return f"{ms / 1000:.1f} s"
    seconds = round(ms / 1000)
    for index, (unit, size) in enumerate(_UNITS):
        if seconds >= size:
            rest = 0 if index + 1 == len(_UNITS) else seconds % size // _UNITS[index + 1][1]
            return f"{seconds // size} {unit}" + (f" {rest} {_UNITS[index + 1][0]}" if rest else "")
    return "0 s"


def spoken(moment: datetime, zone: tzinfo) -> str:
    """A moment with weekday and zone: ``Sat 27 Mar 2027 02:30 CET``."""
    local = moment.astimezone(zone)
    clock = "%H:%M:%S" if local.second or local.microsecond else "%H:%M"
    millis = f".{local.microsecond // 1000:03d}" if local.microsecond else ""
    return local.strftime(f"%a %d %b %Y {clock}") + millis + local.strftime(" %Z")


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC, no more digits than needed: ``2027-03-28T01:00:00Z``."""
    moment = moment.astimezone(timezone.utc)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def machine_zone() -> str:
    """The name of the machine's own zone, out of TZ, /etc/timezone or /etc/localtime; '' where none says it."""
    from zoneinfo import ZoneInfo

    names = [os.environ.get("TZ", "").lstrip(":")]
    with suppress(OSError):
        names.append(Path("/etc/timezone").read_text().strip())
    with suppress(OSError):
        names.append(str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")[2])
    for name in filter(None, names):
        with suppress(Exception):  # whatever a stranger's file holds
            return str(ZoneInfo(name))
    return ""


def local_zone() -> tzinfo:
    """The machine's own zone."""
    return _MachineZone()


class _MachineZone(tzinfo):
    """The machine's own zone, with its clock changes: what ``astimezone()`` without a zone knows."""

    def fromutc(self, moment: datetime) -> datetime:
        local = moment.replace(tzinfo=timezone.utc).astimezone()
        return local.replace(tzinfo=self, fold=local.fold)

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def tzname(self, moment: datetime | None) -> str | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None
