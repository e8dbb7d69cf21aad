"""The definitions that beat knows: read when something of theirs is due, and kept decoded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import redis

from dkronpy.errors import DkronpyError
from dkronpy.job import Job
from dkronpy.job.json import decode_definition
from dkronpy.schedule import Schedule
from dkronpy.scheduler.succession import Succession, Version
from dkronpy.store.connection import Store
from dkronpy.store.quarantine import Quarantine
from dkronpy.store.stored import parsed

CACHED = 20_000
AWAY = (redis.ConnectionError, redis.TimeoutError)


class Known(msgspec.Struct, frozen=True, gc=False):
    """A decoded definition, as long as the store has it under this revision.

    ``schedule`` is a ``Succession`` where an earlier version still owes due times.
    """

    job: Job
    revision: int
    schedule: Schedule

    def at(self, due_ms: int) -> Version:
        """The version that owes a due time."""
        schedule = self.schedule
        return schedule.at(due_ms) if type(schedule) is Succession else Version(self.job, self.revision, schedule)


class Definitions:
    """Definitions by entry. They are used without asking: the commit compares the revision, and refuses one that is
    no longer in force, which is then read anew."""

    def __init__(self, store: Store, quarantine: Quarantine) -> None:
        self.store = store
        self.quarantine = quarantine
        self._known: OrderedDict[bytes, Known] = OrderedDict()

    def get(self, entry: bytes) -> Known | None:
        """The definition of an entry, where it is known."""
        return self._known.get(entry)

    def forget(self, entry: bytes) -> None:
        """It is not in force any more."""
        self._known.pop(entry, None)

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Ask for definitions, do something else, and learn them."""
        reading = Reading(self)
        try:
            yield reading
        finally:
            reading.line.close()

    def remember(self, entry: bytes, row: Sequence[Any]) -> None:
        """Decode what was read. Raises whatever is wrong with it."""
        job = decode_definition(row[1])
        name = self.store.keys.job_of(entry.decode())
        if job.name != name:
            raise DkronpyError(f"the entry of {name!r} holds the definition of {job.name!r}")
        revision, schedule = int(row[0]), parsed(job, int(row[2]))
        if row[3]:
            former = self._former(name, row[3].decode(), int(row[2]))
            schedule = Succession([*former, Version(job, revision, schedule)])
        self._known[entry] = Known(job, revision, schedule)
        if len(self._known) > CACHED:
            self._known.popitem(last=False)

    def _former(self, name: str, owed: str, anchor_ms: int) -> list[Version]:
        """The versions that were replaced while due times of theirs waited: ``revision:until`` each."""
        versions = []
        for revision, _, until in (part.partition(":") for part in owed.split()):
            body = self.store.client.get(self.store.keys.definition(name, int(revision)))
            if body is not None:
                job = decode_definition(body)
                versions.append(Version(job, int(revision), parsed(job, anchor_ms), int(until)))
        return versions


class Reading:
    """Definitions that were asked for, and the entries of the user's own tasks that were found among them."""

    def __init__(self, definitions: Definitions) -> None:
        self.line = definitions.store.scripts.line("know")
        self.plain: list[str] = []
        self._definitions = definitions
        self._asked: list[bytes] = []

    def ask(self, entries: Iterable[bytes]) -> None:
        """Send for those that are not known."""
        self._asked = [entry for entry in entries if self._definitions.get(entry) is None]
        if self._asked:
            self.line.send(*self._asked)

    def learn(self) -> None:
        """Take in what was asked for; one malformed entry must not stop the others."""
        if not self._asked:
            return
        for entry, row in zip(self._asked, self.line.receive(), strict=True):
            try:
                if isinstance(row, Exception):
                    raise row
                if row[1] is None:
                    self.plain.append(entry.decode())
                else:
                    self._definitions.remember(entry, row)
            except AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it
                self._definitions.quarantine.entry(entry.decode(), error)
