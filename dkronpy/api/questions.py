"""Our own routes that look at due times: what will be due, and what became of those of the past."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.params import FromPath, QueryParameter

from dkronpy.api.answers import AnyRequest
from dkronpy.api.backfills import window_ms
from dkronpy.api.handlers import route
from dkronpy.api.services import identity_of, services_of
from dkronpy.client.records import JobAudit
from dkronpy.clock import iso_ms
from dkronpy.forecast import Advice, forecast

_DAY_MS = 86_400_000


class BusyMinute(msgspec.Struct, kw_only=True):
    """One of the busiest minutes, and the jobs that have the most runs in it."""

    minute: str
    runs: int
    jobs: list[str]


class Spreading(msgspec.Struct, kw_only=True):
    """Which jobs to spread within so many seconds, and how full the fullest minute is, and would be then."""

    jobs: list[str]
    within: int
    before: int
    after: int


class ForecastOut(msgspec.Struct, kw_only=True):
    """What will be due in a window; ``spread`` is what would help, null where nothing would."""

    start: str
    end: str
    runs: int
    worst: list[BusyMinute]
    spread: Spreading | None


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
    return ForecastOut(
        start=iso_ms(found.start_ms), end=iso_ms(found.end_ms), runs=found.runs, worst=rows,
        spread=None if found.advice is None else _spreading(found.advice),
    )  # fmt: skip


def _spreading(advice: Advice) -> Spreading:
    return Spreading(jobs=list(advice.jobs), within=advice.within_ms // 1000, before=advice.before, after=advice.after)


@route("GET", "/api/v1/jobs/{job:str}/audit", action="read", tags=["jobs"])
def audit_job(
    request: AnyRequest,
    job: FromPath[str],
    start: Annotated[datetime, QueryParameter(description="After this moment.")],
    end: Annotated[datetime, QueryParameter(description="Up to this one.")],
) -> JobAudit:
    """Whether every due time of a window has exactly one record. Times are milliseconds since the epoch."""
    return services_of(request).client.audit_job(job, *window_ms(start, end))


ROUTES = [show_forecast, audit_job]
