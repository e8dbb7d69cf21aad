"""Definitions as the store keeps them, each with where it stands and what has happened to it; read many at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from dkronpy.clock import from_ms
from dkronpy.errors import ConfigError
from dkronpy.job import Job
from dkronpy.job.json import NEVER, JobState, decode_definition, go_time
from dkronpy.schedule import Schedule
from dkronpy.store.connection import Store
from dkronpy.store.keys import name_hash
from dkronpy.store.redbeat import ms_of

log = logging.getLogger(__name__)

AT_ONCE = 500
"""So many are read by one step: it takes Redis some milliseconds, in which it does nothing else."""


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


def parsed(job: Job, anchor_ms: int) -> Schedule:
    """The job's schedule with the phase of *anchor_ms*."""
    return job.parsed_schedule(anchor=from_ms(anchor_ms))


def readable(body: bytes | None) -> Job | None:
    """The definition, or None where there is none that can be read: saving it anew mends it."""
    try:
        return None if body is None else decode_definition(body)
    except ConfigError:
        return None


def read_jobs(
    store: Store, names: Sequence[str], *, states: bool = True
) -> Iterator[tuple[str, StoredJob | None, JobState]]:
    """Each named job, with None where it does not exist or cannot be read; what happened to it only with *states*."""
    for name, row in _rows(store, names, states=states):
        due_ms = None if row[9] is None else ms_of(float(row[9]))
        yield name, _stored(name, row, due_ms), _state(row, due_ms) if states else _NOTHING


_NOTHING = JobState()


def _rows(store: Store, names: Sequence[str], *, states: bool) -> Iterator[tuple[str, Sequence[Any]]]:
    """What the step says of each; while one answer is looked at, Redis is at work on the next."""

    def ask(some: Sequence[str]) -> list[Sequence[Any]]:
        asked = [part for name in some for part in (name, name_hash(name))]
        answer: list[Sequence[Any]] = store.scripts.call("read", int(states), *asked)
        return answer

    parts = [names[first : first + AT_ONCE] for first in range(0, len(names), AT_ONCE)]
    if len(parts) < 2:
        for some in parts:
            yield from zip(some, ask(some), strict=True)
        return
    with ThreadPoolExecutor(1) as ahead:
        answers = [ahead.submit(ask, some) for some in parts]
        for some, answer in zip(parts, answers, strict=True):
            yield from zip(some, answer.result(), strict=True)


def _stored(name: str, row: Sequence[Any], due_ms: int | None) -> StoredJob | None:
    body, rev, anchor, source, saved, who, why, applied, wish = row[:9]
    job = readable(body)
    if job is None:
        if body is not None:
            log.warning("the stored definition of %s cannot be read: save it anew", name)
        return None
    if job.name != name:  # somebody else wrote it there: it is read as the entry's, and no node takes it for signed
        job = msgspec.structs.replace(job, name=name)
    return StoredJob(
        job=job,
        revision=int(rev or 0),
        anchor_ms=int(anchor or 0),
        due_ms=due_ms,
        source=(source or b"").decode(),
        saved_ms=int(saved or 0),
        who=(who or b"").decode("utf-8", "replace"),
        why=(why or b"").decode("utf-8", "replace"),
        applied=int(applied or 0),
        wish=readable(wish or None),
    )


def _state(row: Sequence[Any], due_ms: int | None) -> JobState:
    successes, errors, last_success, last_error, status, children = row[10:]
    return JobState(
        success_count=int(successes or 0),
        error_count=int(errors or 0),
        last_success=go_time(int(last_success)) if last_success else None,
        last_error=go_time(int(last_error)) if last_error else None,
        status=(status or b"").decode(),
        next=NEVER if due_ms is None else go_time(due_ms),
        dependent_jobs=tuple(sorted(child.decode() for child in children)),
    )
