"""Our own routes that look at due times: what will be due, what became of those of the past, making up for some."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.params import FromPath, JSONBody, QueryParameter

from dkronpy.api.answers import AnyRequest
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import route
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.client.backfill import Backfill
from dkronpy.client.records import JobAudit
from dkronpy.clock import aware, iso_ms, to_ms
from dkronpy.forecast import forecast

_DAY_MS = 86_400_000


class BusyMinute(msgspec.Struct, kw_only=True):
    """One of the busiest minutes, and the jobs that have the most runs in it."""

    minute: str
    runs: int
    jobs: list[str]


class ForecastOut(msgspec.Struct, kw_only=True):
    """What will be due in a window."""

    start: str
    end: str
    runs: int
    worst: list[BusyMinute]


class Window(msgspec.Struct, kw_only=True):
    """Due times after ``start`` up to ``end`` to make up for; ``dry_run`` only counts them."""

    start: datetime
    end: datetime
    max_active: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    dry_run: bool = False


class BackfillOut(msgspec.Struct, kw_only=True):
    """What a window needs: due times to make up for, those that have a success, and those that may yet get one."""

    job: str
    due: int
    done: int
    running: int
    notes: list[str]


@route("GET", "/api/v1/forecast", action="read", listing=True, tags=["deployment"])
def show_forecast(
    request: AnyRequest,
    days: Annotated[int, QueryParameter(ge=1, le=31)] = 1,
    worst: Annotated[int, QueryParameter(ge=0, le=100)] = 10,
) -> ForecastOut:
    """Count what the schedules will make due in the coming days, and name the busiest minutes."""
    services, identity = services_of(request), identity_of(request)
    with services.store.errors():
        now_ms = services.store.now_ms()
    views = [view for view in services.catalogue.views() if identity.sees(view.job.name)]
    known = [(view.job.name, view.stored.schedule()) for view in views if view.job.enabled and view.job.schedule]
    found = forecast(known, now_ms, now_ms + days * _DAY_MS, worst=worst)
    rows = [BusyMinute(minute=iso_ms(one.minute_ms), runs=one.runs, jobs=list(one.jobs)) for one in found.worst]
    return ForecastOut(start=iso_ms(found.start_ms), end=iso_ms(found.end_ms), runs=found.runs, worst=rows)


@route("GET", "/api/v1/jobs/{job:str}/audit", action="read", tags=["jobs"])
def audit_job(
    request: AnyRequest,
    job: FromPath[str],
    start: Annotated[datetime, QueryParameter(description="After this moment.")],
    end: Annotated[datetime, QueryParameter(description="Up to this one.")],
) -> JobAudit:
    """Whether every due time of a window has exactly one record. Times are milliseconds since the epoch."""
    return services_of(request).client.audit_job(job, *_window(start, end))


@route("POST", "/api/v1/jobs/{job:str}/backfill", action="operate", status=202, tags=["jobs"])
def backfill(request: AnyRequest, job: FromPath[str], data: JSONBody[Window]) -> BackfillOut:
    """Make up for due times that have no success, ``max_active`` at a time, while this server runs.

    A repeated request goes on where the last one stopped, and makes nothing twice. The runs have the trigger backfill.
    """
    services, identity = services_of(request), identity_of(request)
    work = Backfill(services.client.deployment, job, max_active=data.max_active, who=identity.name)
    found = work.plan(*_window(data.start, data.end))
    if found.due and not data.dry_run:
        services.works.start(f"backfill of {job}", lambda stopping: work.run(found.due, lambda _: None, stopping))
        note_of(request).detail = f"{len(found.due)} due times are made up for"
    return BackfillOut(job=job, due=len(found.due), done=found.done, running=found.running, notes=list(found.notes))


def _window(start: datetime, end: datetime) -> tuple[int, int]:
    start_ms, end_ms = to_ms(aware(start)), to_ms(aware(end))
    if end_ms <= start_ms:
        raise ApiError(422, "end: it has to be after start")
    return start_ms, end_ms


ROUTES = [show_forecast, audit_job, backfill]
