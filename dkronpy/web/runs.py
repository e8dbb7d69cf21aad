"""The list of runs over all jobs; what it is filtered by stands in its address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from litestar import Response

from dkronpy.errors import NotFoundError
from dkronpy.execution import REASONS, Run, due_of
from dkronpy.web.board import MOST_RUNS
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
_FARTHEST = 64_000
"""So many runs are looked at for those behind a place at which very many were due."""
_LONGEST_PLACE = 400
_COMPARED = 200
"""Runs that went wrong that are looked at for what they have in common."""


@page("/runs", listing=True)
def runs(request: AnyRequest) -> Response[Any]:
    """A page of runs, the newest first."""
    site, viewer = site_of(request), viewer_of(request)
    asked = {name: request.query_params.get(name, "")[:200] for name in _FILTERS}
    asked["before"] = request.query_params.get("before", "")[:_LONGEST_PLACE]
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
    oldest = found[-1].id if len(fitting) > PAGE else ""
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


def _runs(site: Site, viewer: Viewer, asked: dict[str, str]) -> tuple[list[Run], str]:
    """The runs that a page is chosen from, the newest due time first: from memory where that has them, or the store.

    And behind which place there may be more; '' where there are none.
    """
    place = _place_in(asked["before"])
    of = asked["job"] if asked["job"] and viewer.sees(asked["job"]) and asked["job"] in site.board.jobs() else None
    if of is None and place is None and not asked["state"]:
        recent, whole = _recent(site.board.runs())
        if whole or len(recent) > PAGE:
            found = recent[:_SEARCHED] if asked["text"] else recent
            return _seen(viewer, found, more=not whole or len(found) < len(recent))
    most, before_ms = _SEARCHED, None if place is None else place[0] + 1
    state = None if of else asked["state"] or None
    while True:
        known = site.client.runs(job=of, state=state, limit=most, before_ms=before_ms)
        found = [run for run in known if place is None or _place_of(run) < place]
        if len(found) > PAGE or len(known) < most or most >= _FARTHEST:
            return _seen(viewer, found, more=len(known) >= most)
        most *= 4  # very many were due at the moment of the place


def _recent(runs: Sequence[Run]) -> tuple[list[Run], bool]:
    """Those of the runs in memory than which no other was due later, in order, and whether these are all there are.

    Memory keeps what was fired last. What it has no more was due before it was fired, and that was before all of these.
    """
    found = sorted(runs, key=_place_of, reverse=True)
    if len(found) < MOST_RUNS:
        return found, True
    horizon_ms = min(run.fired_ms for run in found)
    return [run for run in found if run.due_ms > horizon_ms], False


def _seen(viewer: Viewer, found: Sequence[Run], *, more: bool) -> tuple[list[Run], str]:
    """Those that are shown, and the place behind them; where none is, a moment, which names nobody's run."""
    seen = [run for run in found if viewer.sees(run.job)]
    return seen, (seen[-1].id if seen else str(found[-1].due_ms) if found else "") if more else ""


def _place_of(run: Run) -> tuple[int, str]:
    return run.due_ms, run.id


def _place_in(text: str) -> tuple[int, str] | None:
    """A place in the list: behind a run, or before a moment in ms."""
    ms = due_of(text) or number_of(text)
    return (ms, text if "@" in text else "") if ms else None


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
