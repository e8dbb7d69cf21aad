"""Attempts as Dkron's execution records: one for each try on each node that has begun."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

import msgspec

from dkronpy.client import Client, RunView
from dkronpy.clock import from_ms
from dkronpy.execution import Attempt, Execution, Run
from dkronpy.job.json import NEVER, go_time

_NANOS = 1_000_000


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt, with the execution and the run that it belongs to."""

    run: Run
    execution: Execution
    attempt: Attempt

    @property
    def id(self) -> str:
        """Dkron's: when it started, in nanoseconds, and where. The fencing token makes the last digits unique."""
        nanos = self.attempt.started_ms * _NANOS + self.attempt.token % _NANOS
        return f"{nanos}-{self.attempt.node or self.execution.node}"

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return not self.attempt.finished_ms

    def encode(self, zone: tzinfo) -> dict[str, Any]:
        """Dkron's JSON without the output, its times in *zone*."""
        attempt = self.attempt
        return {
            "id": self.id,
            "job_name": self.execution.job,
            "started_at": go_time(from_ms(attempt.started_ms).astimezone(zone)),
            "finished_at": NEVER if self.running else go_time(from_ms(attempt.finished_ms).astimezone(zone)),
            "success": attempt.state == "success",
            "node_name": attempt.node or self.execution.node,
            "group": group_of(self.run),
            "attempt": attempt.number,
        }


def group_of(run: Run) -> int:
    """Dkron's number of a run: when it was fired, in nanoseconds; the last digits tell runs of one moment apart."""
    return run.fired_ms * _NANOS + zlib.crc32(run.id.encode()) % _NANOS


def records_of(views: list[RunView]) -> list[Record]:
    """The records of runs, the latest start first."""
    found = [record for view in views for record in _records(view)]
    return sorted(found, key=lambda record: (record.attempt.started_ms, record.attempt.token), reverse=True)


def _records(view: RunView) -> Iterator[Record]:
    for execution in view.executions:
        for attempt in execution.attempts:
            if attempt.started_ms:
                yield Record(run=view.run, execution=execution, attempt=attempt)


def output_of(client: Client, record: Record) -> str:
    """What it printed; for one that failed, what went wrong stands before it, as in Dkron."""
    text = client.output(record.execution, record.attempt.number).text()
    if record.running or record.attempt.state == "success" or not record.attempt.message:
        return text
    return f"{record.attempt.message}\n{text}" if text else record.attempt.message


def cut(text: str, limit: int | None) -> tuple[str, bool]:
    """The last *limit* bytes of *text*, and whether that left some out."""
    data = text.encode("utf-8", "replace")
    if limit is None or len(data) <= limit:
        return text, False
    return data[len(data) - limit :].decode("utf-8", "replace"), True
