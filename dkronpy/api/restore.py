"""Dkron's restore: a file with the answer of ``GET /v1/jobs``, parents saved before their children."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import anyio.to_thread
from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler

from dkronpy.api.answers import Answer, AnyRequest, json_answer, message_answer
from dkronpy.api.carry import carry_state
from dkronpy.api.handlers import opt_of
from dkronpy.api.job_saves import RefusedError, refuse_bad
from dkronpy.api.services import Services, identity_of, note_of, services_of
from dkronpy.errors import ConfigError, DkronpyError
from dkronpy.job import Job
from dkronpy.job.json import JobState, decode_job
from dkronpy.store.jobs import Change

LARGEST = 256 * 1024 * 1024
_AT_ONCE = 500
_WRITTEN = frozenset({"created", "changed", "unchanged"})


async def restore(request: AnyRequest) -> Answer:
    """Save every job of the multipart field ``file``; nothing at all where one of them cannot be used."""
    try:
        form = await request.form()
    except (ValueError, TypeError) as error:  # what the parser of forms raises
        return message_answer(request, f"this is no form: {error}", 400)
    file: Any = form.get("file")
    if file is None:
        return message_answer(request, "there is no file: send one in the multipart field 'file'", 404)
    data = await file.read() if isinstance(file, UploadFile) else str(file).encode()
    return await anyio.to_thread.run_sync(functools.partial(_restore, request, data))


def _restore(request: AnyRequest, data: bytes) -> Answer:
    services, identity = services_of(request), identity_of(request)
    try:
        found = _read(data)
        for job, _ in found:
            identity.require(job.name)
        ordered = in_order([job for job, _ in found])
    except RefusedError as error:
        return message_answer(request, str(error), error.status)
    states = {job.name: state for job, state in found}
    told = list(_save(services, ordered, states, identity.name))
    note_of(request).detail = f"{sum(line.startswith('success') for line in told)} of {len(ordered)} jobs restored"
    return json_answer(request, json.dumps(told, ensure_ascii=False, separators=(",", ":")))


def _read(data: bytes) -> list[tuple[Job, JobState]]:
    try:
        rows = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"this is not JSON: {error}") from None
    if not isinstance(rows, list):
        raise RefusedError(400, "an array of jobs is needed")
    found = []
    for row in rows:
        try:
            job, state = decode_job(row)
        except ConfigError as error:
            raise RefusedError(400, f"Unable to parse payload: {error}.") from None
        refuse_bad(job)
        found.append((job, state))
    return found


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Parents before their children, otherwise as given. Raises RefusedError for a parent that is not among them."""
    named = {job.name: job for job in jobs}
    done: dict[str, Job] = {}
    waiting = list(named.values())
    for job in waiting:
        missing = [parent for parent in job.after if parent not in named]
        if missing:
            raise RefusedError(400, f"job {job.name!r}: its parent {missing[0]!r} is not in the file")
    while waiting:
        ready = [job for job in waiting if all(parent in done for parent in job.after)]
        if not ready:
            raise RefusedError(400, f"these jobs wait for one another: {', '.join(job.name for job in waiting)}")
        done.update({job.name: job for job in ready})
        waiting = [job for job in waiting if job.name not in done]
    return list(done.values())


def _save(services: Services, jobs: list[Job], states: dict[str, JobState], who: str) -> Iterable[str]:
    failed: set[str] = set()
    for batch in _batches(jobs):
        tried = [job for job in batch if not failed.intersection(job.after)]
        failed |= {job.name for job in batch} - {job.name for job in tried}  # as in Dkron: neither tried nor told
        for job, good in zip(tried, _write(services, tried, states, who), strict=True):
            if not good:
                failed.add(job.name)
            yield f"{'success' if good else 'fail'} create {job.name}"


def _batches(jobs: list[Job]) -> Iterator[list[Job]]:
    """Parts that are written at once: none has a job together with its parent."""
    batch: dict[str, Job] = {}
    for job in jobs:
        if len(batch) >= _AT_ONCE or any(parent in batch for parent in job.after):
            yield list(batch.values())
            batch = {}
        batch[job.name] = job
    if batch:
        yield list(batch.values())


def _write(services: Services, jobs: list[Job], states: dict[str, JobState], who: str) -> list[bool]:
    """Whether each was saved. One that somebody changed in this very moment is tried once more by itself."""
    changes = [Change(job=job, source="restore", who=who) for job in jobs]
    store, kept = services.store, services.client.deployment.jobs
    try:
        with store.errors():
            saved = kept.change_many(changes) if changes else []
    except DkronpyError:
        return [False] * len(jobs)
    done = []
    for change, one in zip(changes, saved, strict=True):
        try:
            with store.errors():
                if one.what not in _WRITTEN:
                    kept.change(change)
                carry_state(store, change.job.name, states[change.job.name])
        except DkronpyError:
            done.append(False)
        else:
            done.append(True)
    return done


restore_jobs = HTTPRouteHandler(
    "/v1/restore",
    http_method=["POST"],
    status_code=200,
    opt=opt_of("edit"),
    request_max_body_size=LARGEST,
)(restore)

ROUTES = [restore_jobs]
