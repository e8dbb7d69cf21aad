"""A schedule that was changed while due times of the former one still waited for beat: each keeps what it owed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dkronpy.job import Job
from dkronpy.schedule import Schedule


class Version(msgspec.Struct, frozen=True, gc=False):
    """A definition that was in force up to and including ``until_ms`` (None: it still is)."""

    job: Job
    revision: int
    schedule: Schedule
    until_ms: int | None = None


class Succession(Schedule):
    """The due times of several versions of a job, each while it was in force; oldest first.

    Beat tells it from others by ``type``: ``isinstance`` takes ten times as long where the class is an abstract one.
    """

    def __init__(self, versions: Sequence[Version]) -> None:
        self.versions = tuple(versions)
        self.text = " then ".join(version.schedule.text for version in versions)

    @property
    def settled_ms(self) -> int:
        """The moment after which only the last version counts."""
        return max(version.until_ms or 0 for version in self.versions)

    def at(self, due_ms: int) -> Version:
        """The version that owes a due time."""
        for version in self.versions:
            if version.until_ms is None or due_ms <= version.until_ms:
                return version
        return self.versions[-1]

    def next_ms(self, after_ms: int) -> int | None:
        """The first due time strictly after ``after_ms``, whichever version owes it."""
        since = after_ms
        for version in self.versions:
            until = version.until_ms
            if until is not None and until <= since:
                continue
            found = version.schedule.next_ms(since) if version.job.enabled else None
            if found is not None and (until is None or found <= until):
                return found
            since = since if until is None else until
        return None

    def prev_ms(self, before_ms: int) -> int | None:
        """The last due time strictly before ``before_ms``."""
        for version in reversed(self.versions):
            end = before_ms if version.until_ms is None else min(before_ms, version.until_ms + 1)
            found = version.schedule.prev_ms(end) if version.job.enabled else None
            if found is not None and self.at(found) is version:
                return found
        return None
