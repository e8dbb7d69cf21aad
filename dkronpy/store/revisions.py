"""The revisions of a definition: what a job was, since when, who made it so and why."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from dkronpy.errors import ConfigError, NotFoundError
from dkronpy.job import Job
from dkronpy.job.json import decode_definition
from dkronpy.store.connection import Store

log = logging.getLogger(__name__)


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a job. ``job`` is None where this was its deletion, which has the last revision's number."""

    number: int
    at_ms: int
    who: str = ""
    why: str = ""
    job: Job | None = None


def read_revisions(store: Store, name: str) -> list[Revision]:
    """The revisions of a job that are known, the newest first; that of an existing job is the one in force.

    A former one that cannot be read is left out.
    """
    keys = store.keys
    with store.client.pipeline(transaction=True) as pipe:
        pipe.hmget(keys.entry(name), "rev", "saved_ms", "who", "why", "job")
        pipe.lrange(keys.job_history(name), 0, -1)
        in_force, former = pipe.execute()
    rows: list[Sequence[Any]] = [] if in_force[0] is None else [[_text(value) for value in in_force]]
    for packed in former:
        try:
            rows.append(msgspec.msgpack.decode(packed))
        except msgspec.DecodeError:
            log.warning("a former revision of %s cannot be read", name)
    return [found for row in rows if (found := _revision(name, row)) is not None]


def find_revision(revisions: Sequence[Revision], name: str, number: int | None, *, back: int = 0) -> Revision:
    """The revision *number*, or the one that stands *back* places behind the newest; one with a definition.

    Raises NotFoundError that names those that are known.
    """
    known = [revision for revision in revisions if revision.job is not None]
    if number is None and len(known) > back:
        return known[back]
    for revision in known:
        if revision.number == number:
            return revision
    if not known:
        raise NotFoundError(f"there is no job named {name!r}, and none is remembered")
    numbers = ", ".join(str(revision.number) for revision in known)
    if number is None:
        raise NotFoundError(f"job {name!r} has no earlier revision", hint=f"known: {numbers}")
    raise NotFoundError(f"job {name!r} has no revision {number}", hint=f"known: {numbers}")


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")


def _revision(name: str, row: Sequence[Any]) -> Revision | None:
    number, at_ms, who, why, body = row
    try:
        job = decode_definition(body.encode()) if body else None
    except ConfigError:
        log.warning("revision %s of %s cannot be read", number, name)
        return None
    if job is not None and job.name != name:  # it had another name then
        job = msgspec.structs.replace(job, name=name)
    return Revision(number=int(number), at_ms=int(at_ms or 0), who=who, why=why, job=job)
