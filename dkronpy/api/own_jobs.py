"""Our own routes for jobs: list and change them with ETags, and ask about their due times."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from litestar.params import FromPath, QueryParameter, RawBody

from dkronpy.api.answers import Answer, AnyRequest, json_answer
from dkronpy.api.cursor import MOST, Limit, page_by_name
from dkronpy.api.failures import ApiError
from dkronpy.api.guard import require_edit
from dkronpy.api.handlers import route
from dkronpy.api.jobs import delete_wanted, etag, wanted_revision
from dkronpy.api.pause import is_paused
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.clock import aware, from_ms, iso_ms, to_ms
from dkronpy.config.check import full_check
from dkronpy.errors import ConflictError, InvalidError
from dkronpy.job.json import decode_job
from dkronpy.schedule.zones import check_zone
from dkronpy.store.jobs import Change
from dkronpy.wire.jobs import JobList, Times, Verdict, Why, job_out


@route("GET", "/api/v1/jobs", action="read", listing=True, tags=["jobs"])
def list_own(
    request: AnyRequest,
    limit: Limit = 100,
    after: Annotated[str, QueryParameter(description="The name of the last job of the page before.")] = "",
    names: Annotated[list[str] | None, QueryParameter(name="name", description="Only these; repeatable.")] = None,
) -> JobList:
    """Jobs by name."""
    identity = identity_of(request)
    views = [view for view in services_of(request).catalogue.views() if identity.sees(view.job.name)]
    if names is not None:
        wanted = set(names)
        views = [view for view in views if view.job.name in wanted]
    page, following = page_by_name(views, lambda view: view.job.name, limit, after)
    return JobList(items=[job_out(view) for view in page], total=len(views), after=following)


@route("GET", "/api/v1/jobs/{job:str}", action="read", tags=["jobs"])
def show_own(request: AnyRequest, job: FromPath[str]) -> Answer:
    """One job in Dkron's JSON; its ETag is its revision."""
    view = services_of(request).client.job(job)
    if request.headers.get("if-none-match") == etag(view.stored.revision):
        return Answer(b"", status_code=304, headers={"ETag": etag(view.stored.revision)})
    return json_answer(request, job_out(view), headers={"ETag": etag(view.stored.revision)})


@route("PUT", "/api/v1/jobs/{job:str}", action="edit", tags=["jobs"])
def put_own(
    request: AnyRequest,
    job: FromPath[str],
    body: RawBody,
    source: Annotated[str, QueryParameter(max_length=200, description="What keeps it, such as a file.")] = "api",
    why: Annotated[str, QueryParameter(max_length=500, description="The reason, for the history.")] = "",
    owns: Annotated[bool, QueryParameter(description="Whether it belongs to the source from now on.")] = False,
    wish: Annotated[
        Literal["enabled", "disabled"] | None,
        QueryParameter(description="What the source would have it be, where it lets an operator's switch stand."),
    ] = None,
) -> Answer:
    """Create a job (201) or replace it (200). With ``If-Match`` only that revision, with ``If-None-Match: *`` none."""
    client = services_of(request).client
    if is_paused(services_of(request).store):
        raise ApiError(503, "job submissions are paused", hint="POST /v1/unpause lets them in again")
    definition, _ = decode_job(body)
    if definition.name not in {"", job}:
        raise ApiError(422, f"name: the body says {definition.name!r}, the path {job!r}")
    revision = 0 if request.headers.get("if-none-match") == "*" else wanted_revision(request)
    try:
        named = msgspec.structs.replace(definition, name=job)
        wanted = None if wish is None else msgspec.structs.replace(named, enabled=wish == "enabled")
        who = identity_of(request).name
        change = Change(job=named, source=source, revision=revision, who=who, why=why, owns=owns, wish=wanted)
        saved = client.change_job(change)
    except ConflictError as error:
        raise ApiError(412, str(error), hint=error.hint) from None
    note_of(request).detail = f"{saved.what}, revision {saved.revision}"
    view = client.job(job)
    headers = {"ETag": etag(saved.revision), "Location": f"/api/v1/jobs/{job}".encode().decode("latin-1")}
    status = 201 if saved.what == "created" else 200
    return json_answer(request, job_out(view, what=saved.what), status, headers)


@route("DELETE", "/api/v1/jobs/{job:str}", action="edit", status=204, tags=["jobs"])
def delete_own(
    request: AnyRequest,
    job: FromPath[str],
    why: Annotated[str, QueryParameter(max_length=500, description="The reason, for the history.")] = "",
    heir: Annotated[str, QueryParameter(description="The name that goes on with its counters and history.")] = "",
) -> None:
    """Delete a job that none follows, or that is saved under another name next."""
    client = services_of(request).client
    if heir:
        require_edit(request, f"/api/v1/jobs/{heir}", heir)
    view = client.job(job)
    if view.state.dependent_jobs and not heir:
        raise ConflictError(f"{', '.join(view.state.dependent_jobs)} follow {job}", hint="delete them first")
    delete_wanted(request, job, why=why, heir=heir)
    note_of(request).detail = f"deleted revision {view.stored.revision}"


@route("GET", "/api/v1/jobs/{job:str}/next", action="read", tags=["jobs"])
def next_times(
    request: AnyRequest,
    job: FromPath[str],
    count: Annotated[int, QueryParameter(ge=1, le=MOST)] = 10,
    after: Annotated[datetime | None, QueryParameter(description="After this moment; now unless said.")] = None,
) -> Times:
    """The next due times, whether or not the job is enabled."""
    services = services_of(request)
    with services.store.errors():
        start = aware(after) if after else from_ms(services.store.now_ms())
    found = services.client.due_times(job, start, count)
    return Times(job=job, times=[iso_ms(to_ms(moment)) for moment in found])


@route("GET", "/api/v1/jobs/{job:str}/why", action="read", tags=["jobs"])
def why(
    request: AnyRequest,
    job: FromPath[str],
    at: Annotated[datetime, QueryParameter(description="The due time.")],
    zone: Annotated[str, QueryParameter(description="The time zone of the answer.")] = "UTC",
) -> Why:
    """What became of a due time, and why."""
    moment = aware(at)
    client = services_of(request).client
    found = client.run_at(job, moment)
    text = client.why(job, moment, ZoneInfo(check_zone(zone)))
    return Why(job=job, at=iso_ms(to_ms(moment)), text=text, run=None if found is None else found.run.id)


@route("POST", "/api/v1/validate", action="read", tags=["jobs"])
def validate(body: RawBody) -> Verdict:
    """Check a definition without saving it."""
    try:
        job, _ = decode_job(body)
        problems = full_check(job)
    except InvalidError as error:
        problems = list(error.problems)
    errors = [{"path": one.field, "message": one.message, "hint": one.hint} for one in problems]
    return Verdict(valid=not errors, errors=errors)


ROUTES = [list_own, show_own, put_own, delete_own, next_times, why, validate]
