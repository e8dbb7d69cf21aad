"""Defining a job: what is typed is checked at once, and shown as what it means."""

from __future__ import annotations

import json
from typing import Any

from litestar import Response
from litestar.params import FromPath

from dkronpy.clock import from_ms
from dkronpy.config.check import full_check
from dkronpy.errors import ConflictError, DkronpyError, InvalidError, Problem
from dkronpy.job import Job
from dkronpy.job.json import decode_job
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, fields_of, form, page, see_other, text_of
from dkronpy.web.job_form import FIELDS, PREFIX, definition, filled
from dkronpy.web.job_head import definition_of, is_managed, next_due
from dkronpy.web.places import job_place
from dkronpy.web.render import render
from dkronpy.web.sentences import in_words
from dkronpy.web.site import Viewer, site_of, viewer_of

NEXT = 8
EXAMPLE = {
    "name": "hello",
    "schedule": "0 30 2 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "executor": "shell",
    "executor_config": {"command": "echo hello"},
}


@page("/new", action="edit")
def new(request: AnyRequest) -> Response[Any]:
    """The form for a job that is not there yet, field by field or as JSON."""
    viewer = viewer_of(request)
    if request.query_params.get("as") == "json":
        text = json.dumps(EXAMPLE, indent=2)
        return render(request, "edit.html", section="jobs", name="", text=text, revision=0, problems=[], preview=None)
    fields = filled({"timezone": viewer.zone.key})
    return render(request, "new.html", section="jobs", fields=fields, why="", problems=[], preview=None)


@page("/jobs/{job:str}/edit", action="edit")
def edit(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """The form for a job."""
    view = site_of(request).client.job(job)
    if is_managed(view):
        raise PageError(409, f"{job} comes from {view.stored.source}", hint="change it there, and apply")
    return render(
        request, "edit.html", section="jobs", name=job, text=definition_of(view), revision=view.stored.revision,
        problems=[], preview=_preview(view.job, viewer_of(request), view.stored.anchor_ms),
    )  # fmt: skip


@form("/jobs/{job:str}/edit", action="edit")
def save(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """Save a definition."""
    return _save(request, job)


@form("/new", action="edit")
def create(request: AnyRequest) -> Response[Any]:
    """Save a new definition."""
    return _save(request, "")


@form("/check", action="read")
def check(request: AnyRequest) -> Response[Any]:
    """Say what a definition would mean, and save nothing: asked for while somebody types."""
    name = text_of(request, "job", 200)
    job, problems = _read(_text(request), name)
    return _form(request, name, job, problems, 200)


def _given(request: AnyRequest) -> dict[str, str]:
    """What was typed into the fields of a new job; nothing where it is JSON that was sent."""
    names = [one.name for one in FIELDS if fields_of(request).get(PREFIX + one.name) is not None]
    return {name: text_of(request, PREFIX + name, 20_000) for name in names}


def _text(request: AnyRequest) -> str:
    given = _given(request)
    return definition(given) if given else text_of(request, "text", 500_000)


def _save(request: AnyRequest, name: str) -> Response[Any]:
    site, viewer = site_of(request), viewer_of(request)
    job, problems = _read(_text(request), name)
    if text_of(request, "what") == "json":
        return _form(request, name, job, problems, 200)
    if job is None or problems:
        return _form(request, name, job, problems, 422)
    if not viewer.may("edit", job.name):
        raise PageError(403, f"you may not save {job.name}")
    try:
        saved = site.client.save_job(job, revision=_revision(request), by=viewer.who, why=text_of(request, "why", 200))
    except ConflictError as error:
        raise PageError(409, str(error), hint="open it again and make your change there") from None
    viewer.door.note(request, f"{saved.what} {job.name}, revision {saved.revision}")
    return see_other(job_place(job.name, "?done=" + ("unchanged" if saved.what == "unchanged" else "saved")))


def _form(request: AnyRequest, name: str, job: Job | None, problems: list[Problem], status: int) -> Response[Any]:
    """The form with what was typed, and what that means."""
    preview = _preview(job, viewer_of(request)) if job is not None and not problems else None
    given, why = _given(request), text_of(request, "why", 200)
    if given and text_of(request, "what") != "json":
        values = {"fields": filled(given), "why": why, "problems": problems, "preview": preview}
        return render(request, "new.html", status, section="jobs", **values)
    return render(
        request, "edit.html", status, section="jobs", name=name, text=_text(request),
        revision=_revision(request), problems=problems, preview=preview,
    )  # fmt: skip


def _revision(request: AnyRequest) -> int:
    text = text_of(request, "revision", 20)
    return int(text) if text.isdecimal() else 0


def _read(text: str, name: str) -> tuple[Job | None, list[Problem]]:
    try:
        job, _ = decode_job(text)
        problems = list(full_check(job))
    except InvalidError as error:
        return None, list(error.problems)
    except DkronpyError as error:
        return None, [Problem("definition", "", str(error), error.hint)]
    if name and job.name != name:
        problems.append(Problem("name", job.name, f"this is the form of {name}", "make a new job for another name"))
    return job, problems


def _preview(job: Job, viewer: Viewer, anchor_ms: int = 0) -> dict[str, Any]:
    """What a definition means: its schedule in words, and its next due times."""
    schedule = job.parsed_schedule(anchor=from_ms(anchor_ms or viewer.now_ms))
    return {"words": in_words(job, schedule), "due": next_due(schedule, viewer.now_ms, NEXT)}


ROUTES = [new, edit, save, create, check]
