"""What happened to some jobs, from three sides: their schedules, their records, and what they wrote down themselves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from dkronpy.execution import Execution, Run

COMMIT_MS, SLACK_MS = 5_000, 200
"""The longest time from a decision to its commit at a store that is slow, and how exactly a setback is known."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A line that a job's own process appended: an attempt began, or it ended and knows how."""

    what: Literal["start", "ok", "fail"]
    execution: str
    token: int
    node: str
    at_ms: int


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What a job's counters say."""

    success: int = 0
    failed: int = 0
    skipped: int = 0
    lost: int = 0


class JobHistory(msgspec.Struct, frozen=True, kw_only=True):
    """One job: what it was owed, what was recorded. Due times are milliseconds since the epoch.

    ``at_once`` is how many of its commands may run at once, 0 for any number; ``pools`` how many slots of which pool
    each of them takes. ``complete`` says that the history holds every record that the job ever had, so that counters
    can be compared.
    """

    name: str
    delivery: str
    at_once: int = 0
    pools: dict[str, int] = {}
    max_attempts: int
    after: tuple[str, ...] = ()
    owed: tuple[int, ...]
    runs: tuple[Run, ...]
    executions: tuple[Execution, ...]
    counters: Counters
    complete: bool = True


class FaultNote(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to the deployment, and when."""

    at_ms: int
    what: str


class Setback(msgspec.Struct, frozen=True, kw_only=True):
    """The store's clock went back: what it said just before, and by how much, in milliseconds."""

    at_ms: int
    by_ms: int

    def explains(self, run: Run) -> bool:
        """Whether *run* was due when it was decided, and says when it was fired by the clock that had gone back."""
        after = self.at_ms - self.by_ms
        return run.due_ms <= self.at_ms + SLACK_MS and after - SLACK_MS <= run.fired_ms <= after + COMMIT_MS


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the judge is told. ``witnessed`` is False where the jobs' own lines could not be read.

    ``pools`` says how many slots each pool has.
    """

    start_ms: int
    end_ms: int
    jobs: tuple[JobHistory, ...]
    pools: dict[str, int] = {}
    marks: tuple[Mark, ...] = ()
    witnessed: bool = True
    epochs: tuple[int, ...] = ()
    faults: tuple[FaultNote, ...] = ()
    setbacks: tuple[Setback, ...] = ()
    open_executions: tuple[str, ...] = ()
    waiting_messages: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    """Processes of executions that were still there at the end, as ``pid execution``."""

    def write(self, path: Path) -> None:
        """Keep it as JSON, to be judged again."""
        path.write_bytes(msgspec.json.encode(self))


def read_history(path: Path) -> History:
    """A history that was written before."""
    return msgspec.json.decode(path.read_bytes(), type=History)


def read_marks(lines: Iterable[str]) -> list[Mark]:
    """The lines of jobs: ``what execution token node nanoseconds``. A torn last line is passed over."""
    marks = []
    for line in lines:
        parts = line.split()
        if len(parts) == 5 and parts[0] in ("start", "ok", "fail"):
            what, execution, token, node, at = parts
            marks.append(
                Mark(what=what, execution=execution, token=int(token), node=node, at_ms=int(at) // 1_000_000)  # type: ignore[arg-type]
            )
    return marks
