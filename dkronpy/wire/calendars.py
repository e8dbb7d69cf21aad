"""Calendars as JSON."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dkronpy.schedule.calendar import MOST_DAYS, Calendar

_Days = Annotated[list[str], msgspec.Meta(max_length=MOST_DAYS)]


class CalendarBody(msgspec.Struct, kw_only=True):
    """The days of a calendar: dates, ranges of them (``2026-12-24..2026-12-31``) and days of every year (``12-25``)."""

    off: Annotated[_Days, msgspec.Meta(examples=[["12-25", "2026-04-03"]])] = []
    working: _Days = []
    weekend: Annotated[list[str], msgspec.Meta(examples=[["SAT", "SUN"]], max_length=7)] = msgspec.field(
        default_factory=lambda: ["SAT", "SUN"]
    )
    doc: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class CalendarOut(msgspec.Struct, kw_only=True):
    """A calendar that jobs share, and the jobs that use it."""

    name: str
    revision: int
    off: list[str]
    working: list[str]
    weekend: list[str]
    doc: str
    jobs: list[str]


class CalendarSaved(msgspec.Struct, kw_only=True):
    """A calendar as it is stored, and the jobs that were saved anew with it."""

    calendar: CalendarOut
    changed: list[str]


class CalendarList(msgspec.Struct, kw_only=True):
    """A page of calendars, by name. ``after`` asks for the page behind it; null at the end."""

    items: list[CalendarOut]
    after: str | None = None


def calendar_out(one: Calendar, jobs: list[str]) -> CalendarOut:
    """A calendar as JSON."""
    return CalendarOut(
        name=one.name, revision=one.revision, off=list(one.off or ()), working=list(one.working),
        weekend=list(one.weekend), doc=one.doc, jobs=jobs,
    )  # fmt: skip


def calendar_in(one: CalendarOut) -> Calendar:
    """The calendar that its JSON stands for."""
    return Calendar(
        name=one.name, revision=one.revision, off=tuple(one.off), working=tuple(one.working),
        weekend=tuple(one.weekend), doc=one.doc,
    )  # fmt: skip
