"""Our own routes for jobs as code: what applying a source's jobs would change, and applying them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar.params import JSONBody

from dkronpy.api.answers import AnyRequest
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import route
from dkronpy.api.pause import is_paused
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.config.check import full_check
from dkronpy.errors import InvalidError, Problem
from dkronpy.fleet.apply import Applied, Fleet, is_mass
from dkronpy.fleet.plan import FleetPlan
from dkronpy.job import Job
from dkronpy.job.json import decode_job

MOST = 20_000


class JobsOfSource(msgspec.Struct, kw_only=True):
    """All jobs of a source, in Dkron's JSON with our fields. ``plan`` is the id of the plan that was looked at,
    ``moved`` has the former names of jobs that are renamed, by their names.

    ``prune`` deletes those that are stored and not here; more than ``allow_delete`` of them, or more than half of a
    source's unless that is given, are refused.
    """

    source: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    jobs: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=MOST)]
    moved: dict[str, str] = {}
    prune: bool = False
    take_over: bool = False
    reset_drift: bool = False
    allow_delete: Annotated[int, msgspec.Meta(ge=0)] | None = None
    plan: str = ""
    why: Annotated[str, msgspec.Meta(max_length=500)] = ""


class FieldOut(msgspec.Struct, kw_only=True):
    """One field as it is and as it would be; null where it is not set. What is secret is left out."""

    field: str
    old: Any
    new: Any


class PlannedJob(msgspec.Struct, kw_only=True):
    """What would happen to a job: ``added``, ``changed``, ``unchanged``, ``removed`` or ``foreign`` (another's).
    ``moved`` is the name that an added one had.
    """

    job: str
    what: str
    revision: int
    owner: str
    changes: list[FieldOut]
    moved: str = ""


class PlanOut(msgspec.Struct, kw_only=True):
    """What applying would do. ``others`` counts the jobs of other sources, which are left alone."""

    id: str
    source: str
    others: int
    jobs: list[PlannedJob]


class AppliedOut(msgspec.Struct, kw_only=True):
    """What applying did. ``refused`` names those that somebody changed meanwhile, or whose runs
    have to end before they are renamed; nothing of theirs was written.
    """

    plan: str
    created: list[str]
    changed: list[str]
    removed: list[str]
    refused: list[str]


@route("POST", "/api/v1/plan", action="edit", status=200, tags=["fleet"])
def plan(request: AnyRequest, data: JSONBody[JobsOfSource]) -> PlanOut:
    """What applying the jobs of a source would change; nothing is written."""
    _, found = _plan(request, data)
    rows = [
        PlannedJob(
            job=row.name, what=row.what, revision=row.revision, owner=row.owner,
            changes=[FieldOut(field=one.field, old=one.old, new=one.new) for one in row.changes], moved=row.moved,
        )
        for row in found.jobs
    ]  # fmt: skip
    return PlanOut(id=found.id, source=found.source, others=found.others, jobs=rows)


@route("POST", "/api/v1/apply", action="edit", status=200, tags=["fleet"])
def apply(request: AnyRequest, data: JSONBody[JobsOfSource]) -> AppliedOut:
    """Save the jobs of a source, each at once or not at all; one problem anywhere, and nothing is saved."""
    if is_paused(services_of(request).store):
        raise ApiError(503, "job submissions are paused", hint="POST /v1/unpause lets them in again")
    fleet, found = _plan(request, data)
    _refuse(found, data)
    done: Applied = fleet.apply(found, prune=data.prune, why=data.why)
    note_of(request).detail = (
        f"{data.source}: {len(done.created)} created, {len(done.changed)} changed, {len(done.removed)} removed, "
        f"{len(done.refused) + len(done.busy)} refused"
    )
    return AppliedOut(
        plan=found.id, created=list(done.created), changed=list(done.changed), removed=list(done.removed),
        refused=[*done.refused, *done.busy],
    )  # fmt: skip


def _plan(request: AnyRequest, data: JobsOfSource) -> tuple[Fleet, FleetPlan]:
    client, identity = services_of(request).client, identity_of(request)
    jobs = _jobs(data)
    for job in jobs:
        identity.require(job.name)
    fleet = Fleet(client, data.source, who=identity.name)
    stored = [one for one in client.stored_jobs() if identity.sees(one.job.name)]
    for name in data.moved.values():
        identity.require(name)
    made = fleet.plan(jobs, stored, moved=data.moved, reset_drift=data.reset_drift, take_over=data.take_over)
    return fleet, made


def _jobs(data: JobsOfSource) -> list[Job]:
    jobs, problems = {}, []
    for place, row in enumerate(data.jobs):
        try:
            job, _ = decode_job(row)
            found = full_check(job)
        except InvalidError as error:
            found, job = list(error.problems), None
        problems += [Problem(f"jobs[{place}].{one.field}", one.value, one.message, one.hint) for one in found]
        if job is not None and job.name in jobs:
            problems.append(Problem(f"jobs[{place}].name", job.name, f"{job.name!r} is there twice"))
        if job is not None:
            jobs[job.name] = job
    if problems:
        raise InvalidError(data.source, problems)
    return list(jobs.values())


def _refuse(found: FleetPlan, data: JobsOfSource) -> None:
    if data.plan and data.plan != found.id:
        raise ApiError(412, f"this is no longer plan {data.plan}: jobs or store have changed", hint="plan again")
    foreign = found.those("foreign")
    if foreign:
        names = ", ".join(row.name for row in foreign[:10])
        raise ApiError(409, f"{names}: jobs of that name belong to another source", hint="take_over takes them over")
    gone = len(found.those("removed")) if data.prune else 0
    if data.allow_delete is not None and gone > data.allow_delete:
        raise ApiError(409, f"{gone} jobs would be deleted, and allow_delete says {data.allow_delete}")
    if gone and data.allow_delete is None and is_mass(found):
        hint = f"allow_delete: {gone} says that it is meant"
        raise ApiError(409, f"{gone} jobs would be deleted, more than half of what {data.source} has", hint=hint)


ROUTES = [plan, apply]
