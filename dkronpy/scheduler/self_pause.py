"""A job that fails too often in a row is paused, so that it stops doing harm until somebody has looked at it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import takewhile
from secrets import token_hex

from dkronpy.errors import ConflictError
from dkronpy.execution import Run
from dkronpy.pause import ITSELF, Pause
from dkronpy.results.backend import ResultsBackend
from dkronpy.store.connection import Store
from dkronpy.store.jobs import Jobs
from dkronpy.store.ledger import Ledger
from dkronpy.store.pauses import Pauses

log = logging.getLogger(__name__)

RECENT = 200
"""How many runs are looked at; a job may not ask for more failures than 100."""
FAILED = ("failed", "partially_failed", "lost")


class SelfPause:
    """Looks at each run that failed."""

    def __init__(self, store: Store, ledger: Ledger, jobs: Jobs, results: ResultsBackend) -> None:
        self.store = store
        self.ledger = ledger
        self.results = results
        self.jobs = jobs
        self.pauses = Pauses(store)

    def look(self, run: Run, now_ms: int) -> None:
        """Pause the job of *run* if it has failed as often in a row as it may, since it was last resumed."""
        if run.state not in FAILED:
            return
        most = next((found.job.pause_after for found in self.jobs.many([run.job])), None)
        if most is None:
            return
        own = [one for one in self.pauses.all() if one.job == run.job and one.by == ITSELF]
        if any(not one.over(now_ms) for one in own):
            return
        since = self._counted_since_ms(run.job, own)
        recent = [one for one in self._recent(run.job) if one.terminal and one.state != "skipped"]
        failed = list(takewhile(lambda one: one.state != "success" and one.fired_ms >= since, recent))
        if len(failed) >= most:
            reason = f"{most} failures in a row"
            pause = Pause(id=token_hex(4), job=run.job, reason=reason, by=ITSELF, from_ms=now_ms)
            try:
                self.pauses.put(pause, run=run.id, times=len(failed))
            except ConflictError as error:  # its next failure is another occasion
                log.error("job %s cannot be paused after %s: %s", run.job, reason, error)
                return
            log.warning("job %s is paused after %s", run.job, reason)

    def _counted_since_ms(self, job: str, own: Sequence[Pause]) -> int:
        """Since when failures of *job* count: since its *own* last pause ended; its state remembers that for longer."""
        kept = self.store.client.hget(self.store.keys.job_state(job), "anew_ms")
        return max(int(kept or 0), *(one.counts_anew_ms for one in own), 0)

    def _recent(self, job: str) -> list[Run]:
        """The newest first; the ledger knows those of the last minutes only."""
        found = {one.id: one for one in self.results.runs(job=job, limit=RECENT)}
        found.update((one.id, one) for one in self.ledger.recent_runs(job, RECENT))
        return sorted(found.values(), key=lambda one: (one.due_ms, one.id), reverse=True)[:RECENT]
