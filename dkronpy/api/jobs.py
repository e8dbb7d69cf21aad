"""Dkron's routes for jobs: list, show, delete, toggle, run."""

from __future__ import annotations

import re

import msgspec
from litestar.params import FromPath

from dkronpy.api.answers import Answer, AnyRequest, json_answer, list_answer, location, message_answer
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import route
from dkronpy.api.job_list import JobQuery, find_jobs
from dkronpy.api.repeats import run_once
from dkronpy.api.services import Services, identity_of, note_of, services_of
from dkronpy.client import JobView
from dkronpy.errors import ConflictError, StillRunningError
from dkronpy.job.json import encode_job

HAS_CHILDREN = "could not delete job with dependent jobs, delete children first"


def job_answer(request: AnyRequest, view: JobView, headers: dict[str, str] | None = None) -> Answer:
    """A job in Dkron's JSON, with its revision as ETag."""
    tagged = {**(headers or {}), "ETag": etag(view.stored.revision)}
    return json_answer(request, encode_job(view.job, view.state), headers=tagged)


def etag(revision: int) -> str:
    """The ETag of a revision."""
    return f'"{revision}"'


def wanted_revision(request: AnyRequest) -> int | None:
    """The revision that ``If-Match`` names; None where it is not given, or any will do.

    Raises ApiError (400) for one that is no ETag of ours.
    """
    given = request.headers.get("if-match", "").strip()
    if not given or given == "*":
        return None
    text = given.removeprefix("W/").strip('"')
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ApiError(400, f"If-Match: {given[:100]} is no ETag of a job", hint='it looks like "3"')
    return int(text)


def delete_wanted(request: AnyRequest, job: str, *, why: str = "", heir: str = "") -> None:
    """Delete a job at the revision that ``If-Match`` names. Raises ApiError (412) when another one is in force."""
    revision = wanted_revision(request)
    try:
        services_of(request).client.delete_job(job, revision=revision, by=identity_of(request).name, why=why, heir=heir)
    except StillRunningError:
        raise
    except ConflictError as error:
        if revision is None:
            raise
        raise ApiError(412, str(error), hint=error.hint) from None


@route("GET", "/v1/jobs", action="read", listing=True)
def list_jobs(request: AnyRequest) -> Answer:
    """Every job that matches, a page of them; ``X-Total-Count`` says how many match in all."""
    query = JobQuery.read(request.query_params)
    page, total = find_jobs(services_of(request).catalogue.views(), identity_of(request), query)
    return list_answer(request, [encode_job(view.job, view.state) for view in page], total)


@route("GET", "/v1/jobs/{job:str}", action="read")
def show_job(request: AnyRequest, job: FromPath[str]) -> Answer:
    """One job."""
    return job_answer(request, services_of(request).client.job(job))


@route("DELETE", "/v1/jobs/{job:str}", action="edit")
def delete_job(request: AnyRequest, job: FromPath[str]) -> Answer:
    """Delete a job that none follows; the answer is what it was."""
    client = services_of(request).client
    view = client.job(job)
    if view.state.dependent_jobs:
        return message_answer(request, f"{HAS_CHILDREN}: {', '.join(view.state.dependent_jobs)}", 404)
    delete_wanted(request, job)
    note_of(request).detail = f"deleted revision {view.stored.revision}"
    return json_answer(request, encode_job(view.job, view.state))


@route("POST", ["/v1/jobs/{job:str}", "/v1/jobs/{job:str}/run"], action="operate")
def run_job(request: AnyRequest, job: FromPath[str]) -> Answer:
    """Start a job now; answers at once. As in Dkron a disabled job is not run by hand, unless it follows another."""
    services = services_of(request)
    view = services.client.job(job)
    if not view.job.enabled and not view.job.after:
        return message_answer(request, f"job {job!r} is disabled", 404)
    run_once(request, job)
    return job_answer(request, services.client.job(job), location(request))


@route("POST", "/v1/jobs/{job:str}/toggle", action="operate")
def toggle_job(request: AnyRequest, job: FromPath[str]) -> Answer:
    """Disable an enabled job, or the reverse."""
    services = services_of(request)
    try:
        enabled = toggle(services, job, identity_of(request).name, request.query_params.get("why", ""))
    except ConflictError as error:
        return message_answer(request, str(error), 422)
    note_of(request).detail = "enabled" if enabled else "disabled"
    return job_answer(request, services.client.job(job), location(request))


def toggle(services: Services, name: str, who: str, why: str = "") -> bool:
    """Flip ``enabled`` of what is stored, whatever else is in it. Raises NotFoundError, ConflictError."""
    jobs = services.client.deployment.jobs
    with services.store.errors():
        stored = jobs.get(name)
        job = msgspec.structs.replace(stored.job, enabled=not stored.job.enabled)
        jobs.save(job, source=stored.source, revision=stored.revision, who=who, why=why)
    return job.enabled


ROUTES = [list_jobs, show_job, delete_job, run_job, toggle_job]
