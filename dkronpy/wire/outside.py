"""Attempts that something else than an agent makes, as JSON: that one begins, that it goes on, how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from dkronpy.agent.spool import Report
from dkronpy.execution import Output

_Lease = Annotated[int, msgspec.Meta(ge=1_000, le=86_400_000, examples=[30_000])]
_Token = Annotated[int, msgspec.Meta(ge=0, examples=[1795669200031])]


class AttemptAsked(msgspec.Struct, kw_only=True):
    """An attempt that begins on ``node``, or began at ``started_at`` and is told of later.

    It counts as lost where it is silent for ``lease_ms``. A job that is not there is made of ``argv``, by whoever may.
    """

    node: Annotated[str, msgspec.Meta(min_length=1, max_length=200, examples=["cronbox"])]
    lease_ms: _Lease
    argv: Annotated[list[str], msgspec.Meta(max_length=10_000, examples=[["/usr/local/bin/backup.sh"]])] = []
    started_at: datetime | None = None


class AttemptBegun(msgspec.Struct, kw_only=True):
    """An attempt that goes on somewhere: its run, its execution, and the token that its end is told with."""

    run: str
    execution: str
    token: int
    attempt: int


class AttemptHeld(msgspec.Struct, kw_only=True):
    """An attempt goes on: it may be silent for so long again."""

    token: _Token
    lease_ms: _Lease


class AttemptAnswer(msgspec.Struct, kw_only=True):
    """Whether an attempt is to go on, or to end since somebody cancelled it, or counts no more."""

    answer: Literal["go_on", "cancel", "gone"]


class AttemptEnded(msgspec.Struct, kw_only=True):
    """How an attempt ended; of its output, ``size`` bytes, its first and its last ones in base64."""

    token: _Token
    success: bool
    reason: Literal["", "exit", "signal", "cancelled"] = ""
    message: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    exit_code: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    size: Annotated[int, msgspec.Meta(ge=0)] = 0
    head: bytes = b""
    tail: bytes = b""


def ended_out(report: Report) -> AttemptEnded:
    """The end of an attempt as JSON."""
    return AttemptEnded(
        token=report.token, success=report.success, reason=report.reason, message=report.message[:1000],  # type: ignore[arg-type]
        exit_code=report.exit_code, size=report.output.size, head=report.output.head, tail=report.output.tail,
    )  # fmt: skip


def output_of(ended: AttemptEnded) -> Output:
    """What an attempt printed."""
    return Output(head=ended.head, tail=ended.tail, size=max(ended.size, len(ended.head) + len(ended.tail)))
