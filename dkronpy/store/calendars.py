"""The calendars that jobs share, in the store: a hash, each with a revision that rises when it changes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import structs

from dkronpy.errors import ConflictError, InvalidError, Problem
from dkronpy.job import Job
from dkronpy.schedule.calendar import Calendar
from dkronpy.schedule.problems import did_you_mean
from dkronpy.store.connection import Store

MOST = 1000
_decoder = msgspec.json.Decoder(Calendar)


class Calendars:
    """Calendars in and out of the store. A definition carries the calendar that it was saved with."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def all(self) -> list[Calendar]:
        """Every calendar, by name."""
        rows = self.store.client.hgetall(self.store.keys.calendars)
        return sorted((_decoder.decode(row) for row in rows.values()), key=lambda one: one.name)

    def get(self, name: str) -> Calendar | None:
        """One calendar."""
        row = self.store.client.hget(self.store.keys.calendars, name)
        return None if row is None else _decoder.decode(row)

    def put(self, calendar: Calendar) -> Calendar:
        """Store a calendar that was checked before; as it is stored, with the same revision if nothing changed."""
        key, client = self.store.keys.calendars, self.store.client
        with client.pipeline() as pipe:
            pipe.watch(key)
            row = pipe.hget(key, calendar.name)
            old = None if row is None else _decoder.decode(row)
            revision = old.revision if old is not None else 0
            new = structs.replace(calendar, revision=revision)
            if new == old:
                return new
            if old is None and pipe.hlen(key) >= MOST:
                raise ConflictError(f"there are {MOST} calendars already")
            new = structs.replace(new, revision=revision + 1)
            pipe.multi()
            pipe.hset(key, calendar.name, msgspec.json.encode(new))
            pipe.execute()
        return new

    def delete(self, name: str) -> bool:
        """Drop a calendar; whether there was one."""
        return bool(self.store.client.hdel(self.store.keys.calendars, name))

    def resolved(self, job: Job) -> Job:
        """*job* with the days of the calendar that it names. Raises InvalidError where there is none of that name."""
        if job.calendar is None or job.calendar.off is not None:
            return job
        found = self.get(job.calendar.name)
        return with_days(job, {one.name: one for one in ([found] if found else self.all())})


def with_days(job: Job, known: Mapping[str, Calendar]) -> Job:
    """*job* with the days of the *known* calendar that it names. Raises InvalidError where there is none."""
    if job.calendar is None or job.calendar.off is not None:
        return job
    found = known.get(job.calendar.name)
    if found is None:
        message = f"there is no calendar {job.calendar.name!r}; known: {', '.join(known) or 'none'}"
        hint = did_you_mean(job.calendar.name, known) or "`dkronpy calendar save NAME FILE` stores one"
        raise InvalidError(job.name, [Problem("calendar", job.calendar.name, message, hint)])
    return structs.replace(job, calendar=found)
