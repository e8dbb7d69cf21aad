"""The job store: definitions in RedBeat's entries, their revisions, and where each schedule stands."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from dkronpy.clock import from_ms
from dkronpy.errors import ConfigError, ConflictError, InvalidError, NotFoundError, Problem
from dkronpy.execution import run_id
from dkronpy.job import Job
from dkronpy.job.json import NEVER, JobState, decode_definition, encode_definition, go_time
from dkronpy.job.pins import is_pinned, pinned
from dkronpy.schedule import Schedule
from dkronpy.signing import Signer, split
from dkronpy.store.calendars import Calendars
from dkronpy.store.connection import Store
from dkronpy.store.keys import name_hash, shard_of
from dkronpy.store.redbeat import redbeat_definition, redbeat_meta
from dkronpy.store.revisions import Revision, read_revisions

log = logging.getLogger(__name__)

_FIELDS = ("job", "rev", "anchor", "source", "saved_ms", "who", "why", "applied", "wish")

REVISION_TTL_SECONDS = 7 * 24 * 3600
DELETED_TTL_SECONDS = 30 * 24 * 3600
"""How long the history of a deleted job is remembered, so that it can be brought back."""
LONGEST_NOTE = 500
"""How many characters of the reason of a change are kept."""
ATTEMPTS = 10
"""How often a save is tried on a fresh reading when others save the same job at the same moment."""


class StoredJob(msgspec.Struct, frozen=True, kw_only=True):
    """A definition with where it stands. Times are milliseconds; ``due_ms`` is None where nothing is owed."""

    job: Job
    revision: int
    anchor_ms: int
    due_ms: int | None = None
    source: str = ""
    saved_ms: int = 0
    who: str = ""
    why: str = ""
    applied: int = 0
    """The revision that its source last made; another one in force was made by somebody else."""
    wish: Job | None = None
    """What its source wants, where that is not what it made: it let an operator's change stand."""

    def schedule(self) -> Schedule:
        """The parsed schedule, with the phase that this job has had since it was first saved."""
        return parsed(self.job, self.anchor_ms)


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """What a save did: ``created``, ``changed`` or ``unchanged``, and the revision that is in force now.

    Of a change among many also ``conflict``, since somebody else was faster, and ``cycle``, since the jobs of *ring*
    would wait for one another: then nothing was written.
    """

    what: str
    revision: int
    ring: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A definition to store: for whom, by whom and why.

    *source* owns a job that is new. With *owns* it owns it in any case, and this is what it wants it to be.
    *revision* is the one that it rests on (0: there is none); None for whatever is in force. *wish* is what the source
    would have *job* be if it did not let an operator's change stand.
    """

    job: Job
    source: str = "api"
    revision: int | None = None
    who: str = ""
    why: str = ""
    owns: bool = False
    wish: Job | None = None


def parsed(job: Job, anchor_ms: int) -> Schedule:
    """The job's schedule with the phase of *anchor_ms*."""
    return job.parsed_schedule(anchor=from_ms(anchor_ms))


def score_of(due_ms: int | None) -> str:
    """A due time as RedBeat's score: seconds, here with milliseconds, as text; '' for none."""
    return "" if due_ms is None else f"{due_ms // 1000}.{due_ms % 1000:03d}"


