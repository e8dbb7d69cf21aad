"""The first page: what ran, what runs, what is due, and what needs somebody's attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Response

from dkronpy.client import JobView
from dkronpy.execution import Run
from dkronpy.node import Node
from dkronpy.web import timeline
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.health import chips, is_failing, troubles
from dkronpy.web.render import render
from dkronpy.web.site import Site, Viewer, site_of, viewer_of

_RECENT, _RUNNING, _NEXT = 12, 8, 8
_OF_NODES = 400


@page("/", listing=True)
def overview(request: AnyRequest) -> Response[Any]:
    """The overview; where there are no jobs yet, the first steps."""
    site, viewer = site_of(request), viewer_of(request)
    views = {name: view for name, view in site.board.jobs().items() if viewer.sees(name)}
    status = site.client.status()
    runs = [run for run in site.board.runs() if viewer.sees(run.job)]
    if not views and not runs:
        return render(request, "first.html", section="overview", status=status)
    running = [run for run in runs if run.state == "running"]
    failing = sum(is_failing(site.board, view) for view in views.values())
    return render(
        request,
        "overview.html",
        section="overview",
        chips=chips(status, views, len(running), failing),
        troubles=troubles(status, list(views.values()), site.board),
        running=running[:_RUNNING],
        more_running=max(0, len(running) - _RUNNING),
        following=_following(list(views.values())),
        recent=runs[:_RECENT],
        nodes=status.nodes,
        quiet=not runs,
        figures=lambda run: site.board.figures(run.job),
        **_timeline(request, site, viewer, views, runs, status.nodes),
    )


def _timeline(
    request: AnyRequest,
    site: Site,
    viewer: Viewer,
    views: dict[str, JobView],
    runs: Sequence[Run],
    nodes: Sequence[Node],
) -> dict[str, Any]:
    span = request.query_params.get("span", "")
    span = span if span in timeline.SPANS else timeline.usual_span(runs, viewer.now_ms)
    rows = "nodes" if request.query_params.get("rows") == "nodes" else "jobs"
    if rows == "jobs":
        drawn = timeline.by_job(site.board, views, viewer.now_ms, span)
    else:
        executions = site.client.some_executions([name for run in runs[:_OF_NODES] for name in run.execution_ids])
        drawn = timeline.by_node(executions, [node.name for node in nodes], viewer.now_ms, span)
    return {"timeline": drawn, "span": span, "rows": rows, "spans": list(timeline.SPANS)}


def _following(views: list[JobView]) -> list[tuple[int, JobView]]:
    due = [(view.stored.due_ms, view) for view in views if view.stored.due_ms is not None and view.job.enabled]
    return sorted(due, key=lambda pair: (pair[0], pair[1].job.name))[:_NEXT]


ROUTES = [overview]
