"""What is chosen for a job once, and then stays with it whatever becomes of the ways to choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from dkronpy.job.job import Job

SHIFTED_BY = ("schedule", "timezone", "after", "calendar", "off_day")
"""Where one of these changes, the minute that was chosen for the former is worth nothing any more."""


def has_tilde(schedule: Any) -> bool:
    """Whether the name of the job has a part in when it is due, in a way that ``hash_rule`` decides."""
    return isinstance(schedule, str) and "~" in schedule


def is_pinned(job: Job) -> bool:
    """Whether nothing is left to be chosen for it."""
    return (job.hash_rule is not None or not has_tilde(job.schedule)) and (
        job.spread is None or job.spread_by is not None
    )


def pinned(job: Job, old: Job | None) -> Job:
    """*job* with what was chosen for *old*, the stored job of its name, as far as it says nothing else itself.

    A ``~`` goes on being read as it was; a new one is read evenly. A minute that was chosen within ``spread`` stays, as
    long as it lies within it and the schedule is the same.
    """
    if job.hash_rule is None and has_tilde(job.schedule):
        known = old.hash_rule if old is not None and has_tilde(old.schedule) else None
        job = msgspec.structs.replace(job, hash_rule=known or "even")
    if job.spread is None or job.spread_by is not None or old is None or old.spread_by is None:
        return job
    if old.spread_by >= job.spread or any(getattr(old, name) != getattr(job, name) for name in SHIFTED_BY):
        return job
    return msgspec.structs.replace(job, spread_by=old.spread_by)
