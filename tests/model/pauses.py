"""Pauses as people make and end them, and what must hold of the runs of their time."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from dkronpy.job import Job
from dkronpy.pause import Pause, covering
from dkronpy.store.pauses import Pauses
from tests.model.snapshot import Snapshot
from tests.model.steps import ModelStore


class PauseBook:
    """Every pause in every version that it ever had.

    Beat reads pauses with what is due, and may sleep before it writes: then those count that it read.
    """

    def __init__(self, store: ModelStore) -> None:
        self._store = Pauses(store)
        self._known: dict[str, Pause] = {}
        self._ever: list[Pause] = []
        self.stale = False
        """Whether a commit may have arrived that rests on what was read before."""

    def pause(self, job: str, from_ms: int, until_ms: int | None) -> None:
        """Somebody pauses a job, or everything."""
        self._put(Pause(id=f"p{len(self._ever)}", job=job, from_ms=from_ms, until_ms=until_ms))

    def resume(self, now_ms: int) -> None:
        """Somebody ends the pause that was made last."""
        if self._known:
            _, last = self._known.popitem()
            self._put(structs.replace(last, until_ms=max(now_ms, last.from_ms), resumed_by="somebody"))

    def _put(self, pause: Pause) -> None:
        self._store.put(pause)
        self._ever.append(pause)
        self._known[pause.id] = pause
        stored = {one.id: one for one in self._store.all()}
        assert stored.get(pause.id) == pause, f"{pause} was written as {stored.get(pause.id)}"

    def check(self, before: Snapshot, after: Snapshot, definitions: Mapping[str, Job]) -> None:
        """What a schedule owes in a pause is recorded as paused and starts nothing; nothing else is recorded so."""
        stale, self.stale = self.stale, False
        for run in (after.runs[name] for name in after.runs.keys() - before.runs.keys()):
            if run.trigger != "schedule":
                assert run.reason != "paused", f"{run.id} was started by hand, and is {run.reason}"
                continue
            job = definitions[run.id]
            if run.reason == "paused":
                assert not run.executions, f"{run.id} is paused and has executions"
                known = covering(self._ever, job, run.due_ms) is not None
                assert known or not job.enabled or job.schedule == "", f"{run.id} is paused, and nobody paused it"
            elif run.executions and not stale:
                pause = covering(self._known.values(), job, run.due_ms)
                assert pause is None, f"{run.id} was started, though {pause} was there"
