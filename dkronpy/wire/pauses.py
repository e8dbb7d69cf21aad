"""Pauses as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from dkronpy.clock import iso_ms
from dkronpy.pause import Pause
from dkronpy.wire.runs import time_in


class PauseAsked(msgspec.Struct, kw_only=True):
    """A pause to make: of a ``job``, of every job with a ``tag`` (``role=web``), or of everything.

    It begins at ``start`` (now unless said) and ends at ``until`` or after ``duration`` (``2h``); without either,
    when somebody resumes.
    """

    job: Annotated[str, msgspec.Meta(examples=["report"])] = ""
    tag: str = ""
    reason: Annotated[str, msgspec.Meta(examples=["the disks are changed"])] = ""
    start: datetime | None = None
    until: datetime | None = None
    duration: Annotated[str, msgspec.Meta(examples=["2h"])] = ""


class PauseOut(msgspec.Struct, kw_only=True):
    """A pause; ``until`` is null until somebody resumes."""

    id: str
    job: str
    tag: str
    reason: str
    by: str
    start: str
    until: str | None
    resumed_by: str


class PauseList(msgspec.Struct, kw_only=True):
    """A page of pauses, the oldest first. ``after`` asks for the page behind it; null at the end."""

    items: list[PauseOut]
    after: str | None = None


def pause_out(one: Pause) -> PauseOut:
    """A pause as JSON."""
    return PauseOut(
        id=one.id, job=one.job, tag=one.tag, reason=one.reason, by=one.by, start=iso_ms(one.from_ms),
        until=None if one.until_ms is None else iso_ms(one.until_ms), resumed_by=one.resumed_by,
    )  # fmt: skip


def pause_in(one: PauseOut) -> Pause:
    """The pause that its JSON stands for."""
    return Pause(
        id=one.id, job=one.job, tag=one.tag, reason=one.reason, by=one.by, from_ms=time_in(one.start),
        until_ms=None if one.until is None else time_in(one.until), resumed_by=one.resumed_by,
    )  # fmt: skip
