"""Shared calendars, as people keep them: saving one brings every job that uses it up to date."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from dkronpy.deployment import Deployment
from dkronpy.errors import ConflictError, InvalidError, NotFoundError, Problem
from dkronpy.job import Job
from dkronpy.schedule.calendar import Calendar
from dkronpy.store.jobs import Change, StoredJob


class SharedCalendars:
    """The calendars of a deployment. Every method raises StoreUnavailableError when the store is away."""

    def __init__(self, deployment: Deployment, *, who: str = "client") -> None:
        self.deployment = deployment
        self.who = who

    def all(self) -> list[Calendar]:
        """Every calendar, by name."""
        with self.deployment.store.errors():
            return self.deployment.jobs.calendars.all()

    def get(self, name: str) -> Calendar:
        """One calendar. Raises NotFoundError."""
        with self.deployment.store.errors():
            found = self.deployment.jobs.calendars.get(name)
        if found is None:
            raise NotFoundError(f"there is no calendar {name!r}", hint="`dkronpy calendar list` names them all")
        return found

    def users(self, name: str) -> list[str]:
        """The jobs that have the calendar of that name from the store."""
        return self.all_users().get(name, [])

    def all_users(self) -> dict[str, list[str]]:
        """For each calendar that jobs have from the store these jobs."""
        with self.deployment.store.errors():
            stored = self.deployment.jobs.all()
        found: dict[str, list[str]] = {}
        for one in stored:
            if one.job.calendar is not None and one.job.calendar.revision:
                found.setdefault(one.job.calendar.name, []).append(one.job.name)
        return found

    def save(self, calendar: Calendar) -> tuple[Calendar, list[str]]:
        """Store a calendar, and save every job anew that uses it: the calendar as stored, and the jobs that changed.

        Due times that have passed stay owed as they were. Raises InvalidError with everything that is wrong.
        """
        problems = [Problem("calendar", value, message) for value, message in calendar.problems()]
        if problems:
            raise InvalidError(f"calendar {calendar.name}", problems)
        with self.deployment.store.errors():
            stored = self.deployment.jobs.calendars.put(calendar)
            users = self.deployment.jobs.many(self.users(calendar.name))
            saved = [(one, self.deployment.jobs.change(_following(one, stored, self.who))) for one in users]
        changed = [one.job.name for one, done in saved if done.what == "changed"]
        return stored, changed

    def resolved(self, jobs: Sequence[Job]) -> list[Job]:
        """*jobs* with the days of the calendars that they name. Raises InvalidError for a name that is none."""
        if all(job.calendar is None or job.calendar.off is not None for job in jobs):
            return list(jobs)
        with self.deployment.store.errors():
            return [self.deployment.jobs.calendars.resolved(job) for job in jobs]

    def delete(self, name: str) -> None:
        """Drop a calendar. Raises NotFoundError, and ConflictError while jobs use it."""
        users = self.users(name)
        if users:
            shown = ", ".join(users[:3]) + (f" and {len(users) - 3} more" if len(users) > 3 else "")
            raise ConflictError(f"calendar {name!r} is used by {shown}", hint="give them another one first")
        with self.deployment.store.errors():
            if not self.deployment.jobs.calendars.delete(name):
                raise NotFoundError(f"there is no calendar {name!r}", hint="`dkronpy calendar list` names them all")


def _following(found: StoredJob, calendar: Calendar, who: str) -> Change:
    """The change that brings a stored job up to its calendar; for the source that made it this is no drift."""
    wish = None if found.wish is None else structs.replace(found.wish, calendar=calendar)
    return Change(
        job=structs.replace(found.job, calendar=calendar), source=found.source, revision=found.revision, who=who,
        why=f"calendar {calendar.name} is at revision {calendar.revision}",
        owns=found.applied == found.revision, wish=wish,
    )  # fmt: skip
