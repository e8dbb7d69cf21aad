"""A backfill by way of a server: it runs there as long as somebody here follows it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import msgspec

from dkronpy.client.backfill import Backfill, Plan, Progress
from dkronpy.clock import from_ms
from dkronpy.errors import ConflictError, StoreUnavailableError
from dkronpy.remote.connection import Connection, segment
from dkronpy.remote.stream import sent_events
from dkronpy.wire.backfill import BackfillOut, Window


class RemotePlan(Plan, frozen=True, kw_only=True):
    """What a window needs, as a server has counted it."""

    count: int

    @property
    def total(self) -> int:
        return self.count


class RemoteBackfill(Backfill):
    """One job's backfill, with the methods of the one on the store."""

    def __init__(self, connection: Connection, job: str, *, max_active: int) -> None:
        self.connection = connection
        self.job = job
        self.max_active = max_active
        self._window: Window | None = None

    def plan(self, start_ms: int, end_ms: int, *, forgotten: bool = False) -> RemotePlan:
        self._window = Window(
            start=from_ms(start_ms), end=from_ms(end_ms), max_active=self.max_active, forgotten=forgotten
        )
        answer = self.connection.call("POST", self._path, body=msgspec.structs.replace(self._window, dry_run=True))
        found = self.connection.decode(BackfillOut, answer)
        return RemotePlan(
            job=self.job, due=(), count=found.due, done=found.done, running=found.running, notes=tuple(found.notes)
        )

    def run(self, due: Sequence[int], report: Callable[[Progress], None], stopping: threading.Event) -> Progress:
        """Make up for the window of the last plan, whatever is *due*."""
        progress = Progress(total=0, ended={}, active=0)
        lines = self.connection.lines("POST", self._path, {"follow": "true"}, body=self._window)
        with closing(lines):
            for event in sent_events(lines):
                if event.kind == "problem":
                    detail: Any = msgspec.json.decode(event.data)["detail"]
                    raise ConflictError(str(detail))
                if event.kind in {"progress", "end"}:
                    before, progress = progress, msgspec.json.decode(event.data, type=Progress)
                    if progress != before:
                        report(progress)
                if event.kind == "end" or stopping.is_set():
                    return progress
        raise StoreUnavailableError(f"{self.connection.url} broke off", hint="the same command takes up the rest")

    @property
    def _path(self) -> str:
        return f"/api/v1/jobs/{segment(self.job)}/backfill"
