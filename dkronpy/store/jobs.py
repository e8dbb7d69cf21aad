"""The job store: definitions in RedBeat's entries, their revisions, and where each schedule stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dkronpy.errors import ConfigError, ConflictError, InvalidError, NotFoundError, Problem, StillRunningError
from dkronpy.execution import run_id
from dkronpy.job import Job
from dkronpy.job.json import JobState, encode_definition
from dkronpy.job.pins import is_pinned, pinned
from dkronpy.schedule import Schedule
from dkronpy.signing import Signer, split
from dkronpy.store.calendars import Calendars
from dkronpy.store.change import Change, Saved
from dkronpy.store.connection import Store
from dkronpy.store.keys import name_hash
from dkronpy.store.redbeat import last_due_of, redbeat_definition, score_of
from dkronpy.store.revisions import Revision, read_revisions
from dkronpy.store.stored import StoredJob, parsed, read_jobs, readable

__all__ = ["Change", "Jobs", "Saved", "StoredJob"]

REVISION_TTL_SECONDS = 7 * 24 * 3600
DELETED_TTL_SECONDS = 30 * 24 * 3600
"""How long the history of a deleted job is remembered, so that it can be brought back."""
LONGEST_NOTE = 500
"""How many characters of the reason of a change are kept."""
ATTEMPTS = 10
"""How often a save is tried on a fresh reading when others save the same job at the same moment."""


class Jobs:
    """Definitions in and out of the store, signed by *signer* where there is one.

    With *only_signed*, nothing is saved that would not be signed: no node would run it.
    """

    def __init__(
        self, store: Store, signer: Signer | None = None, *, only_signed: bool = False, revisions: int = 20
    ) -> None:
        self.store = store
        self.signer = signer
        self.only_signed = only_signed
        self.revisions = revisions
        self.calendars = Calendars(store)

    def get(self, name: str) -> StoredJob:
        """One job. Raises NotFoundError."""
        found = self.many([name])
        if not found:
            raise NotFoundError(f"there is no job named {name!r}", hint="`dkronpy job list` names them all")
        return found[0]

    def names(self) -> list[str]:
        """The names of all jobs, sorted."""
        return sorted(name.decode() for name in self.store.client.smembers(self.store.keys.jobs))

    def many(self, names: Sequence[str]) -> list[StoredJob]:
        """Those of the named jobs that exist and can be read, in the same order.

        One malformed entry hides no other job: it is left out, and beat sets it aside.
        """
        return [stored for _, stored, _ in read_jobs(self.store, names, states=False) if stored is not None]

    def all(self) -> list[StoredJob]:
        """Every job, by name."""
        return self.many(self.names())

    def with_states(self, names: Sequence[str]) -> list[tuple[StoredJob, JobState]]:
        """What ``many`` and ``states`` say of those of the named jobs that exist and can be read."""
        return [(stored, state) for _, stored, state in read_jobs(self.store, names) if stored is not None]

    def states(self, names: Sequence[str]) -> dict[str, JobState]:
        """Counters, last outcomes, status, next due time and followers of jobs."""
        return {name: state for name, _, state in read_jobs(self.store, names)}

    def save(
        self, job: Job, *, source: str = "api", revision: int | None = None, who: str = "", why: str = ""
    ) -> Saved:
        """Store a definition that was checked before. Raises ConflictError when *revision* is not the one in force,
        InvalidError when the job would wait for itself through others.

        A due time that has passed and is not yet dispatched stays owed, under the new definition.
        """
        return self.change(Change(job=job, source=source, revision=revision, who=who, why=why))

    def change(self, change: Change) -> Saved:
        """Store one change. Raises what ``save`` does."""
        self._check_pools(change.job)
        for _ in range(ATTEMPTS):
            (saved,) = self.change_many([change])
            if saved.what == "cycle":
                message = f"the jobs would wait for one another: {saved.ring}"
                raise InvalidError(change.job.name, [Problem("after", change.job.after, message)])
            if saved.what != "conflict":
                return saved
            if change.revision is not None:
                break
        raise _conflict(change.job.name, saved.revision, change.revision)

    def _check_pools(self, job: Job) -> None:
        """Raises InvalidError for pools that do not exist: its runs would wait for nothing."""
        if job.pools:
            sizes = self.store.client.hmget(self.store.keys.pools, list(job.pools))
            problems = [
                Problem("pools", name, f"there is no pool {name!r}", f"`dkronpy pool set {name} 1` makes it")
                if size is None
                else Problem("pools", job.pools[name], f"pool {name!r} has {int(size)} slots, and it wants more")
                for name, size in zip(job.pools, sizes, strict=True)
                if size is None or int(size) < job.pools[name]
            ]
            if problems:
                raise InvalidError(job.name, problems)

    def change_many(self, changes: Sequence[Change]) -> list[Saved]:
        """Store many changes of different jobs, parents first; each atomic by itself, one try on what is read here."""
        changes = [msgspec.structs.replace(one, job=self.calendars.resolved(one.job)) for one in changes]
        keys, client = self.store.keys, self.store.client
        now_ms = self.store.now_ms()
        with client.pipeline(transaction=False) as pipe:
            for change in changes:
                pipe.hmget(keys.entry(change.job.name), "rev", "job", "anchor", "meta")
            read = pipe.execute()
        changes = [_pinned(change, row[1]) for change, row in zip(changes, read, strict=True)]
        revisions = [int(row[0] or 0) for row in read]
        sent = [change.revision in (None, revision) for change, revision in zip(changes, revisions, strict=True)]
        with client.pipeline(transaction=False) as pipe:
            for change, row, goes in zip(changes, read, sent, strict=True):
                if goes:
                    self._send(pipe, change, row, now_ms)
            answers = iter(pipe.execute())
        self.store.replicas.confirm()
        of_each = zip(changes, revisions, sent, strict=True)
        return [
            self._signed_as_saved(change, revision, _saved(*next(answers)))
            if goes
            else Saved(what="conflict", revision=revision)
            for change, revision, goes in of_each
        ]

    def _send(self, pipe: Any, change: Change, row: Sequence[bytes | None], now_ms: int) -> None:
        """Put the step for one change on its way, computed from what was read of its entry."""
        job = change.job
        old = readable(row[1])
        anchor_ms = int(row[2]) if row[2] else now_ms // 1000 * 1000
        rescheduled = old is None or _timing(old) != _timing(job)
        due_ms = self._next_due(job, parsed(job, anchor_ms), now_ms, first=rescheduled, meta=row[3])
        self.store.scripts.call(
            "save",
            job.name,
            redbeat_definition(job),
            self._body(job, old, row[1], int(row[0] or 0)),
            score_of(due_ms),
            "",
            change.source,
            int(row[0] or 0),
            REVISION_TTL_SECONDS,
            "1" if rescheduled else "0",
            anchor_ms,
            " ".join(job.after),
            " ".join(old.after) if old else "",
            change.who,
            change.why[:LONGEST_NOTE],
            "1" if change.owns else "0",
            self.revisions,
            "" if change.wish is None else encode_definition(change.wish),
            name_hash(job.name),
            client=pipe,
        )

    def _signed_as_saved(self, change: Change, read: int, saved: Saved) -> Saved:
        """What was saved, signed as the revision that it became: a name made anew gets one above all deleted."""
        if self.signer is None or saved.what not in ("created", "changed") or saved.revision == read + 1:
            return saved
        (again,) = self.change_many([msgspec.structs.replace(change, revision=saved.revision)])
        return msgspec.structs.replace(again, what=saved.what) if again.what == "changed" else saved

    def _body(self, job: Job, old: Job | None, stored: bytes | None, revision: int) -> bytes:
        """What is to be stored for *job* where *stored*, which says *old*, stands at *revision*: the same bytes for the
        same definition, also where they were written in another way once.

        Raises ConfigError where it ought to be signed and there is no key.
        """
        definition = encode_definition(job)
        known, signature = split(stored or b"")
        if old is not None and known != definition and encode_definition(old) == definition:
            definition = known
        if self.signer is None:
            if stored is not None and known == definition and (signature or not self.only_signed):
                return stored
            if signature or self.only_signed:
                raise ConfigError(
                    f"job {job.name!r} cannot be saved: definitions are signed here, and this process has no key",
                    hint="set DKRONPY_SIGNING_KEY to the file with the private key",
                )
            return definition
        if stored is not None and known == definition and self.signer.accepts(stored, job.name, revision):
            return stored
        return self.signer.seal(definition, job.name, revision + 1)

    def bodies(self, names: Sequence[str]) -> list[tuple[str, bytes, int]]:
        """The definitions of these jobs as they are stored, signatures included, with their revisions."""
        with self.store.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hmget(self.store.keys.entry(name), "job", "rev")
            rows = pipe.execute()
        return [(name, row[0], int(row[1] or 0)) for name, row in zip(names, rows, strict=True) if row[0] is not None]

    def signed(self, name: str) -> bool:
        """Whether the key of this process has signed what is stored; what is gone needs no signature."""
        return all(
            self.signer is not None and self.signer.accepts(body, name, rev) for _, body, rev in self.bodies([name])
        )

    def delete(self, name: str, *, revision: int | None = None, who: str = "", why: str = "", heir: str = "") -> bool:
        """Delete a definition; open runs of it go on. Returns whether there was one.

        With *heir* it is renamed: the name that is saved next goes on with its phase, counters and history.

        Raises ConflictError when *revision* is given and is not the one in force, and StillRunningError for one that is
        to be renamed, limits its runs, and has some that have not ended.
        """
        for _ in range(ATTEMPTS):
            body, rev = self.store.client.hmget(self.store.keys.entry(name), "job", "rev")
            read, old = int(rev or 0), readable(body)
            if revision not in (None, read):
                raise _conflict(name, read, revision)
            what, in_force = self.store.scripts.call(
                "delete", name, REVISION_TTL_SECONDS, read, who, why[:LONGEST_NOTE], self.revisions,
                DELETED_TTL_SECONDS, name_hash(name), " ".join(old.after) if old else "",
                heir, "1" if old is None or old.limited else "0",
            )  # fmt: skip
            if what == b"open":
                raise StillRunningError(f"job {name!r} has runs that have not ended, and may not run beside them")
            if what != b"conflict":
                return bool(what == b"deleted")
        raise _conflict(name, in_force, revision)

    def history(self, name: str) -> list[Revision]:
        """The revisions of a job that are known, the newest first; for a while also of one that was deleted."""
        return read_revisions(self.store, name)

    def _next_due(self, job: Job, schedule: Schedule, now_ms: int, *, first: bool, meta: bytes | None) -> int | None:
        """The due time that it is owed next; *first* under a schedule that is new.

        One that has passed (``@after``, within its grace) is owed once: the entry's *meta* knows the last that was
        dispatched, whatever the ledger has forgotten, and the ledger knows those of a job that was deleted.
        """
        if not job.enabled:
            return None
        due_ms = schedule.first_ms(now_ms) if first else schedule.next_ms(now_ms)
        if due_ms is not None and due_ms <= now_ms and (due_ms <= last_due_of(meta) or self._fired(job.name, due_ms)):
            return schedule.next_ms(now_ms)
        return due_ms

    def _fired(self, name: str, due_ms: int) -> bool:
        return bool(self.store.client.exists(self.store.keys.run(run_id(name, due_ms))))


def _conflict(name: str, in_force: int, wanted: int | None) -> ConflictError:
    return ConflictError(
        f"job {name!r} is at revision {in_force}"
        + ("" if wanted is None else f", not {wanted}")
        + ": somebody changed it meanwhile",
        hint="read it again, then save",
    )


def _saved(what: bytes, revision: int, _now_ms: int, ring: bytes = b"") -> Saved:
    return Saved(what=what.decode(), revision=revision, ring=ring.decode())


def _timing(job: Job) -> tuple[Any, ...]:
    when = ("" if job.after else job.schedule, job.timezone, job.enabled, job.starts_at, job.expires_at)
    return (*when, job.gap, job.overlap, job.calendar, job.off_day, job.hash_rule, job.spread_by)


def _pinned(change: Change, body: bytes | None) -> Change:
    if is_pinned(change.job):
        return change
    return msgspec.structs.replace(change, job=pinned(change.job, readable(body)))
