"""One job: when and where it runs, its chain, how its runs went; switch it off, delete it."""

from __future__ import annotations

from typing import Any

from litestar import Response
from litestar.params import FromPath

from dkronpy.web.board import figures
from dkronpy.web.chains import chain_of
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, form, page, see_other, text_of
from dkronpy.web.job_head import head, next_due, notes_of
from dkronpy.web.jobs import delete
from dkronpy.web.places import job_place, local_place, place
from dkronpy.web.render import render
from dkronpy.web.sentences import policies
from dkronpy.web.site import site_of, viewer_of

NEXT, RUNS, CHARTED = 6, 20, 60
_NOTES, _MONTHS = 2, 12


@page("/jobs/{job:str}")
def show(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """The page of a job."""
    site, viewer = site_of(request), viewer_of(request)
    runs = site.client.runs(job=job, limit=100)
    known = head(request, job, runs)
    view = known["view"]
    seen = viewer.seen(site.board.jobs())
    return render(
        request, "job.html", section="jobs", **known, tab="job",
        policies=policies(view.job), notes=notes_of(view, viewer, _MONTHS)[:_NOTES],
        due=next_due(view.stored.schedule(), viewer.now_ms, NEXT) if view.job.enabled else [],
        runs=runs[:RUNS], endings=site.endings.find(runs[:RUNS]), more=len(runs) > RUNS,
        charted=runs[:CHARTED], figures=figures(runs),
        chain=chain_of(job, seen, site.board),
    )  # fmt: skip


@form("/jobs/{job:str}/toggle", action="operate")
def toggle(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """Switch it off, or on again; ``to`` says which is meant, so that two people do not undo one another."""
    site, wanted = site_of(request), text_of(request, "to")
    enabled = site.client.job(job).job.enabled
    if wanted not in {"on", "off"} or enabled != (wanted == "on"):
        enabled = site.client.toggle_job(job, by=viewer_of(request).who).enabled
    said = f"done={'enabled' if enabled else 'disabled'}"
    back = local_place(text_of(request, "back") or job_place(job))
    return see_other(f"{back}{'&' if '?' in back else '?'}{said}")


@form("/jobs/{job:str}/delete", action="edit")
def remove(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """Delete it; whoever means it types its name."""
    if text_of(request, "name") != job:
        raise PageError(400, f"type {job} to delete it", hint="nothing was deleted")
    delete(site_of(request), job, viewer_of(request).who)
    return see_other(place("/jobs?done=deleted"))


ROUTES = [show, toggle, remove]
