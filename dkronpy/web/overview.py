"""The first page: what ran, what runs, what is due, and what needs somebody's attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from litestar import Response

from dkronpy.client import JobView
from dkronpy.execution import Run
from dkronpy.node import Node
from dkronpy.web import timeline
from dkronpy.web.chain_rows import by_chain
from dkronpy.web.digest import Digest
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.health import chips, troubles
from dkronpy.web.render import render
from dkronpy.web.site import Site, Viewer, site_of, viewer_of

_RECENT, _RUNNING, _NEXT = 12, 8, 8
_OF_NODES = 400


@page("/", listing=True)
def overview(request: AnyRequest) -> Response[Any]:
    """The overview; where there are no jobs yet, the first steps."""
    site, viewer = site_of(request), viewer_of(request)
    views = viewer.seen(site.board.jobs())
    status = site.client.status()
    runs = site.board.runs() if viewer.door.sees_all(request) else [r for r in site.board.runs() if viewer.sees(r.job)]
    if not views and not runs:
        return render(request, "first.html", section="overview", status=status)
    running = [run for run in runs if run.state == "running"]
    digest = site.board.digest()
    failing, off = len(digest.failing.intersection(views)), len(digest.disabled.intersection(views))
    wrong = troubles(status, views, site.board)
    return render(
        request,
        "overview.html",
        section="overview",
        chips=chips(status, len(views), off, len(running), failing),
        troubles=wrong,
        running=running[:_RUNNING],
        more_running=max(0, len(running) - _RUNNING),
        following=_following(views, digest),
        recent=runs[:_RECENT],
        endings=site.endings.find([*[one.run for one in wrong if one.run], *runs[:_RECENT], *running[:_RUNNING]]),
        nodes=status.nodes,
        quiet=not runs,
        pauses=[one for one in site.client.maintenance.pauses() if not one.job],
        figures=lambda run: site.board.figures(run.job),
        **_timeline(request, site, viewer, views, runs, status.nodes),
    )


def _timeline(
    request: AnyRequest,
    site: Site,
    viewer: Viewer,
    views: Mapping[str, JobView],
    runs: Sequence[Run],
    nodes: Sequence[Node],
) -> dict[str, Any]:
    span = request.query_params.get("span", "")
    span = span if span in timeline.SPANS else timeline.usual_span(runs, viewer.now_ms)
    rows = request.query_params.get("rows", "")
    rows = rows if rows in ("chains", "nodes") else "jobs"
    window = timeline.around(viewer.now_ms, span)
    if rows != "nodes":
        by = by_chain if rows == "chains" else timeline.by_job
        drawn = by(site.board, views, viewer.now_ms, window)
    else:
        executions = site.client.some_executions([name for run in runs[:_OF_NODES] for name in run.execution_ids])
        drawn = timeline.by_node(executions, [node.name for node in nodes], viewer.now_ms, window)
    return {"timeline": drawn, "span": span, "rows": rows, "spans": list(timeline.SPANS)}


def _following(views: Mapping[str, JobView], digest: Digest) -> list[tuple[int, JobView]]:
    due = ((at_ms, views[name]) for at_ms, name in digest.due() if name in views)
    return list(islice(due, _NEXT))


ROUTES = [overview]
