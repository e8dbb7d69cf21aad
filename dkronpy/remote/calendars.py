"""Calendars by way of a server: the methods of ``dkronpy.client.calendars.SharedCalendars``, each by its routes."""

from __future__ import annotations

from collections.abc import Sequence

from dkronpy.client.calendars import SharedCalendars
from dkronpy.job import Job
from dkronpy.remote.connection import Connection, segment
from dkronpy.schedule.calendar import Calendar
from dkronpy.store.calendars import with_days
from dkronpy.wire.calendars import CalendarBody, CalendarList, CalendarOut, CalendarSaved, calendar_in

_PATH = "/api/v1/calendars"


class RemoteCalendars(SharedCalendars):
    """The calendars of the deployment behind a server."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def all(self) -> list[Calendar]:
        return [calendar_in(one) for one in self._all()]

    def get(self, name: str) -> Calendar:
        return calendar_in(self._one(name))

    def users(self, name: str) -> list[str]:
        return self._one(name).jobs

    def all_users(self) -> dict[str, list[str]]:
        return {one.name: one.jobs for one in self._all() if one.jobs}

    def save(self, calendar: Calendar) -> tuple[Calendar, list[str]]:
        body = CalendarBody(
            off=list(calendar.off or ()), working=list(calendar.working), weekend=list(calendar.weekend),
            doc=calendar.doc,
        )  # fmt: skip
        answer = self.connection.call("PUT", f"{_PATH}/{segment(calendar.name)}", body=body)
        done = self.connection.decode(CalendarSaved, answer)
        return calendar_in(done.calendar), done.changed

    def resolved(self, jobs: Sequence[Job]) -> list[Job]:
        if all(job.calendar is None or job.calendar.off is not None for job in jobs):
            return list(jobs)
        known = {one.name: one for one in self.all()}
        return [with_days(job, known) for job in jobs]

    def delete(self, name: str) -> None:
        self.connection.call("DELETE", f"{_PATH}/{segment(name)}")

    def _all(self) -> list[CalendarOut]:
        return [one for page in self.connection.pages(CalendarList, _PATH) for one in page.items]

    def _one(self, name: str) -> CalendarOut:
        return self.connection.get(CalendarOut, f"{_PATH}/{segment(name)}")
