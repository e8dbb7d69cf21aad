"""What the first page asks of thousands of jobs, kept up to date one by one: what is due, what is off, what fails."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dkronpy.client import JobView
from dkronpy.execution import Run
from dkronpy.web.states import is_missed, is_trouble

Due = tuple[int, str]
"""A due time in ms, and the job that is owed it."""


class Digest:
    """Changed under its board's lock; whoever reads takes what one call gives, and iterates over no set of it."""

    def __init__(self) -> None:
        self._due: list[Due] = []
        self._due_of: dict[str, int] = {}
        self.disabled: set[str] = set()
        self.failing: set[str] = set()
        """The jobs whose last run that is over ended badly."""
        self.missed: set[str] = set()
        """The jobs whose last due time nobody served."""
        self.definitions = 0
        """Goes up with every definition that is saved or deleted."""
        self._revisions: dict[str, int] = {}

    def rebuild(self, jobs: Mapping[str, JobView], recent: Mapping[str, Sequence[Run]]) -> None:
        """Take everything in anew."""
        self._due, self._due_of = [], {}
        self.disabled, self.failing, self.missed = set(), set(), set()
        gone = self._revisions.keys() - jobs.keys()
        for name, view in jobs.items():
            self._take(name, view, recent.get(name, ()))
            if view.job.enabled and view.stored.due_ms is not None:
                self._due_of[name] = view.stored.due_ms
        self._due = sorted((due, name) for name, due in self._due_of.items())
        for name in gone:
            self._forget(name)

    def update(self, names: Iterable[str], jobs: Mapping[str, JobView], recent: Mapping[str, Sequence[Run]]) -> None:
        """Take in what has changed of some jobs."""
        for name in names:
            self._drop_due(name)
            view = jobs.get(name)
            if view is None:
                self._forget(name)
                continue
            self._take(name, view, recent.get(name, ()))
            if view.job.enabled and view.stored.due_ms is not None:
                self._due_of[name] = view.stored.due_ms
                insort(self._due, (view.stored.due_ms, name))

    def due(self, until_ms: int | None = None) -> Iterator[Due]:
        """What is owed, the soonest first."""
        return iter(self._due[:] if until_ms is None else self._due[: bisect_left(self._due, (until_ms + 1, ""))])

    def due_of(self, name: str) -> int | None:
        """When a job is due next; None where it is not, or is disabled."""
        return self._due_of.get(name)

    def _take(self, name: str, view: JobView, recent: Sequence[Run]) -> None:
        last = next((run for run in recent if run.terminal), None)
        state, reason = (last.state, last.reason) if last is not None else (view.state.status, "")
        for names, holds in (
            (self.disabled, not view.job.enabled),
            (self.failing, is_trouble(state, reason)),
            (self.missed, is_missed(state, reason)),
        ):
            (names.add if holds else names.discard)(name)
        if self._revisions.get(name) != view.stored.revision:
            self._revisions[name] = view.stored.revision
            self.definitions += 1

    def _drop_due(self, name: str) -> None:
        due = self._due_of.pop(name, None)
        if due is not None:
            del self._due[bisect_left(self._due, (due, name))]

    def _forget(self, name: str) -> None:
        for names in (self.disabled, self.failing, self.missed):
            names.discard(name)
        if self._revisions.pop(name, None) is not None:
            self.definitions += 1
