"""Dkron's create and update: one operation, which checks a definition as Dkron does and replaces what was there."""

from __future__ import annotations

import logging

import msgspec
from litestar.params import FromPath, RawBody

from dkronpy.api.answers import Answer, AnyRequest, json_answer, location, text_answer
from dkronpy.api.carry import carry_state
from dkronpy.api.failures import ApiError
from dkronpy.api.guard import require_edit
from dkronpy.api.handlers import route
from dkronpy.api.jobs import etag, wanted_revision
from dkronpy.api.pause import is_paused
from dkronpy.api.services import Services, identity_of, note_of, services_of
from dkronpy.config.check import check_executor
from dkronpy.errors import ConfigError, ConflictError, DkronpyError, Problem
from dkronpy.job import Job
from dkronpy.job.json import JobState, decode_job, encode_job
from dkronpy.plugins.registry import executor_names

log = logging.getLogger(__name__)

PAUSED = "New job submissions are currently paused"
NO_PARENT = "specified parent job not found"
_LONGEST_CHAIN = 1000


class RefusedError(DkronpyError):
    """A definition that is not saved: the status and the text of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@route(["POST", "PATCH"], "/v1/jobs", action="edit", status=201)
def save_job(request: AnyRequest, body: RawBody) -> Answer:
    """Create or replace the job that the body names."""
    return _save(request, body, "")


@route("PUT", "/v1/jobs/{job:str}", action="edit", status=201)
def put_job(request: AnyRequest, job: FromPath[str], body: RawBody) -> Answer:
    """Create or replace a job. As in Dkron the body's name counts; the path's where the body has none."""
    return _save(request, body, job)


def _save(request: AnyRequest, body: bytes, name: str) -> Answer:
    services = services_of(request)
    if is_paused(services.store):
        return text_answer(PAUSED, 503)
    try:
        job, sent = read_job(body)
        if not job.name:
            job = msgspec.structs.replace(job, name=name)
        identity_of(request).require(job.name)
        note_of(request).job = job.name
        if name and job.name != name:
            require_edit(request, f"/v1/jobs/{job.name}", job.name)
        refuse_bad(job)
        refuse_family(services, job)
        with services.store.errors():
            saved = services.client.deployment.jobs.save(
                job, source="api", revision=wanted_revision(request), who=identity_of(request).name
            )
            carry_state(services.store, job.name, sent)
    except RefusedError as error:
        return text_answer(str(error), error.status)
    except ConflictError as error:
        raise ApiError(412, str(error), hint=error.hint) from None
    note_of(request).detail = f"{saved.what}, revision {saved.revision}"
    if "runoncreate" in request.query_params:
        _run(services, job.name, identity_of(request).name)
    answer = encode_job(job, sent)
    answer["processors"] = answer["processors"] or None
    headers = {**location(request, job.name), "ETag": etag(saved.revision)}
    return json_answer(request, answer, 201, headers)


def read_job(body: bytes) -> tuple[Job, JobState]:
    """The job of a request's body. Raises RefusedError."""
    if not body.strip():
        raise RefusedError(400, "Unable to parse payload: EOF.")
    try:
        return decode_job(body)
    except ConfigError as error:
        raise RefusedError(400, f"Unable to parse payload: {'; '.join(str(error).splitlines())}.") from None


def refuse_bad(job: Job) -> None:
    """Raises RefusedError with the first thing that is wrong, in Dkron's words where it has some.

    As in Dkron an executor that nobody here knows is no error before the job runs: other nodes may have it.
    """
    problems = job.check()
    if not problems and job.executor in executor_names():
        problems = check_executor(job)
    if problems:
        raise RefusedError(400, f"Job validation failed: {_words(job, problems[0])}.")


def _words(job: Job, problem: Problem) -> str:
    field = problem.field.rpartition(".")[2]
    if field == "schedule" and not problem.message.startswith("can't parse"):
        return f"can't parse job schedule: {problem.message}"
    if field == "timezone" and problem.message.startswith("unknown time zone"):
        return f"unknown time zone {job.timezone}"
    if job.executor == "shell" and job.executor_config.get("timeout") and field == "timeout":
        return "Error parsing job timeout value"
    if job.executor == "shell" and field == "mem_limit":
        return f"Error parsing job memory limit value: {problem.message}"
    return problem.message


def refuse_family(services: Services, job: Job) -> None:
    """Raises RefusedError for a parent that does not exist, and for jobs that would wait for one another."""
    if not job.after:
        return
    jobs = services.client.deployment.jobs
    with services.store.errors():
        wanted, seen = list(job.after), {job.name}
        parents = jobs.many(wanted)
        if len(parents) < len(set(wanted)):
            raise RefusedError(404, NO_PARENT)
        while parents and len(seen) < _LONGEST_CHAIN:
            above = {name for parent in parents for name in parent.job.after}
            if job.name in above:
                raise RefusedError(400, f"Job validation failed: {job.name} would wait for itself.")
            seen |= {parent.job.name for parent in parents}
            parents = jobs.many(sorted(above - seen))


def _run(services: Services, name: str, who: str) -> None:
    try:
        services.client.run_job(name, by=who)
    except DkronpyError as error:
        log.error("job %s was saved, and cannot be run: %s", name, error)


ROUTES = [save_job, put_job]
