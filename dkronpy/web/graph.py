"""The page of chains: which job follows which, over all jobs."""

from __future__ import annotations

from typing import Any

from litestar import Response

from dkronpy.web.chains import groups_of, picture_of
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.render import render
from dkronpy.web.site import site_of, viewer_of

PAGE = 20


@page("/graph", listing=True)
def graph(request: AnyRequest) -> Response[Any]:
    """Every chain, the largest first."""
    site, viewer = site_of(request), viewer_of(request)
    views = viewer.seen(site.board.jobs())
    groups = groups_of(views)
    chained = sum(len(group) for group in groups)
    return render(
        request, "graph.html", section="graph", more=max(0, len(groups) - PAGE), chained=chained,
        chains=[picture_of(group, views, site.board) for group in groups[:PAGE]], alone=len(views) - chained,
    )  # fmt: skip


ROUTES = [graph]
