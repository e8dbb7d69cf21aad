"""The page of the timeline: a longer or an earlier time, some jobs or all, and what ran in it as a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response

from dkronpy.client import JobView
from dkronpy.execution import Run
from dkronpy.web.board import MOST_RUNS
from dkronpy.web.chain_rows import by_chain
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import number_of, page
from dkronpy.web.places import place
from dkronpy.web.render import render
from dkronpy.web.site import Site, Viewer, site_of, viewer_of
from dkronpy.web.states import is_trouble
from dkronpy.web.timeline import SPANS, Timeline, Window, around, by_job, by_node, usual_span
from dkronpy.web.words import fits, read_query

ROWS = 60
LISTED = 30
BARS = 120
_EXECUTIONS = 1_000
_DAY_MS = 86_400_000
_LEAST_MS, _MOST_MS = 10_000, 31 * _DAY_MS


class Strip(msgspec.Struct, frozen=True, kw_only=True):
    """The time around the window: from when to when (ms), and in each equal part of it how many ran well, and badly."""

    start: int
    end: int
    good: list[int]
    bad: list[int]

    def encoded(self) -> str:
        """As the canvas reads it."""
        return msgspec.json.encode(self).decode()


@page("/timeline", listing=True)
def show(request: AnyRequest) -> Response[Any]:
    """The timeline of the window that the address names."""
    site, viewer = site_of(request), viewer_of(request)
    asked = {name: request.query_params.get(name, "")[:200] for name in ("q", "rows", "span", "from", "to")}
    views = _views(site, viewer, asked["q"])
    recent = site.board.runs()
    asked["span"] = asked["span"] if asked["span"] in SPANS else usual_span(recent, viewer.now_ms)
    window = _chosen(asked) or around(viewer.now_ms, asked["span"])
    runs = [run for run in _runs(site, recent, window) if run.job in views]
    seen = [run for run in runs if run.due_ms <= window.end and (run.finished_ms or viewer.now_ms) >= window.start]
    strip = strip_of(runs, window, viewer.now_ms)
    return render(
        request, "timeline_page.html", section="timeline", rows=asked["rows"], asked=asked, window=window, strip=strip,
        timeline=_drawn(site, viewer, views, (window, runs), asked["rows"]), spans=list(SPANS), jobs=len(views),
        runs=seen[:LISTED], more=max(0, len(seen) - LISTED), endings=site.endings.find(seen[:LISTED]),
        steps=_steps(asked, window), to=lambda **values: _query({**asked, **values}),
    )  # fmt: skip


def _views(site: Site, viewer: Viewer, text: str) -> Mapping[str, JobView]:
    views = viewer.seen(site.board.jobs())
    if not text.strip():
        return views
    query, newest = read_query(text), site.board.newest()
    return {name: view for name, view in views.items() if fits(query, view, next(iter(newest.get(name, ())), None))}


def _chosen(asked: Mapping[str, str]) -> Window | None:
    """The window between two moments, if the address names two that make sense."""
    edges = [number for name in ("from", "to") if (number := number_of(asked[name], -1)) >= 0]
    if len(edges) < 2 or max(edges) > 1 << 43 or not _LEAST_MS <= edges[1] - edges[0] <= _MOST_MS:
        return None
    return Window(start=edges[0], end=edges[1], chosen=True)


def _runs(site: Site, recent: Sequence[Run], window: Window) -> Sequence[Run]:
    """The runs of the window and of the time around it: the recent ones, or for an earlier time those of the store."""
    if len(recent) < MOST_RUNS or not window.chosen or recent[-1].due_ms <= window.start:
        return recent
    return site.client.runs(limit=MOST_RUNS, before_ms=window.end + 1)


def _drawn(
    site: Site, viewer: Viewer, views: Mapping[str, JobView], what: tuple[Window, Sequence[Run]], rows: str
) -> Timeline:
    window, runs = what
    if rows != "nodes":
        by = by_chain if rows == "chains" else by_job
        return by(site.board, views, viewer.now_ms, window, runs, ROWS)
    names = [name for run in runs for name in run.execution_ids][:_EXECUTIONS]
    nodes = [node.name for node in site.client.nodes()]
    return by_node(site.client.some_executions(names), nodes, viewer.now_ms, window)


def strip_of(runs: Sequence[Run], window: Window, now_ms: int) -> Strip:
    """A day, or four times the window where that is more; the window lies in it."""
    wide = max(_DAY_MS, 4 * (window.end - window.start))
    end = max(min(window.end + wide // 2, now_ms + wide // 12), window.end)
    start = end - wide
    good, bad = [0] * BARS, [0] * BARS
    for run in runs:
        bar = (run.due_ms - start) * BARS // wide
        if 0 <= bar < BARS:
            (bad if is_trouble(run.state, run.reason) else good)[bar] += 1
    return Strip(start=start, end=end, good=good, bad=bad)


def _steps(asked: Mapping[str, str], window: Window) -> list[tuple[str, str]]:
    """Where one goes from here: a word and an address each."""
    wide = window.end - window.start

    def at(start: int, end: int) -> str:
        return _query({**asked, "span": "", "from": start, "to": end})

    third, half = wide // 3, wide // 2
    closer = at(window.start + third, window.end - third) if third > _LEAST_MS else ""
    return [
        ("earlier", at(window.start - half, window.end - half)),
        ("later", at(window.start + half, window.end + half)),
        ("closer", closer),
        ("wider", at(window.start - third, window.end + third) if wide * 2 < _MOST_MS else ""),
    ]


def _query(values: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in values.items() if value}
    return place("/timeline") + (f"?{urlencode(kept)}" if kept else "")


ROUTES = [show]
