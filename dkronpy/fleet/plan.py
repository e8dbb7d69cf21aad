"""What applying a configuration would change: job by job, field by field, and on which revision that rests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Literal

import msgspec

from dkronpy.job import Job
from dkronpy.job.diff import FieldChange, differences
from dkronpy.job.json import encode_definition, same_definition
from dkronpy.job.pins import pinned
from dkronpy.level import Choice
from dkronpy.store.jobs import StoredJob
from dkronpy.store.revisions import Revision

What = Literal["added", "changed", "unchanged", "removed", "foreign"]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody else changed in a job since its source last made it, and whether applying lets it stand."""

    changes: tuple[FieldChange, ...]
    who: str
    at_ms: int
    why: str = ""
    kept: bool = False


class JobPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen to one job.

    ``new`` is what would be stored (None: it is removed), ``revision`` the one that this rests on (0: there is none).
    ``foreign`` is a job of that name which belongs to another source, ``owner``, and is another job. ``moved`` is the
    name that an added job had; then ``old`` is the stored job of that name.
    """

    name: str
    what: What
    new: Job | None = None
    old: StoredJob | None = None
    changes: tuple[FieldChange, ...] = ()
    drift: Drift | None = None
    wish: Job | None = None
    origin: str = ""
    owner: str = ""
    moved: str = ""
    spread: Choice | None = None
    """By how much it is put off, where that was chosen just now."""

    @property
    def revision(self) -> int:
        """The revision that this rests on."""
        return self.old.revision if self.old else 0

    @property
    def writes(self) -> bool:
        """Whether there is something to do, deletions included."""
        return self.what in ("added", "changed", "removed")


class FleetPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What applying a source would do. ``others`` counts the stored jobs of other sources, which are left alone."""

    source: str
    jobs: tuple[JobPlan, ...]
    others: int = 0

    def those(self, *what: What) -> list[JobPlan]:
        """The jobs to which that would happen."""
        return [job for job in self.jobs if job.what in what]

    def pending(self, *, prune: bool) -> bool:
        """Whether applying it would write something, or refuse to."""
        gone: tuple[What, ...] = ("removed",) if prune else ()
        return bool(self.those("added", "changed", "foreign", *gone))

    def without_removals(self) -> FleetPlan:
        """The same for who keeps what left the configuration."""
        return msgspec.structs.replace(self, jobs=tuple(row for row in self.jobs if row.what != "removed"))

    def first(self, count: int) -> FleetPlan:
        """The same with no more than the first *count* of those jobs to which something happens."""
        rows = [row for row in self.jobs if row.writes][:count]
        return msgspec.structs.replace(self, jobs=tuple(rows))

    @property
    def id(self) -> str:
        """The same for equal plans on equal revisions: twelve digits that tell one plan from another."""
        digest = hashlib.sha256(self.source.encode())
        for job in self.jobs:
            if job.writes or job.what == "foreign":
                body = b"" if job.new is None else encode_definition(job.new)
                words = (job.name, job.what, str(job.revision), *filter(None, [job.moved]))
                digest.update(b"\0".join((*(word.encode() for word in words), body)))
        return digest.hexdigest()[:12]


def drifted(stored: Iterable[StoredJob], source: str) -> list[str]:
    """The jobs of a source whose revision in force somebody else made; their history says what it was before."""
    return [
        one.job.name
        for one in stored
        if one.source == source and one.applied and one.applied != one.revision and one.wish is None
    ]


def make_plan(
    source: str,
    jobs: Sequence[Job],
    stored: Iterable[StoredJob],
    *,
    origins: Mapping[str, str] | None = None,
    histories: Mapping[str, Sequence[Revision]] | None = None,
    moved: Mapping[str, str] | None = None,
    reset_drift: bool = False,
    take_over: bool = False,
) -> FleetPlan:
    """Compare the configured *jobs*, checked before, with the *stored* ones; parents stand before their followers.

    *histories* are those of the jobs that ``drifted`` names, *moved* the former names of jobs by their names. A job
    that somebody switched off or on stays so, unless the configuration says otherwise than it did, or with
    *reset_drift*. A job of another source is left alone, unless with *take_over*.
    """
    in_store = {one.job.name: one for one in stored}
    former = {name: in_store[old] for name, old in (moved or {}).items() if old in in_store and name not in in_store}
    former = {name: one for name, one in former.items() if take_over or one.source in ("", source)}
    rows = []
    for given in parents_first(jobs):
        old = in_store.get(given.name) or former.get(given.name)
        job = pinned(given, old.job if old else None)
        origin = (origins or {}).get(job.name, "")
        if old is None:
            rows.append(JobPlan(name=job.name, what="added", new=job, origin=origin))
        elif old.source not in ("", source) and not take_over:
            rows.append(_foreign(job, old, origin))
        else:
            base = _base(old, (histories or {}).get(old.job.name, ()))
            row = _known(job, old, base, origin, source, reset_drift=reset_drift)
            if job.name in former:
                row = msgspec.structs.replace(row, what="added", moved=old.job.name)
            rows.append(row)
    names = {job.name for job in jobs} | {one.job.name for one in former.values()}
    gone = [one for one in in_store.values() if one.source == source and one.job.name not in names]
    rows += [
        JobPlan(name=one.job.name, what="removed", old=one)
        for one in reversed([in_store[job.name] for job in parents_first([one.job for one in gone])])
    ]
    others = sum(one.source != source and one.job.name not in names for one in in_store.values())
    return FleetPlan(source=source, jobs=tuple(rows), others=others)


def _foreign(job: Job, old: StoredJob, origin: str) -> JobPlan:
    changes = differences(old.job, job)
    return JobPlan(
        name=job.name,
        what="foreign" if changes else "unchanged",
        new=job,
        old=old,
        changes=changes,
        origin=origin,
        owner=old.source,
    )


def _known(job: Job, old: StoredJob, base: Job | None, origin: str, source: str, *, reset_drift: bool) -> JobPlan:
    """A job that is there already; *base* is what its source last wanted, None where that is not known any more."""
    kept = not reset_drift and base is not None and base.enabled == job.enabled != old.job.enabled
    new = msgspec.structs.replace(job, enabled=old.job.enabled) if kept else job
    changes = () if same_definition(new, old.job) else differences(old.job, new)
    drift = None
    if base is not None and base is not old.job and (foreign := differences(base, old.job)):
        drift = Drift(changes=foreign, who=old.who, at_ms=old.saved_ms, why=old.why, kept=kept)
    taken = old.source != source
    return JobPlan(
        name=job.name,
        what="changed" if changes or taken else "unchanged",
        new=new if changes else old.job,
        old=old,
        changes=changes,
        drift=drift,
        wish=job if kept else None,
        origin=origin,
        owner=old.source if taken else "",
    )


def _base(old: StoredJob, history: Sequence[Revision]) -> Job | None:
    """What the source of a stored job last wanted it to be."""
    if old.wish is not None or not old.applied:
        return old.wish
    if old.applied == old.revision:
        return old.job
    return next((one.job for one in history if one.number == old.applied and one.job is not None), None)


def parents_first(jobs: Iterable[Job]) -> list[Job]:
    """Jobs in an order in which each comes after those that it follows, otherwise as given; circles stay as given."""
    named = {job.name: job for job in jobs}
    place = {name: index for index, name in enumerate(named)}
    sorter = TopologicalSorter({name: [one for one in job.after if one in named] for name, job in named.items()})
    try:
        sorter.prepare()
    except CycleError:
        return list(named.values())
    ordered: list[Job] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        ordered += [named[name] for name in ready]
        sorter.done(*ready)
    return ordered
