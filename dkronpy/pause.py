"""A pause: for a while a job, every job with a tag, or everything, does not run; what is owed meanwhile is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dkronpy.clock import iso_ms
from dkronpy.job import Job

ITSELF = "dkronpy"
"""By whom the pause of a job is made that has failed too often."""


class Pause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Due times from ``from_ms`` up to ``until_ms`` (None: until somebody resumes) are skipped: ``paused``.

    ``job`` names a job, ``tag`` (``role=web``) every job whose target or metadata has it; neither means everything.
    One that ends stays known for as long as due times of its time may still be worked off.
    """

    id: str
    job: str = ""
    tag: str = ""
    reason: str = ""
    by: str = ""
    from_ms: int = 0
    until_ms: int | None = None
    resumed_by: str = ""

    @property
    def counts_anew_ms(self) -> int:
        """Since when failures of its job count anew, now that a pause of dkronpy's own has ended; 0 for any other."""
        return (self.until_ms or 0) if self.job and self.by == ITSELF else 0

    @property
    def scope(self) -> str:
        """What it is about, in words."""
        return f"job {self.job}" if self.job else f"every job with {self.tag}" if self.tag else "everything"

    def holds(self, moment_ms: int) -> bool:
        """Whether it is in force at a moment."""
        return self.from_ms <= moment_ms and (self.until_ms is None or moment_ms < self.until_ms)

    def over(self, moment_ms: int) -> bool:
        """Whether it has ended by a moment."""
        return self.until_ms is not None and self.until_ms <= moment_ms

    def concerns(self, job: Job) -> bool:
        """Whether *job* is meant."""
        if self.job:
            return job.name == self.job
        return not self.tag or self.tag in tags_of(job)

    def sentence(self) -> str:
        """Who paused what until when, and why."""
        by = f" by {self.by}" if self.by else ""
        return f"{self.scope} is paused{by} {self.words()}"

    def words(self) -> str:
        """Until when, and why."""
        until = "until it is resumed" if self.until_ms is None else f"until {iso_ms(self.until_ms)[:19]}Z"
        return until + (f": {self.reason}" if self.reason else "")


def window(scope: str, from_ms: int, until_ms: int) -> Pause:
    """A maintenance window of the jobs with a tag (``role=web``), of a job or, with an empty *scope*, of everything."""
    tagged = "=" in scope
    return Pause(
        id=f"{scope or 'everything'}@{from_ms}", job="" if tagged else scope, tag=scope if tagged else "",
        from_ms=from_ms, until_ms=until_ms,
    )  # fmt: skip


def tags_of(job: Job) -> frozenset[str]:
    """The tags that a job may be paused by: those of its target, without counts, and its metadata."""
    wanted, _ = job.on.wanted()
    return frozenset(f"{name}={value}" for name, value in (*wanted.items(), *job.metadata.items()))


def covering(pauses: Iterable[Pause], job: Job, due_ms: int) -> Pause | None:
    """The pause that a due time of *job* falls into, if any: the one that lasts longest."""
    found = [pause for pause in pauses if pause.holds(due_ms) and pause.concerns(job)]
    return max(found, key=lambda pause: float("inf") if pause.until_ms is None else pause.until_ms, default=None)


def in_force(pauses: Sequence[Pause], now_ms: int) -> list[Pause]:
    """Those that hold now or will, the ones that began first before the others."""
    return sorted((one for one in pauses if not one.over(now_ms)), key=lambda one: (one.from_ms, one.id))