def ms_of(score: float) -> int:
    """The due time of a score."""
    return round(score * 1000)


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
        keys, shards = self.store.keys, self.store.read_shards()
        with self.store.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hmget(keys.entry(name), *_FIELDS)
                pipe.zscore(keys.schedule_of(shard_of(name, shards)), keys.entry(name))
            rows = pipe.execute()
        found = [_stored(*known) for known in zip(names, rows[::2], rows[1::2], strict=True)]
        return [stored for stored in found if stored is not None]

    def all(self) -> list[StoredJob]:
        """Every job, by name."""
        return self.many(self.names())

    def states(self, names: Sequence[str]) -> dict[str, JobState]:
        """Counters, last outcomes, status, next due time and followers of jobs."""
        keys, shards = self.store.keys, self.store.read_shards()
        with self.store.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(keys.job_state(name))
                pipe.zscore(keys.schedule_of(shard_of(name, shards)), keys.entry(name))
                pipe.smembers(keys.children(name))
            rows = pipe.execute()
        rows_by_name = zip(names, rows[::3], rows[1::3], rows[2::3], strict=True)
        return {name: _state(row, score, children) for name, row, score, children in rows_by_name}

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
                pipe.hmget(keys.entry(change.job.name), "rev", "job", "anchor")
            read = pipe.execute()
        changes = [_pinned(change, row[1]) for change, row in zip(changes, read, strict=True)]
        with client.pipeline(transaction=False) as pipe:
            for change, row in zip(changes, read, strict=True):
                self._send(pipe, change, row, now_ms)
            answers = pipe.execute()
        saved = [
            Saved(what=what.decode(), revision=revision, ring=ring[0].decode() if ring else "")
            for what, revision, _, *ring in answers
        ]
        of_each = zip(changes, read, saved, strict=True)
        return [self._signed_as_saved(change, int(row[0] or 0), one) for change, row, one in of_each]

    def _send(self, pipe: Any, change: Change, row: Sequence[bytes | None], now_ms: int) -> None:
        """Put the step for one change on its way, computed from what was read of its entry."""
        job = change.job
        old = _readable(row[1])
        anchor_ms = int(row[2]) if row[2] else now_ms // 1000 * 1000
        rescheduled = old is None or _timing(old) != _timing(job)
        due_ms = self._next_due(job, parsed(job, anchor_ms), now_ms, first=rescheduled)
        self.store.scripts.call(
            "save",
            job.name,
            redbeat_definition(job),
            self._body(job, row[1], int(row[0] or 0)),
            score_of(due_ms),
            redbeat_meta(None),
            change.source,
            int(row[0] or 0) if change.revision is None else change.revision,
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

    def _body(self, job: Job, stored: bytes | None, revision: int) -> bytes:
        """What is to be stored for *job* where *stored* stands at *revision*: the same bytes for the same definition.

        Raises ConfigError where it ought to be signed and there is no key.
        """
        definition = encode_definition(job)
        known, signature = split(stored or b"")
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

    def delete(self, name: str, *, revision: int | None = None, who: str = "", why: str = "") -> bool:
        """Delete a definition; open runs of it go on. Returns whether there was one.

        Raises ConflictError when *revision* is given and is not the one in force.
        """
        for stored in self.many([name]):
            for parent in stored.job.after:
                self.store.client.srem(self.store.keys.children(parent), name)
        what, in_force = self.store.scripts.call(
            "delete", name, REVISION_TTL_SECONDS, "" if revision is None else revision, who, why[:LONGEST_NOTE],
            self.revisions, DELETED_TTL_SECONDS, name_hash(name),
        )  # fmt: skip
        if what == b"conflict":
            raise _conflict(name, in_force, revision)
        return bool(what == b"deleted")

    def history(self, name: str) -> list[Revision]:
        """The revisions of a job that are known, the newest first; for a while also of one that was deleted."""
        return read_revisions(self.store, name)

    def _next_due(self, job: Job, schedule: Schedule, now_ms: int, *, first: bool) -> int | None:
        """The due time that it is owed next; *first* under a schedule that is new."""
        if not job.enabled:
            return None
        due_ms = schedule.first_ms(now_ms) if first else schedule.next_ms(now_ms)
        if due_ms is not None and due_ms <= now_ms and self._fired(job.name, due_ms):
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


def _timing(job: Job) -> tuple[Any, ...]:
    when = ("" if job.after else job.schedule, job.timezone, job.enabled, job.starts_at, job.expires_at)
    return (*when, job.gap, job.overlap, job.calendar, job.off_day, job.hash_rule, job.spread_by)


def _pinned(change: Change, body: bytes | None) -> Change:
    if is_pinned(change.job):
        return change
    return msgspec.structs.replace(change, job=pinned(change.job, _readable(body)))


def _readable(body: bytes | None) -> Job | None:
    """The definition, or None where there is none that can be read: saving it anew mends it."""
    try:
        return None if body is None else decode_definition(body)
    except ConfigError:
        return None


def _stored(name: str, row: Sequence[bytes | None], score: float | None) -> StoredJob | None:
    body, rev, anchor, source, saved, who, why, applied, wish = row
    job = _readable(body)
    if job is None:
        if body is not None:
            log.warning("the stored definition of %s cannot be read: save it anew", name)
        return None
    return StoredJob(
        job=job,
        revision=int(rev or 0),
        anchor_ms=int(anchor or 0),
        due_ms=None if score is None else ms_of(score),
        source=(source or b"").decode(),
        saved_ms=int(saved or 0),
        who=(who or b"").decode("utf-8", "replace"),
        why=(why or b"").decode("utf-8", "replace"),
        applied=int(applied or 0),
        wish=_readable(wish or None),
    )


def _state(row: dict[bytes, bytes], score: float | None, children: set[bytes]) -> JobState:
    def moment(name: bytes) -> str | None:
        return go_time(int(row[name])) if row.get(name) else None

    return JobState(
        success_count=int(row.get(b"success_count", 0)),
        error_count=int(row.get(b"error_count", 0)),
        last_success=moment(b"last_success_ms"),
        last_error=moment(b"last_error_ms"),
        status=row.get(b"status", b"").decode(),
        next=NEVER if score is None else go_time(ms_of(score)),
        dependent_jobs=tuple(sorted(child.decode() for child in children)),
    )
