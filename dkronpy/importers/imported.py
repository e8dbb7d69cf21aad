"""What came of reading another scheduler's jobs: ours, and what of theirs could not be kept."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from dkronpy.config.check import full_check
from dkronpy.job import Job

_UNFIT = re.compile(r"[^a-z0-9_-]+")
LONGEST_NAME = 60


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is otherwise than it was. ``where`` says of what: ``line 12``, or a name of theirs.

    ``job`` is ours; empty where none came of it at all.
    """

    where: str
    what: str
    job: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" (job {self.job})" if self.job else "")


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs, in the order of the source, and everything that could not be kept.

    ``places`` says of each job's name where it came from, as ``where`` of a loss does.
    """

    jobs: tuple[Job, ...]
    losses: tuple[Loss, ...]
    places: dict[str, str] = {}

    def notes(self) -> dict[str, list[str]]:
        """For each of the jobs what is otherwise, for a comment above it."""
        found: dict[str, list[str]] = {}
        for loss in self.losses:
            if loss.job:
                found.setdefault(loss.job, []).append(f"{loss.where}: {loss.what}")
        return found


class Gathering:
    """Jobs and losses as they are found; no job gets a name that is *taken*."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.jobs: list[Job] = []
        self.losses: list[Loss] = []
        self._names = set(taken)
        self._places: dict[str, str] = {}

    def lose(self, where: str, what: str, job: str = "") -> None:
        """Say what is otherwise."""
        self.losses.append(Loss(where=where, what=what, job=job))

    def name(self, wanted: str) -> str:
        """A name of ours that is like *wanted* and that no other job has; it is taken by that."""
        plain = _UNFIT.sub("-", wanted.lower()).strip("-_")[:LONGEST_NAME].strip("-_") or "job"
        name, number = plain, 2
        while name in self._names:
            name, number = f"{plain}-{number}", number + 1
        self._names.add(name)
        return name

    def add(self, job: Job, where: str) -> bool:
        """Keep a job that can be used; of one that cannot say why. Whether it was kept."""
        problems = full_check(job)
        if problems:
            told = "; ".join(" ".join(f"{one.field}: {one.message}".split()) for one in problems[:3])
            self.losses = [loss for loss in self.losses if loss.job != job.name]
            self.lose(where, f"left out: {told}")
            return False
        self.jobs.append(job)
        self._places[job.name] = where
        return True

    def done(self, order: Iterable[Job] | None = None) -> Imported:
        """What was found."""
        jobs = tuple(order if order is not None else self.jobs)
        return Imported(jobs=jobs, losses=tuple(self.losses), places=self._places)
