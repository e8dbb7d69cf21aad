"""The definition of a job, as it is in force."""

from __future__ import annotations

from typing import Any

from litestar import Response
from litestar.params import FromPath

from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.job_head import definition_of, head
from dkronpy.web.render import render
from dkronpy.web.site import site_of


@page("/jobs/{job:str}/definition")
def show(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """The definition of a job."""
    known = head(request, job, site_of(request).client.runs(job=job, limit=1))
    return render(
        request, "job_definition.html", section="jobs", **known, tab="definition",
        definition=definition_of(known["view"]),
    )  # fmt: skip


ROUTES = [show]
