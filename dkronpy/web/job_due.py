"""When a job is due next, with what clock changes do to it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response
from litestar.params import FromPath

from dkronpy.client import JobView
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.job_head import head, next_due, notes_of
from dkronpy.web.moments import Moments
from dkronpy.web.render import render
from dkronpy.web.site import site_of, viewer_of

NEXT = 20
_MONTHS = 24


@page("/jobs/{job:str}/due")
def show(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """The next due times of a job."""
    site, viewer = site_of(request), viewer_of(request)
    known = head(request, job, site.client.runs(job=job, limit=1))
    view: JobView = known["view"]
    zone = ZoneInfo(view.job.timezone or "UTC")
    return render(
        request, "job_due.html", section="jobs", **known, tab="due",
        due=next_due(view.stored.schedule(), viewer.now_ms, NEXT) if view.job.enabled else [],
        notes=notes_of(view, viewer, _MONTHS), there=Moments(zone, viewer.now_ms), zone=zone.key,
    )  # fmt: skip


ROUTES = [show]
