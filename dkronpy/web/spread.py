"""Spreads jobs that start in the same minute: each gets a minute out of its own name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response

from dkronpy.client import JobView
from dkronpy.clock import from_ms
from dkronpy.errors import DkronpyError
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, fields_of, form, number_of, page, see_other, text_of
from dkronpy.web.job_head import is_managed
from dkronpy.web.places import place
from dkronpy.web.render import render
from dkronpy.web.site import Viewer, site_of, viewer_of

_STEP = re.compile(r"(?:\*|\d+)/(\d+)")
_FIELDS = (5, 6)
_HOUR = 60


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A job of the minute: its schedule, the one that would spread it ('' for none), and when that is due.

    ``held`` says why it cannot be changed on this page.
    """

    name: str
    schedule: str
    wanted: str = ""
    due_ms: int | None = None
    held: str = ""

    @property
    def here(self) -> bool:
        """Whether it can be changed on this page."""
        return bool(self.wanted) and not self.held


def spread(schedule: str) -> str:
    """The schedule with ``H`` for its minute, a value out of the job's name; '' where it has no minute of its own.

    The hour stays: what is due at 02:00 is due some time until 02:59, and what is due every ten minutes goes on so.
    """
    fields = schedule.split()
    if len(fields) not in _FIELDS or "|" in schedule or "=" in fields[0]:
        return ""
    at = len(fields) - 5
    step = _STEP.fullmatch(fields[at])
    if fields[at].isdecimal():
        fields[at] = "H"
    elif step and 1 < int(step[1]) <= _HOUR // 2:
        fields[at] = f"H/{step[1]}"
    else:
        return ""
    return " ".join(fields)


def proposals(views: Mapping[str, JobView], names: list[str], viewer: Viewer) -> list[Proposal]:
    """What would become of each job."""
    found = []
    for name in names:
        view = views[name]
        wanted = spread(view.job.schedule)
        changed = view.job.but(schedule=wanted) if wanted else view.job
        due = changed.parsed_schedule(anchor=from_ms(view.stored.anchor_ms)).next_ms(viewer.now_ms)
        held = f"change it in {view.stored.source}" if is_managed(view) else ""
        held = held or ("" if viewer.may("edit", name) else "you may not change it")
        found.append(Proposal(name=name, schedule=view.job.schedule, wanted=wanted, due_ms=due, held=held))
    return sorted(found, key=lambda one: (not one.here, not one.wanted, one.name))


@page("/schedule/spread", action="edit", listing=True)
def propose(request: AnyRequest) -> Response[Any]:
    """The jobs that start in a minute, and when they would start if they were spread over its hour."""
    site, viewer = site_of(request), viewer_of(request)
    asked = request.query_params.get("minute", "")
    minute = number_of(asked)
    views = viewer.seen(site.board.jobs())
    names = site.weeks.names(views, minute)
    if not names:
        raise PageError(404, "no job is known to start in this minute", hint=f"look at {place('/schedule')} again")
    return render(request, "spread.html", section="schedule", minute=minute, proposals=proposals(views, names, viewer))


@form("/schedule/spread", action="edit")
def apply(request: AnyRequest) -> Response[Any]:
    """Spread the chosen jobs."""
    site, viewer = site_of(request), viewer_of(request)
    views = viewer.seen(site.board.jobs())
    names = list(dict.fromkeys(str(name) for name in fields_of(request).getall("job", [])))[:1000]
    chosen = [views[name] for name in names if name in views and spread(views[name].job.schedule)]
    if not chosen:
        raise PageError(400, "no job was chosen", hint="go back and tick the jobs that you mean")
    denied = [one.job.name for one in chosen if is_managed(one) or not viewer.may("edit", one.job.name)]
    if denied:
        raise PageError(403, f"{', '.join(denied[:5])} cannot be changed here")
    failures = []
    for view in chosen:
        job = view.job.but(schedule=spread(view.job.schedule))
        try:
            site.client.save_job(job, revision=view.stored.revision, by=viewer.who, why=text_of(request, "why", 200))
        except DkronpyError as error:
            failures.append(f"{view.job.name}: {error}")
    viewer.door.note(request, f"spread {', '.join(one.job.name for one in chosen)}"[:400])
    if failures:
        raise PageError(409, f"{len(chosen) - len(failures)} of {len(chosen)} done. Not done: " + "; ".join(failures))
    return see_other(place("/schedule?done=spread"))


ROUTES = [propose, apply]
