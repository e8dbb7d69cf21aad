"""The list of jobs: search, filter, sort, and act on several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response

from dkronpy.client import JobView
from dkronpy.errors import DkronpyError
from dkronpy.execution import Run
from dkronpy.node import Target
from dkronpy.pause import Pause, covering
from dkronpy.web.board import Figures, figures
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, fields_of, form, number_of, page, see_other, text_of
from dkronpy.web.health import last_ended
from dkronpy.web.job_head import LENGTHS, is_managed
from dkronpy.web.pauses import pause
from dkronpy.web.places import place
from dkronpy.web.render import render
from dkronpy.web.sentences import briefly, where
from dkronpy.web.site import Site, Viewer, site_of, viewer_of
from dkronpy.web.states import Look, job_state, look
from dkronpy.web.words import fits, read_query

PAGE = 50
SORTS = ("name", "state", "next", "last")
BULK = {
    "run": "operate", "pause": "operate", "resume": "operate", "enable": "operate", "disable": "operate",
    "delete": "edit",
}  # fmt: skip
_ASKED_FIRST = {"pause", "delete"}
_DONE = {"delete": "deleted", "run": "started", "pause": "paused", "resume": "resumed"}
_NEVER = 1 << 62
_ORDER = {"bad": 0, "warn": 1, "busy": 2, "good": 3, "mute": 4}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the table shows it."""

    view: JobView
    look: Look
    words: str
    where: str
    runs: tuple[Run, ...]
    last: Run | None
    figures: Figures
    due_ms: int | None
    pause: Pause | None


@page("/jobs", listing=True)
def jobs(request: AnyRequest) -> Response[Any]:
    """A page of jobs that fit the search."""
    site, viewer = site_of(request), viewer_of(request)
    asked = request.query_params
    text, sort = asked.get("q", "")[:200], asked.get("sort", "name")
    sort = sort if sort.lstrip("-") in SORTS else "name"
    number = max(1, number_of(asked.get("page", "")))
    seen = list(viewer.seen(site.board.jobs()).values())
    query, newest = read_query(text), site.board.newest()
    found = [view for view in seen if fits(query, view, _last(newest, view))] if text.strip() else seen
    if sort != "name":
        found.sort(key=lambda view: _key(site, view, sort.lstrip("-")), reverse=sort.startswith("-"))
    pages = max(1, -(-len(found) // PAGE))
    number = min(number, pages)
    pauses = site.client.maintenance.pauses()
    return render(
        request,
        "jobs.html",
        section="jobs",
        q=text, sort=sort, number=number, pages=pages, total=len(seen), found=len(found),
        rows=[_row(site, view, viewer, pauses) for view in found[(number - 1) * PAGE : number * PAGE]],
        sorting=lambda name: _query(q=text, sort=f"-{name}" if sort == name else name),
        paging=lambda to: _query(q=text, sort=sort, page=to),
    )  # fmt: skip


def _query(**values: Any) -> str:
    kept = {name: value for name, value in values.items() if value not in ("", "name", 1)}
    return place("/jobs") + (f"?{urlencode(kept)}" if kept else "")


def _last(newest: Mapping[str, Sequence[Run]], view: JobView) -> Run | None:
    recent = newest.get(view.job.name)
    return recent[0] if recent else None


def _key(site: Site, view: JobView, sort: str) -> Any:
    name = view.job.name
    if sort == "next":
        due = site.board.digest().due_of(name)
        return (_NEVER if due is None else due, name)
    last = _last(site.board.newest(), view)
    if sort == "state":
        return (_ORDER.get(look(*job_state(view, last)).tone, 5), name)
    if sort == "last":
        return (-(last.fired_ms or last.due_ms) if last else _NEVER, name)
    return name


def _row(site: Site, view: JobView, viewer: Viewer, pauses: Sequence[Pause]) -> Row:
    runs = site.board.history(view.job.name)
    newest = runs[0] if runs else None
    return Row(
        view=view, look=look(*job_state(view, newest)),
        words=briefly(view.job, view.stored.schedule(), viewer.zone.key),
        where="" if view.job.on == Target(count=1) else where(view.job), runs=runs,
        last=newest if newest is None or newest.terminal else last_ended(runs) or newest, figures=figures(runs),
        due_ms=view.stored.due_ms if view.job.enabled else None, pause=covering(pauses, view.job, viewer.now_ms),
    )  # fmt: skip


@form("/jobs/bulk", action="operate")
def bulk(request: AnyRequest) -> Response[Any]:
    """Act on the chosen jobs; what cannot be undone asks first."""
    viewer = viewer_of(request)
    what = text_of(request, "what")
    names = list(dict.fromkeys(str(name) for name in fields_of(request).getall("job", [])))[:1000]
    if what not in BULK:
        raise PageError(400, f"{what[:30]!r} is nothing that can be done to jobs", hint=", ".join(BULK))
    if not names:
        raise PageError(400, "no job was chosen", hint="go back and tick the jobs that you mean")
    for name in names:
        viewer.require_sight(name)
        if not viewer.may(BULK[what], name):
            raise PageError(403, f"you may not {what} {name}")
    if what in _ASKED_FIRST and text_of(request, "sure") != "yes":
        return render(request, f"sure_{what}.html", section="jobs", names=names, lengths=LENGTHS)
    done, failures = _act(request, what, names)
    viewer.door.note(request, f"{what} {', '.join(done)}"[:400])
    if failures:
        text = f"{len(done)} of {len(names)} done. Not done: " + "; ".join(failures[:20])
        raise PageError(409, text)
    return see_other(place("/jobs?done=" + _DONE.get(what, "done")))


def _act(request: AnyRequest, what: str, names: list[str]) -> tuple[list[str], list[str]]:
    site, viewer = site_of(request), viewer_of(request)
    done, failures = [], []
    for name in names:
        try:
            if what == "run":
                site.client.run_job(name, by=viewer.who)
            elif what == "pause":
                pause(request, job=name)
            elif what == "resume":
                site.client.maintenance.resume(job=name, by=viewer.who)
            elif what == "delete":
                delete(site, name, viewer.who)
            elif site.client.job(name).job.enabled != (what == "enable"):
                site.client.toggle_job(name, by=viewer.who)
        except DkronpyError as error:
            failures.append(f"{name}: {error}")
        else:
            done.append(name)
    return done, failures


def delete(site: Site, name: str, who: str) -> None:
    """Delete a job that nothing follows and no configuration would bring back. Raises PageError."""
    view = site.client.job(name)
    if view.state.dependent_jobs:
        raise PageError(409, f"{', '.join(view.state.dependent_jobs)} follow {name}", hint="delete them first")
    if is_managed(view):
        raise PageError(409, f"{name} comes from {view.stored.source}", hint="take it out there, and apply")
    site.client.delete_job(name, by=who)


ROUTES = [jobs, bulk]
