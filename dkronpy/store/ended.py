"""Runs that have ended and that beat has not seen off: what it has to know of them, read and let go many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from dkronpy.execution import Run, execution_id, job_of
from dkronpy.store.connection import Store
from dkronpy.store.ledger import FILED_TTL_MS, STREAM_TTL_MS

_pack = msgspec.msgpack.Encoder().encode


class Part(msgspec.Struct, frozen=True, gc=False):
    """An execution of such a run: its place among them, its state, and how many attempts it had."""

    place: int
    state: str
    attempt: int


class Ended(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A run that has ended; ``state`` is '' where the ledger has forgotten it.

    ``settled`` says that it was seen off in this state before; ``ephemeral`` that its job may be, by its definition.
    """

    id: str
    state: str
    reason: str
    finished_ms: int
    settled: bool
    followed: bool
    ephemeral: bool
    parts: tuple[Part, ...]

    @property
    def job(self) -> str:
        """The job whose run it is."""
        return job_of(self.id)

    def execution(self, part: Part) -> str:
        """The id of one of its executions."""
        return execution_id(self.id, part.place)

    def is_told_by(self, run: Run) -> bool:
        """Whether a record of the run says how it ended."""
        return (run.state, run.reason, run.finished_ms) == (self.state, self.reason, self.finished_ms)


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What beat has done about a run: seen it off, or not yet; when it looks again, 0 for never.

    With ``brief`` its records need not stay for long: they are filed, and no other job may ask for them.
    """

    run: Ended
    settled: bool = True
    again_ms: int = 0
    brief: bool = False


def read_ended(store: Store, until_ms: int, most: int) -> list[Ended]:
    """Up to *most* runs to look at by then, those that ended first before others. redis-py's errors pass through."""
    return [_ended(row) for row in store.scripts.call("ended", until_ms, most)]


def let_go(store: Store, seen: Iterable[Seen]) -> None:
    """Note what was done. A run that has changed since it was read stays as it is, to be looked at anew."""
    rows = [_row(one) for one in seen]
    if rows:
        store.scripts.call("let_go", FILED_TTL_MS, STREAM_TTL_MS, _pack(rows))


def _ended(row: Sequence[Any]) -> Ended:
    name, state, reason, finished_ms, settled, followed, ephemeral, parts = row
    return Ended(
        id=name.decode(), state=state.decode(), reason=reason.decode(), finished_ms=finished_ms,
        settled=settled == 1, followed=followed == 1, ephemeral=ephemeral == 1,
        parts=tuple([Part(place, its_state.decode(), attempt) for place, its_state, attempt in parts]),
    )  # fmt: skip


def _row(seen: Seen) -> tuple[Any, ...]:
    """As ``let_go.lua`` has it."""
    run = seen.run
    parts = [(part.place, part.attempt) for part in run.parts] if seen.brief else None
    return run.id, run.state, run.finished_ms, seen.settled, seen.again_ms, parts
