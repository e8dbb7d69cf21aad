"""How the runs of a job went: figures, durations with their percentiles, a heat map of its history."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath

from dkronpy.web.board import figures, took
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.history import by_week, chart, heat_map, troubles
from dkronpy.web.job_head import head
from dkronpy.web.render import render
from dkronpy.web.site import site_of, viewer_of

MOST = 2_000


@page("/jobs/{job:str}/statistics")
def show(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """The statistics of a job, over every run that is known."""
    site, viewer = site_of(request), viewer_of(request)
    runs = site.client.runs(job=job, limit=MOST)
    return render(
        request, "job_statistics.html", section="jobs", **head(request, job, runs[:1]), tab="statistics",
        known=len(runs), oldest=runs[-1].due_ms if runs else 0, figures=figures(runs), troubles=troubles(runs),
        longest=max((took(run) or 0 for run in runs), default=0), heat=heat_map(runs, viewer.zone, viewer.now_ms),
        weeks=by_week(runs, viewer.zone), chart=msgspec.json.encode(chart(runs)).decode(),
    )  # fmt: skip


ROUTES = [show]
