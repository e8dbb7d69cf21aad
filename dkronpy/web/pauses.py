"""Pauses: a job, every job with a tag, or everything does not run for a while, and everybody sees why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from litestar import Response
from litestar.params import FromPath

from dkronpy.errors import InvalidError
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, form, page, see_other, text_of
from dkronpy.web.job_head import LENGTHS
from dkronpy.web.places import job_place, place
from dkronpy.web.render import render
from dkronpy.web.site import Viewer, site_of, viewer_of


@page("/pauses", listing=True)
def pauses(request: AnyRequest) -> Response[Any]:
    """What is paused now, or will be."""
    site, viewer = site_of(request), viewer_of(request)
    known = [one for one in site.client.maintenance.pauses() if not one.job or viewer.sees(one.job)]
    return render(request, "pauses.html", section="settings", pauses=known, lengths=LENGTHS)


@form("/jobs/{job:str}/pause", action="operate")
def pause_job(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """Pause a job."""
    pause(request, job=job)
    return see_other(job_place(job, "?done=paused"))


@form("/jobs/{job:str}/resume", action="operate")
def resume_job(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """Let it run again."""
    site_of(request).client.maintenance.resume(job=job, by=viewer_of(request).who)
    return see_other(job_place(job, "?done=resumed"))


@form("/pauses", action="operate", whole=True)
def pause_many(request: AnyRequest) -> Response[Any]:
    """Pause every job with a tag, or everything."""
    tag, everything = text_of(request, "tag", 200), text_of(request, "everything") == "yes"
    if bool(tag) == everything:
        raise PageError(400, "name a tag, or choose everything", hint="nothing was paused")
    pause(request, tag=tag)
    return see_other(place("/pauses?done=paused"))


@form("/pauses/resume", action="operate", whole=True)
def resume_many(request: AnyRequest) -> Response[Any]:
    """End one of the pauses."""
    wanted = text_of(request, "id", 100)
    if not wanted:
        raise PageError(400, "no pause was named")
    ended = site_of(request).client.maintenance.resume(id=wanted, by=viewer_of(request).who)
    viewer_of(request).door.note(request, "; ".join(one.scope for one in ended))
    return see_other(place("/pauses?done=resumed"))


def pause(request: AnyRequest, *, job: str = "", tag: str = "") -> None:
    """Pause a job, the jobs with a tag, or, with neither, everything, for the reason and the time that a form gives."""
    viewer, hours = viewer_of(request), text_of(request, "hours", 5)
    until = timedelta(hours=int(hours)) if hours.isdecimal() and int(hours) else None
    start = _moment(text_of(request, "start", 30), viewer)
    try:
        made = site_of(request).client.maintenance.pause(
            job=job, tag=tag, reason=text_of(request, "reason", 1_000), start=start, until=until, by=viewer.who
        )
    except InvalidError as error:
        raise PageError(400, "; ".join(one.message for one in error.problems), hint=error.problems[0].hint) from None
    viewer.door.note(request, made.sentence())


def _moment(text: str, viewer: Viewer) -> datetime | None:
    """What a field for date and time says, on the viewer's clock."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=viewer.zone) if text else None
    except ValueError:
        raise PageError(400, f"{text!r} is no date and time", hint="write 2026-11-28T22:00") from None


ROUTES = [pauses, pause_job, resume_job, pause_many, resume_many]
