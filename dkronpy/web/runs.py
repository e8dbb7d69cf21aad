"""The list of runs over all jobs; what it is filtered by stands in its address."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from litestar import Response

from dkronpy.errors import NotFoundError
from dkronpy.execution import REASONS, Run
from dkronpy.web.door import AnyRequest
from dkronpy.web.endings import Ending, grouped, kind_of
from dkronpy.web.handlers import number_of, page
from dkronpy.web.places import place
from dkronpy.web.render import render
from dkronpy.web.site import Site, Viewer, site_of, viewer_of
from dkronpy.web.states import is_trouble, look

PAGE = 50
STATES = ("running", "success", "failed", "partially_failed", "skipped", "lost")
TRIGGERS = ("schedule", "manual", "chained", "backfill")
_FILTERS = ("job", "state", "trigger", "text", "like")
_SEARCHED = 1_000
"""Runs that a search looks through at a time; the next step searches older ones."""
_PATIENCE_S = 0.2
"""How long a search reads last words that nobody has asked for yet; the page goes on by itself with the rest."""
_COMPARED = 200
"""Runs that went wrong that are looked at for what they have in common."""


@page("/runs", listing=True)
def runs(request: AnyRequest) -> Response[Any]:
    """A page of runs, the newest first."""
    site, viewer = site_of(request), viewer_of(request)
    asked = {name: request.query_params.get(name, "")[:200] for name in (*_FILTERS, "before")}
    asked["state"] = asked["state"] if asked["state"] in STATES else ""
    asked["trigger"] = asked["trigger"] if asked["trigger"] in TRIGGERS else ""
    searched, further = _runs(site, viewer, asked)
    fitting = [run for run in searched if _fits(run, asked)]
    unheard = 0
    if asked["text"]:
        wrong = [run for run in fitting if is_trouble(run.state, run.reason)]
        heard = site.endings.find(wrong, _PATIENCE_S)
        fitting = [run for run in fitting if _says(run, heard.get(run.id), asked["text"].lower())]
        unheard = sum(run.id not in heard or not heard[run.id].heard for run in wrong)
    wrong = [run for run in fitting if is_trouble(run.state, run.reason)][:_COMPARED]
    endings = site.endings.find([*fitting[:PAGE], *wrong])
    if asked["like"]:
        kind = _kind(site, viewer, asked["like"])
        fitting = [run for run in wrong if kind_of(run, endings.get(run.id)) == kind]
    found = fitting[:PAGE]
    oldest = found[-1].due_ms if len(fitting) > PAGE else 0
    return render(
        request,
        "runs.html",
        section="runs",
        runs=found, endings=endings, asked=asked, states=STATES, triggers=TRIGGERS,
        errors=[] if asked["like"] or asked["before"] else grouped(wrong, endings, REASONS),
        like=lambda run: _query({**asked, "like": run.id}),
        whole=not unheard and all(run.id in endings or not run.execution_ids for run in found),
        searched=searched, unheard=unheard,
        further=_query({**asked, "before": further}) if further and not oldest else "",
        filtered=any(asked[name] for name in _FILTERS),
        older=_query({**asked, "before": oldest}) if oldest else "",
        newest=_query({**asked, "before": ""}) if asked["before"] else "",
    )  # fmt: skip


def _kind(site: Site, viewer: Viewer, like: str) -> str:
    """How the run went wrong that others are to be like; '' where it is not known."""
    try:
        run = site.client.run(like).run
    except NotFoundError:
        return ""
    return kind_of(run, site.endings.find([run]).get(run.id)) if viewer.sees(run.job) else ""


def _runs(site: Site, viewer: Viewer, asked: dict[str, str]) -> tuple[list[Run], int]:
    """The runs that a page is chosen from: the recent ones from memory, a job's or older ones from the store.

    And before which moment (ms) there may be more; 0 where there are none.
    """
    before = number_of(asked["before"]) or None
    if asked["job"] and viewer.sees(asked["job"]) and asked["job"] in site.board.jobs():
        found = site.client.runs(job=asked["job"], limit=_SEARCHED, before_ms=before)
    elif before is not None or asked["state"] or not site.board.runs():
        found = site.client.runs(state=asked["state"] or None, limit=_SEARCHED, before_ms=before)
    else:
        found = list(site.board.runs()[: _SEARCHED if asked["text"] else None])
        further = (
            found[-1].fired_ms if len(found) >= _SEARCHED else 0
        )  # by when they were fired, which is never before due
        return [run for run in found if viewer.sees(run.job)], further
    further = found[-1].due_ms if len(found) >= _SEARCHED else 0
    return [run for run in found if viewer.sees(run.job)], further


def _fits(run: Run, asked: dict[str, str]) -> bool:
    if asked["job"] and asked["job"] not in run.job:
        return False
    return asked["state"] in {"", run.state} and asked["trigger"] in {"", run.trigger}


def _says(run: Run, ending: Ending | None, text: str) -> bool:
    """Whether a text (in small letters) stands in what is known of a run, its last words included."""
    hay = (run.id, run.reason, run.message, run.fired_by, run.trigger, look(run.state, run.reason).word)
    return text in " ".join((*hay, ending.words if ending else "")).lower()


def _query(values: dict[str, Any]) -> str:
    kept = {name: value for name, value in values.items() if value}
    return place("/runs") + (f"?{urlencode(kept)}" if kept else "")


ROUTES = [runs]
