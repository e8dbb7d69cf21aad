"""Does what a plan says: each job at once or not at all, nothing over what somebody changed since it was planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import msgspec

from dkronpy.client.jobs import JobsClient
from dkronpy.errors import ConflictError, NotFoundError, StillRunningError
from dkronpy.fleet.plan import FleetPlan, JobPlan, drifted, make_plan
from dkronpy.job import Job
from dkronpy.job.pins import pinned
from dkronpy.store.jobs import Change, StoredJob

BATCH = 500
_OUTCOMES = ("created", "changed", "unchanged", "conflict", "cycle", "removed", "busy")
MASS = 5
"""From so many deletions on, more than half of a source's jobs are too many to be meant by accident."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What applying did. ``refused`` names the jobs that somebody changed since they were planned; nothing of theirs
    was written, as of those that are ``busy``: to be renamed, and runs of theirs have to end first. ``revisions`` are
    those in force now, of all that were created or changed.
    """

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    revisions: dict[str, int] = {}


class Fleet:
    """The jobs of one source on one deployment."""

    def __init__(self, client: JobsClient, source: str, *, who: str = "") -> None:
        self.client = client
        self.source = source
        self.who = who or client.who

    def plan(
        self,
        jobs: list[Job],
        stored: Sequence[StoredJob],
        origins: dict[str, str] | None = None,
        *,
        moved: Mapping[str, str] | None = None,
        reset_drift: bool = False,
        take_over: bool = False,
    ) -> FleetPlan:
        """What applying *jobs*, checked before, would change; see ``make_plan``."""
        histories = {name: self.client.job_history(name) for name in drifted(stored, self.source)}
        jobs = self.client.calendars.resolved(jobs) if any(job.calendar for job in jobs) else jobs
        if moved:  # a minute that was chosen goes along
            former = {one.job.name: one.job for one in stored}
            jobs = [pinned(job, former.get(moved.get(job.name, job.name))) for job in jobs]
        jobs, chosen = self.client.spread(jobs, stored)
        made = make_plan(
            self.source,
            jobs,
            stored,
            origins=origins,
            histories=histories,
            moved=moved,
            reset_drift=reset_drift,
            take_over=take_over,
        )
        rows = [msgspec.structs.replace(row, spread=chosen.get(row.name)) for row in made.jobs] if chosen else made.jobs
        return msgspec.structs.replace(made, jobs=tuple(rows))

    def apply(
        self,
        plan: FleetPlan,
        *,
        prune: bool = False,
        why: str = "",
        progress: Callable[[int, int], None] | None = None,
    ) -> Applied:
        """Write what the plan says, parents first; what it removes only with *prune*, followers first.

        Whoever is killed in the middle leaves of each job the old or the new, and a plan says what is left to do.
        *progress* is told how many of how many are done.
        """
        writes = plan.those("added", "changed")
        gone = plan.those("removed") if prune else []
        total, done = len(writes) + len(gone), 0
        told = progress or (lambda _done, _total: None)
        outcome: dict[str, list[str]] = {what: [] for what in _OUTCOMES}
        revisions: dict[str, int] = {}
        rows = iter(writes)
        told(0, total)
        while batch := list(islice(rows, BATCH)):
            ready = [row for row in batch if not row.moved or self._renamed(row, outcome)]
            saved = self.client.change_jobs([self._change(row, why) for row in ready])
            for row, one in zip(ready, saved, strict=True):
                outcome[one.what].append(row.name)
                if one.what in ("created", "changed", "unchanged"):
                    revisions[row.name] = one.revision
            done += len(batch)
            told(done, total)
        for row in gone:
            outcome[self._removed(row, why)].append(row.name)
            done += 1
            told(done, total)
        return Applied(
            created=tuple(outcome["created"]),
            changed=(*outcome["changed"], *outcome["unchanged"]),
            removed=tuple(outcome["removed"]),
            refused=(*outcome["conflict"], *outcome["cycle"]),
            busy=tuple(outcome["busy"]),
            revisions=revisions,
        )

    def _change(self, row: JobPlan, why: str) -> Change:
        assert row.new is not None, f"{row.name} is to be removed"  # noqa: S101 - the plan's own rows
        return Change(
            job=row.new,
            source=self.source,
            revision=0 if row.moved else row.revision,
            who=self.who,
            why=why or (f"it was {row.moved}" if row.moved else ""),
            owns=True,
            wish=row.wish,
        )

    def _renamed(self, row: JobPlan, outcome: dict[str, list[str]]) -> bool:
        """Let the job of the former name leave what it has to the new one, which is saved next; whether it has."""
        try:
            self.client.delete_job(
                row.moved, revision=row.revision, by=self.who, why=f"it is {row.name} from now on", heir=row.name
            )
        except StillRunningError:
            outcome["busy"].append(row.name)
            return False
        except ConflictError:
            outcome["conflict"].append(row.name)
            return False
        except NotFoundError:  # somebody else deleted it meanwhile: what is left is a new job
            pass
        return True

    def _removed(self, row: JobPlan, why: str) -> str:
        try:
            self.client.delete_job(row.name, revision=row.revision, by=self.who, why=why)
        except ConflictError:
            return "conflict"
        except NotFoundError:  # somebody else deleted it meanwhile
            return "removed"
        return "removed"


def is_mass(plan: FleetPlan) -> bool:
    """Whether it removes so much of its source's jobs that it looks like an accident."""
    gone = len(plan.those("removed"))
    owned = sum(row.old is not None and row.old.source == plan.source for row in plan.jobs)
    return gone >= MASS and gone * 2 > owned
