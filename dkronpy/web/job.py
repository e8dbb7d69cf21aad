"""One job: what it is, when it is due, how its runs went; run it, switch it off, edit it, delete it."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from litestar import Response
from litestar.params import FromPath

from dkronpy.client import JobView
from dkronpy.clock import from_ms
from dkronpy.config_check import full_check
from dkronpy.errors import ConflictError, InvalidError, Problem
from dkronpy.job import Job
from dkronpy.job_json import decode_job, encode_job
from dkronpy.schedule import Schedule, dst_notes
from dkronpy.web.board import figures
from dkronpy.web.chains import chain_of
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, form, page, see_other, text_of
from dkronpy.web.jobs import delete, is_managed
from dkronpy.web.places import job_place, local_place, place, run_place
from dkronpy.web.render import render
from dkronpy.web.sentences import in_words, policies
from dkronpy.web.site import Viewer, site_of, viewer_of
from dkronpy.web.states import job_state

NEXT, RUNS, CHARTED = 8, 20, 60
_STATE_FIELDS = ("success_count", "error_count", "last_success", "last_error", "status", "next", "id", "dependent_jobs")
EXAMPLE = {
    "name": "hello",
    "schedule": "0 30 2 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "executor": "shell",
    "executor_config": {"command": "echo hello"},
}


@page("/jobs/{job:str}")
def show(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """The page of a job."""
    site, viewer = site_of(request), viewer_of(request)
    view = site.client.job(job)
    runs = site.client.runs(job=job, limit=100)
    seen = {name: one for name, one in site.board.jobs().items() if viewer.sees(name)}
    return render(
        request,
        "job.html",
        section="jobs",
        view=view,
        state=job_state(view, runs[0] if runs else None),
        words=in_words(view.job, view.stored.schedule()),
        policies=policies(view.job),
        due=_next(view.stored.schedule(), viewer.now_ms) if view.job.enabled else [],
        notes=_notes(view, viewer),
        runs=runs[:RUNS],
        more=len(runs) > RUNS,
        charted=runs[:CHARTED],
        figures=figures(runs),
        definition=definition_of(view),
        managed=is_managed(view),
        chain=chain_of(job, seen, site.board),
    )


def _notes(view: JobView, viewer: Viewer) -> list[tuple[date, str]]:
    return dst_notes(view.stored.schedule(), from_ms(viewer.now_ms), 12)[:2]


def definition_of(view: JobView) -> str:
    """The definition as JSON, without what happened to the job so far."""
    document = encode_job(view.job, view.state)
    kept = {
        name: value
        for name, value in document.items()
        if name not in _STATE_FIELDS and value not in (None, "", {}, [], False)
    }
    return json.dumps(kept, indent=2, ensure_ascii=False)


@form("/jobs/{job:str}/run", action="operate")
def run(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """Start it now, and look at the run."""
    viewer = viewer_of(request)
    started = site_of(request).client.run_job(job, by=viewer.who)
    return see_other(run_place(started.run.id))


@form("/jobs/{job:str}/toggle", action="operate")
def toggle(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """Switch it off, or on again; ``to`` says which is meant, so that two people do not undo one another."""
    site, wanted = site_of(request), text_of(request, "to")
    enabled = site.client.job(job).job.enabled
    if wanted not in {"on", "off"} or enabled != (wanted == "on"):
        enabled = site.client.toggle_job(job).enabled
    said = f"done={'enabled' if enabled else 'disabled'}"
    back = local_place(text_of(request, "back") or job_place(job))
    return see_other(f"{back}{'&' if '?' in back else '?'}{said}")


@form("/jobs/{job:str}/delete", action="edit")
def remove(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """Delete it; whoever means it types its name."""
    if text_of(request, "name") != job:
        raise PageError(400, f"type {job} to delete it", hint="nothing was deleted")
    delete(site_of(request), job)
    return see_other(place("/jobs?done=deleted"))


@page("/new", action="edit")
def new(request: AnyRequest) -> Response[Any]:
    """The form for a job that is not there yet."""
    text = json.dumps(EXAMPLE, indent=2)
    return render(request, "edit.html", section="jobs", name="", text=text, revision=0, problems=[], preview=None)


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
    """Save a definition, or only look at what it would mean."""
    return _save(request, job)


@form("/new", action="edit")
def create(request: AnyRequest) -> Response[Any]:
    """Save a new definition, or only look at what it would mean."""
    return _save(request, "")


def _save(request: AnyRequest, name: str) -> Response[Any]:
    site, viewer = site_of(request), viewer_of(request)
    text, revision = text_of(request, "text", 500_000), text_of(request, "revision")
    known = int(revision) if revision.isdecimal() else 0
    job, problems = _read(text, name)
    if job is not None and not problems and not viewer.may("edit", job.name):
        raise PageError(403, f"you may not save {job.name}")
    if job is None or problems or text_of(request, "what") != "save":
        preview = _preview(job, viewer) if job is not None and not problems else None
        status = 422 if problems else 200
        return render(
            request, "edit.html", status, section="jobs", name=name, text=text, revision=known, problems=problems,
            preview=preview,
        )  # fmt: skip
    try:
        saved = site.client.save_job(job, revision=known)
    except ConflictError as error:
        raise PageError(409, str(error), hint="open it again and make your change there") from None
    viewer.door.note(request, f"{saved.what} {job.name}, revision {saved.revision}")
    return see_other(job_place(job.name, "?done=" + ("unchanged" if saved.what == "unchanged" else "saved")))


def _read(text: str, name: str) -> tuple[Job | None, list[Problem]]:
    try:
        job, _ = decode_job(text)
        problems = list(full_check(job))
    except InvalidError as error:
        return None, list(error.problems)
    if name and job.name != name:
        problems.append(Problem("name", job.name, f"this is the form of {name}", "make a new job for another name"))
    return job, problems


def _preview(job: Job, viewer: Viewer, anchor_ms: int = 0) -> dict[str, Any]:
    """What a definition means: its schedule in words, and its next due times."""
    schedule = job.parsed_schedule(anchor=from_ms(anchor_ms or viewer.now_ms))
    return {"words": in_words(job, schedule), "due": _next(schedule, viewer.now_ms)}


def _next(schedule: Schedule, after: int) -> list[int]:
    found: list[int] = []
    while len(found) < NEXT and (due := schedule.next_ms(after)) is not None:
        found.append(due)
        after = due
    return found


ROUTES = [show, run, toggle, remove, new, edit, save, create]
