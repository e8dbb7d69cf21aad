"""The part of the facade that knows definitions: read, change and delete them, and look at what they were."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dkronpy.client.parts import ClientParts
from dkronpy.client.spreading import LOOKED_AT, spread_jobs, usual_run_ms
from dkronpy.config.check import full_check
from dkronpy.deployment import Deployment
from dkronpy.errors import InvalidError, NotFoundError
from dkronpy.job import Job
from dkronpy.job.diff import FieldChange, differences
from dkronpy.job.json import JobState
from dkronpy.level import Choice
from dkronpy.settings import Settings
from dkronpy.store.jobs import Change, Saved, StoredJob
from dkronpy.store.revisions import Revision, find_revision


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job with where it stands and what happened to it so far."""

    stored: StoredJob
    state: JobState

    @property
    def job(self) -> Job:
        """The definition."""
        return self.stored.job


class JobsClient(ClientParts):
    """Definitions of one deployment. Every method raises StoreUnavailableError when the store is away.

    *by* names who changes something, this client unless said; *why* is a sentence that the history keeps.
    """

    def __init__(self, settings: Settings, *, who: str = "client") -> None:
        self.deployment = Deployment(settings)
        self.who = who

    def jobs(self) -> list[JobView]:
        """Every job, by name."""
        with self.deployment.store.errors():
            names = self.deployment.jobs.names()
        return self.some_jobs(names)

    def some_jobs(self, names: Sequence[str]) -> list[JobView]:
        """Those of the named jobs that exist."""
        with self.deployment.store.errors():
            found = self.deployment.jobs.with_states(names)
        return [JobView(stored=stored, state=state) for stored, state in found]

    def job(self, name: str) -> JobView:
        """One job. Raises NotFoundError."""
        with self.deployment.store.errors():
            stored = self.deployment.jobs.get(name)
            return JobView(stored=stored, state=self.deployment.jobs.states([name])[name])

    def stored_jobs(self) -> list[StoredJob]:
        """Every definition with where it stands, by name, without what happened to it."""
        with self.deployment.store.errors():
            return self.deployment.jobs.all()

    def usual_run_ms(self, name: str) -> int | None:
        """How long a job usually takes; None where it never succeeded."""
        return usual_run_ms(self.deployment.results.runs(job=name, state="success", limit=LOOKED_AT))

    def spread(
        self, jobs: Sequence[Job], stored: Sequence[StoredJob] | None = None
    ) -> tuple[list[Job], dict[str, Choice]]:
        """*jobs* with a minute for each that is to be spread and has none; what was chosen, by name."""
        with self.deployment.store.errors():
            return spread_jobs(
                jobs,
                self.stored_jobs if stored is None else lambda: stored,
                self.usual_run_ms,
                self.deployment.store.now_ms,
            )

    def change_jobs(self, changes: Sequence[Change]) -> list[Saved]:
        """Store many changes that were checked before, parents first; each is made, or refused as a ``conflict``."""
        with self.deployment.store.errors():
            return self.deployment.jobs.change_many(changes)

    def save_job(
        self, job: Job, *, source: str = "api", revision: int | None = None, by: str = "", why: str = ""
    ) -> Saved:
        """Check a definition and store it. Raises InvalidError with every problem, ConflictError when it is stale.

        A job that is there already goes on belonging to the source that made it.
        """
        return self.change_job(Change(job=job, source=source, revision=revision, who=by, why=why))

    def change_job(self, change: Change) -> Saved:
        """Check a change and store it. Raises as ``save_job`` does."""
        problems = full_check(change.job)
        if problems:
            raise InvalidError(change.job.name, problems)
        (job,), _ = self.spread([change.job])
        with self.deployment.store.errors():
            return self.deployment.jobs.change(msgspec.structs.replace(change, job=job, who=change.who or self.who))

    def delete_job(
        self, name: str, *, revision: int | None = None, by: str = "", why: str = "", heir: str = ""
    ) -> None:
        """Delete a job; its open runs go on, its history stays for as long as it is kept. *heir* is the name that it is
        saved under next, where it is renamed: phase, counters and history go along.

        Raises NotFoundError, and ConflictError where *revision* is given and is not the one in force, or where runs
        of a job that is renamed have to end first.
        """
        with self.deployment.store.errors():
            if not self.deployment.jobs.delete(name, revision=revision, who=by or self.who, why=why, heir=heir):
                raise NotFoundError(f"there is no job named {name!r}")

    def toggle_job(self, name: str, *, by: str = "", why: str = "") -> Job:
        """Disable an enabled job, or the reverse; returns what it is now."""
        view = self.job(name)
        job = msgspec.structs.replace(view.job, enabled=not view.job.enabled)
        self.save_job(job, source=view.stored.source, revision=view.stored.revision, by=by, why=why)
        return job

    # what it was

    def job_history(self, name: str) -> list[Revision]:
        """The revisions of a job that are known, the newest first; that of an existing job is the one in force.

        A job that was deleted is remembered for a while. Raises NotFoundError for one of which nothing is known.
        """
        with self.deployment.store.errors():
            found = self.deployment.jobs.history(name)
        if not found:
            raise NotFoundError(f"there is no job named {name!r}", hint="`dkronpy job list` names them all")
        return found

    def job_diff(self, name: str, old: int | None = None, new: int | None = None) -> tuple[FieldChange, ...]:
        """What differs between two revisions; by default between the newest and the one before it.

        Raises NotFoundError that names the revisions that are known.
        """
        history = self.job_history(name)
        later = find_revision(history, name, new)
        if old is None:
            position = history.index(later)
            history, back = history[position:], 1
        else:
            back = 0
        earlier = find_revision(history, name, old, back=back)
        return differences(_job(earlier), _job(later))

    def rollback_job(self, name: str, revision: int | None = None, *, by: str = "", why: str = "") -> Saved:
        """Make an earlier revision (the one before the newest, unless said) the newest: what it said is in force again.

        A deleted job is made anew as it was. Raises NotFoundError, ConflictError, InvalidError.
        """
        history = self.job_history(name)
        deleted = history[0].job is None
        wanted = find_revision(history, name, revision, back=0 if deleted else 1)
        return self.save_job(
            _job(wanted),
            revision=0 if deleted else history[0].number,
            by=by,
            why=why or f"back to revision {wanted.number}",
        )


def _job(revision: Revision) -> Job:
    """The definition of a revision that has one."""
    if revision.job is None:
        raise NotFoundError(f"revision {revision.number} is a deletion")
    return revision.job
