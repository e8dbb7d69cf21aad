"""Schedules as typed values of a Python config: ``cron(...)``, ``every(...)``, ``at(...)``, ``manual()``."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from .durations import format_duration, parse_duration
from .model import Schedule
from .moments import format_grace
from .parser import parse
from .reading import refuse
from .zoned import Gap, Overlap


class ScheduleSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a job keeps of its schedule until someone parses it.

    ``text`` is the schedule as Dkron writes it, ``timezone`` its zone (``""``: the deployment's default),
    ``starts_at`` the moment before which nothing is due (and from which ``@every`` counts), ``gap`` and
    ``overlap`` what becomes of times that clock changes skip or repeat. Two specs joined by ``|`` are due
    when either is.
    """

    text: str
    timezone: str = ""
    starts_at: datetime | None = None
    gap: Gap = "after"
    overlap: Overlap = "first"

    def parse(self, *, job: str = "", anchor: datetime | None = None, expires_at: datetime | None = None) -> Schedule:
        """The schedule itself; raises ``ScheduleError`` when the text does not make one."""
        return parse(
            self.text,
            timezone=self.timezone,
            job=job,
            starts_at=self.starts_at,
            expires_at=expires_at,
            anchor=anchor,
            gap=self.gap,
            overlap=self.overlap,
        )

    def __or__(self, other: ScheduleSpec) -> ScheduleSpec:
        """Both schedules in one text, each zone written in front of its own."""
        if (self.starts_at, self.gap, self.overlap) != (other.starts_at, other.gap, other.overlap):
            refuse(
                "schedules of one job share start, gap and overlap",
                f"{self.text} | {other.text}",
                accepted="the same in both",
            )
        if self.timezone == other.timezone:
            return msgspec.structs.replace(self, text=f"{self.text} | {other.text}")
        texts = (_with_zone(part, spec.timezone) for spec in (self, other) for part in spec.text.split(" | "))
        return msgspec.structs.replace(self, text=" | ".join(texts), timezone="")


def cron(
    expression: str,
    tz: str | None = None,
    *,
    start: datetime | None = None,
    gap: Gap = "after",
    overlap: Overlap = "first",
) -> ScheduleSpec:
    """A cron schedule of five fields, six (seconds first) or a word such as ``@daily``, in ``tz``."""
    return ScheduleSpec(text=expression, timezone=tz or "", starts_at=start, gap=gap, overlap=overlap)


def every(period: str | int | timedelta, *, start: datetime | None = None) -> ScheduleSpec:
    """Due ``period`` apart (``"90s"``, ``90`` seconds, a ``timedelta``), from ``start`` or the job's making.

    Raises ``DurationError`` for a period that cannot be understood.
    """
    return ScheduleSpec(text=f"@every {format_duration(parse_duration(period, field='every'))}", starts_at=start)


def at(moment: str | datetime, *, tz: str | None = None, grace: str | int | timedelta | None = None) -> ScheduleSpec:
    """Due once, at ``moment`` (RFC 3339 or a ``datetime``); ``tz`` is its zone when it has no offset.

    A job saved up to ``grace`` after the moment still runs, once. Raises ``DurationError`` for a wrong grace.
    """
    text = moment.isoformat() if isinstance(moment, datetime) else moment
    if grace is None:
        return ScheduleSpec(text=f"@at {text}", timezone=tz or "")
    return ScheduleSpec(text=f"@after {text} <{format_grace(parse_duration(grace, field='grace'))}", timezone=tz or "")


def manual() -> ScheduleSpec:
    """Never due: the job runs when someone, or a parent, asks for it."""
    return ScheduleSpec(text="@manually")


def _with_zone(text: str, timezone: str) -> str:
    if text.upper().startswith(("TZ=", "CRON_TZ=")):
        return text
    return f"TZ={timezone or 'UTC'} {text}"
