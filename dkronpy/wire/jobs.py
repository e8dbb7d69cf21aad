"""Jobs as our own routes show them: Dkron's JSON, and beside it where the definition stands in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dkronpy.client import JobView
from dkronpy.clock import iso_ms
from dkronpy.job.json import decode_job, encode_job
from dkronpy.store.jobs import StoredJob
from dkronpy.store.revisions import Revision
from dkronpy.wire.runs import time_in, time_out

STORED = "stored"
"""The key of our JSON that Dkron's does not have."""


class StoredOut(msgspec.Struct, kw_only=True):
    """Where a definition stands. ``anchor`` is the phase of ``@every``; ``due`` the next due time, null for none.

    ``who`` and ``why`` belong to the revision in force; ``applied`` is the one that its source last made, and ``wish``
    what the source wants where that is not quite the definition. ``what`` is the answer to a save: ``created``,
    ``changed`` or ``unchanged``.
    """

    revision: int
    source: str
    saved_at: str | None
    anchor: str
    due: str | None
    what: str | None = None
    who: str = ""
    why: str = ""
    applied: int = 0
    wish: dict[str, Any] | None = None


class RevisionOut(msgspec.Struct, kw_only=True):
    """One revision of a job; ``job`` is null for its deletion, which has the number of the last revision."""

    revision: int
    at: str
    who: str
    why: str
    job: dict[str, Any] | None


class RevisionList(msgspec.Struct, kw_only=True):
    """A page of the revisions that are known, the newest first. ``after`` asks for the next; null at the end."""

    items: list[RevisionOut]
    after: str | None = None


class JobList(msgspec.Struct, kw_only=True):
    """A page of jobs in Dkron's JSON, by name. ``after`` asks for the page behind it; null at the end."""

    items: list[dict[str, Any]]
    total: int
    after: str | None = None


class Times(msgspec.Struct, kw_only=True):
    """Due times, RFC 3339 in UTC."""

    job: str
    times: list[str]


class Why(msgspec.Struct, kw_only=True):
    """What became of a due time, in a sentence or two; ``run`` is the id of its run, null for none."""

    job: str
    at: str
    text: str
    run: str | None


class Verdict(msgspec.Struct, kw_only=True):
    """Whether a definition could be saved, with every problem if not."""

    valid: bool
    errors: list[dict[str, str]]


def job_out(view: JobView, *, what: str | None = None) -> dict[str, Any]:
    """A job as JSON."""
    stored = view.stored
    place = StoredOut(
        revision=stored.revision, source=stored.source, saved_at=time_out(stored.saved_ms),
        anchor=iso_ms(stored.anchor_ms), due=None if stored.due_ms is None else iso_ms(stored.due_ms), what=what,
        who=stored.who, why=stored.why, applied=stored.applied,
        wish=None if stored.wish is None else encode_job(stored.wish),
    )  # fmt: skip
    return {**encode_job(view.job, view.state), STORED: place}


def job_in(row: Mapping[str, Any]) -> JobView:
    """The job that its JSON stands for."""
    job, state = decode_job(row)
    place = msgspec.convert(row[STORED], StoredOut)
    stored = StoredJob(
        job=job, revision=place.revision, source=place.source, saved_ms=time_in(place.saved_at),
        anchor_ms=time_in(place.anchor), due_ms=None if place.due is None else time_in(place.due),
        who=place.who, why=place.why, applied=place.applied,
        wish=None if place.wish is None else decode_job(place.wish)[0],
    )  # fmt: skip
    return JobView(stored=stored, state=state)


def revision_out(revision: Revision) -> RevisionOut:
    """A revision as JSON."""
    return RevisionOut(
        revision=revision.number, at=iso_ms(revision.at_ms), who=revision.who, why=revision.why,
        job=None if revision.job is None else encode_job(revision.job),
    )  # fmt: skip


def revision_in(row: RevisionOut) -> Revision:
    """The revision that its JSON stands for."""
    return Revision(
        number=row.revision, at_ms=time_in(row.at), who=row.who, why=row.why,
        job=None if row.job is None else decode_job(row.job)[0],
    )  # fmt: skip
