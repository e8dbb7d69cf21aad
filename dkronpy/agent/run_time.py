"""What is left for an attempt of the time that its run has in all, and how it is told that this was over."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from dkronpy.job import Job
from dkronpy.plugins.executor import Outcome
from dkronpy.schedule.durations import format_duration
from dkronpy.store.ledger import Claim

OVER = "the time of its run was over before this attempt began, and nothing was started"


@dataclass(frozen=True)
class RunTime:
    """The time of a run, as the node that makes an attempt of it sees it: by its own clock since the claim."""

    ends: float | None
    """Monotonic seconds; None where a run may take as long as it likes."""

    @classmethod
    def of(cls, claim: Claim, taken: float) -> RunTime:
        """That of what was claimed at *taken*, in monotonic seconds."""
        left = (claim.end_by_ms - claim.now_ms) / 1000
        return cls(taken + left if claim.end_by_ms else None)

    @property
    def over(self) -> bool:
        """Whether nothing is left of it."""
        return self.ends is not None and time.monotonic() >= self.ends

    def limit(self, timeout: timedelta | None) -> timedelta | None:
        """How long the attempt may take: its own *timeout*, or what is left for the run where that is less."""
        if self.ends is None:
            return timeout
        left = timedelta(seconds=max(0.0, self.ends - time.monotonic()))
        return left if timeout is None else min(timeout, left)

    def allows(self, pause: timedelta) -> bool:
        """Whether another attempt could begin after a pause."""
        return self.ends is None or time.monotonic() + pause.total_seconds() < self.ends

    def told(self, outcome: Outcome, job: Job) -> Outcome:
        """The outcome with a word about the run, where it was its time that ended the attempt."""
        if outcome.reason != "timeout" or not self.over or job.run_timeout is None:
            return outcome
        message = f"its run took longer than its run_timeout of {format_duration(job.run_timeout)}"
        return replace(outcome, message=f"{message}: {outcome.message}" if outcome.message else message)
