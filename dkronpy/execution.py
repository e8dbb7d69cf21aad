"""A run is one firing of a job; an execution is its share on one node; an attempt is one try of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from dkronpy.clock import ISO_LENGTH, iso_ms, ms_of_iso

RunState = Literal["running", "success", "failed", "partially_failed", "skipped", "lost"]
ExecutionState = Literal["queued", "running", "retry_wait", "success", "failed", "skipped", "lost"]
Trigger = Literal["schedule", "manual", "chained", "backfill"]

TERMINAL: frozenset[str] = frozenset({"success", "failed", "skipped", "lost"})

REASONS: dict[str, str] = {
    "overlap": "another run of the job was still active and the job does not let them overlap",
    "pool_full": "no slot of a pool became free in time",
    "rate_limited": "the rate limit of the job left no room in time",
    "rolling_stopped": "an earlier node of the rolling run did not succeed",
    "misfire_late": "it was noticed too late: the start deadline had passed",
    "misfire_collapsed": "several due times were missed and only the latest is made up",
    "no_live_node": "no live node matched the job's targets before the start deadline",
    "not_started_in_deadline": "no node started it before the start deadline",
    "paused": "the job was paused or disabled",
    "parent_failed": "a parent did not end as required",
    "store_full": "the store was full",
    "cancelled": "somebody cancelled it",
    "exit": "the command ended with an exit status other than 0",
    "timeout": "it ran longer than its timeout and was ended",
    "signal": "a signal ended the command",
    "oom": "it used more memory than its limit and was ended",
    "executor_error": "the executor reported an error",
    "bad_definition": "the definition could not be used on the node",
    "bad_signature": "the definition's signature did not fit",
    "lease_lost_killed": "the node lost touch with the store, or had no thread for it before its lease ran out",
    "shutdown": "the agent was stopped and its grace period was over",
    "lease_expired": "the node stopped reporting while it ran; the outcome is unknown",
    "attempts_exhausted": "every attempt was lost",
}
"""Every reason code of a record that is not a success, with the sentence that explains it."""


def run_id(job: str, due_ms: int, suffix: str = "") -> str:
    """The id of a run: ``backup@2026-11-23T02:30:00.000Z``; manual runs carry a suffix."""
    return f"{job}@{iso_ms(due_ms)}" + (f"-{suffix}" if suffix else "")


def execution_id(run: str, index: int) -> str:
    """The id of a run's share on its n-th target node; also the Celery task id."""
    return f"{run}.{index}"


def run_of(execution_id: str) -> str:
    """The id of the run that an execution id was made from."""
    return execution_id.rpartition(".")[0]


def job_of(run_id: str) -> str:
    """The job that a run's id begins with."""
    return run_id.partition("@")[0]


def due_of(run_id: str) -> int:
    """The due time in a run's id, in ms; 0 for what is no such id."""
    try:
        return ms_of_iso(run_id.partition("@")[2][:ISO_LENGTH])
    except ValueError:
        return 0


class Output(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an attempt printed: the first and the last bytes, and how many there were in all."""

    head: bytes = b""
    tail: bytes = b""
    size: int = 0
    marks: bytes = b""
    """When what of it came, and on which stream: see ``dkronpy.marks``. Empty where nobody has noted it."""

    @property
    def omitted(self) -> int:
        """How many bytes between head and tail were not kept."""
        return self.size - len(self.head) - len(self.tail)

    def pieces(self) -> tuple[tuple[int, bytes], tuple[int, bytes]]:
        """Head and tail, each with the offset of its first byte."""
        return (0, self.head), (self.size - len(self.tail), self.tail)

    def text(self) -> str:
        """Readable text: bytes that are not UTF-8 become U+FFFD, a cut is said where it is."""
        if self.omitted <= 0:
            return (self.head + self.tail).decode("utf-8", "replace")
        mark = f"\n[... {self.omitted:,} bytes left out ...]\n"
        return self.head.decode("utf-8", "replace") + mark + self.tail.decode("utf-8", "replace")


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try of an execution. Times are milliseconds since the epoch (0: not yet)."""

    number: int
    node: str = ""
    token: int = 0
    started_ms: int = 0
    began_ms: int = 0
    """When the executor began, by the agent that ran it; 0 where nobody said so."""
    finished_ms: int = 0
    state: str = "running"
    reason: str = ""
    message: str = ""
    exit_code: int | None = None


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """A run's share on one node, with its attempts. Times are milliseconds since the epoch (0: not yet).

    ``amended`` is True when a lost execution was settled later by the holder of its last token.
    """

    id: str
    run_id: str
    job: str
    node: str = ""
    due_ms: int
    trigger: str = "schedule"
    state: str = "queued"
    reason: str = ""
    message: str = ""
    delivery: int = 0
    attempt: int = 0
    queued_ms: int = 0
    started_ms: int = 0
    finished_ms: int = 0
    cancel: bool = False
    amended: bool = False
    attempts: tuple[Attempt, ...] = ()
    output: Output = Output()

    @property
    def terminal(self) -> bool:
        """Whether its outcome is settled."""
        return self.state in TERMINAL


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One firing of a job: when it was owed, what was decided, by whom, and how it went."""

    id: str
    job: str
    due_ms: int
    trigger: str = "schedule"
    state: str = "running"
    reason: str = ""
    message: str = ""
    fired_ms: int = 0
    fired_by: str = ""
    decision: str = "fire"
    revision: int = 0
    finished_ms: int = 0
    until_ms: int = 0
    """The last due time of a range record (many missed due times in one); else 0."""
    count: int = 1
    """How many due times the record stands for."""
    execution_ids: tuple[str, ...] = ()
    params: str = ""
    """The values that it was given, as a JSON object; '' where nobody gave any."""

    @property
    def terminal(self) -> bool:
        """Whether every execution of it is settled."""
        return self.state != "running"
