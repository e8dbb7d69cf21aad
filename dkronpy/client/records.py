"""What is known of a job's due times in a window: gathers the records of ledger and results, and audits them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

import msgspec

from dkronpy.audit import Audit, audit
from dkronpy.clock import iso_ms
from dkronpy.deployment import Deployment
from dkronpy.execution import Run, run_id
from dkronpy.results.keep import keep_of
from dkronpy.schedule import parse
from dkronpy.store.jobs import StoredJob
from dkronpy.store.ledger import FILED_TTL_MS

BACKFILL = "backfill"
"""What the id of a run that was backfilled ends in; a further try has a number behind it."""
EVERY = 10_000_000
AT_ONCE = 1000
BEFORE = 5
"""How many records before the window are looked at for one that covers a range which reaches into it."""
_MILLISECOND = timedelta(milliseconds=1)
_SLACK_MS = 60_000


class JobAudit(msgspec.Struct, frozen=True, kw_only=True):
    """The audit of one job over the part of a window that can be judged, ``start_ms`` to ``end_ms``.

    ``notes`` say why it is not the whole window; ``waiting`` counts due times that have passed and that beat has not
    come to yet: nobody was told what becomes of them, and nothing is lost.
    """

    job: str
    start_ms: int
    end_ms: int
    notes: tuple[str, ...]
    waiting: int
    audit: Audit


class Records:
    """Reads what became of due times. Raises StoreUnavailableError when store or results backend are away."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def audit(self, name: str, start_ms: int, end_ms: int) -> JobAudit:
        """Audit one job for due times after *start_ms* up to *end_ms*. Raises NotFoundError.

        The schedule in force is all that is known of when it was due, so the window begins at its last change; what
        history has forgotten is no evidence either. A disabled job owes nothing.
        """
        with self.deployment.store.errors():
            # Read before the records: what beat fires meanwhile lies at or after this due time.
            stored = self.deployment.jobs.get(name)
            now_ms = self.deployment.store.now_ms()
        schedule = stored.schedule() if stored.job.enabled else parse("@manually")
        notes = []
        if stored.saved_ms > start_ms:
            start_ms = stored.saved_ms
            notes.append(f"judged from {iso_ms(start_ms)}, when its definition was last changed")
        horizon = self.horizon(stored, now_ms)
        if horizon > start_ms:
            start_ms = horizon
            notes.append(f"judged from {iso_ms(start_ms)}: what is older is forgotten (history_limit, retention)")
        end_ms, waiting = min(end_ms, now_ms), 0
        if stored.job.enabled and stored.due_ms is not None and stored.due_ms <= end_ms:
            waiting = sum(1 for _ in schedule.between_ms(max(start_ms, stored.due_ms - 1), end_ms))
            end_ms = stored.due_ms - 1
        if not stored.job.enabled:
            notes.append("it is disabled and owes nothing")
        end_ms = max(start_ms, end_ms)
        runs = self.runs(stored, start_ms, end_ms)
        return JobAudit(
            job=name, start_ms=start_ms, end_ms=end_ms, notes=tuple(notes), waiting=waiting,
            audit=audit(schedule, runs, start_ms, end_ms),
        )  # fmt: skip

    def horizon(self, stored: StoredJob, now_ms: int) -> int:
        """The moment before which runs of a job may be forgotten, in ms.

        The ledger keeps every record for some minutes. The results backend keeps the runs that ended last: where it is
        full, what ended before the first of them is gone.
        """
        keep = keep_of(stored.job, self.deployment.settings)
        oldest = now_ms - keep.age_ms
        kept = self.deployment.results.runs(job=stored.job.name, limit=keep.runs)
        if len(kept) >= keep.runs:
            ended = min(run.finished_ms or run.fired_ms for run in kept)
            oldest = max(oldest, min(ended, now_ms - FILED_TTL_MS + _SLACK_MS))
        return oldest

    def runs(self, stored: StoredJob, start_ms: int, end_ms: int) -> list[Run]:
        """Every known run of a job whose due time lies after *start_ms* up to *end_ms*, or that covers some of it."""
        name = stored.job.name
        results = self.deployment.results
        found = {
            run.id: run for run in results.runs(job=name, after_ms=start_ms + 1, before_ms=end_ms + 1, limit=EVERY)
        }
        owed = list(stored.schedule().between_ms(start_ms, end_ms)) if stored.job.schedule else []
        covering = results.run_at(name, owed[0]) if owed else None
        if covering is not None:
            found[covering.id] = covering
        with self.deployment.store.errors():
            found.update((run.id, run) for run in self._indexed(name, start_ms, end_ms))
            ids = (run_id(name, due, suffix) for due in owed for suffix in ("", BACKFILL))
            found.update((run.id, run) for run in self._named(one for one in ids if one not in found))
        return list(found.values())

    def _indexed(self, name: str, start_ms: int, end_ms: int) -> list[Run]:
        """What the ledger lists of the window, and the last records before it."""
        client, key = self.deployment.store.client, self.deployment.store.keys.job_runs(name)
        ids = client.zrange(key, f"({start_ms}", end_ms, byscore=True)
        ids += client.zrange(key, start_ms, "-inf", byscore=True, desc=True, offset=0, num=BEFORE)
        return list(self._named(one.decode() for one in ids))

    def _named(self, ids: Iterable[str]) -> Iterator[Run]:
        """Those of the runs that the ledger still has, listed or not."""
        for part in _parts(list(ids)):
            yield from self.deployment.ledger.runs(part)


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
