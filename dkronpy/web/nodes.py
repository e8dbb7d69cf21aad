"""The nodes: who is up, what they are for, how busy they are, and what ran on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from litestar import Response
from litestar.params import FromPath

from dkronpy.client import JobView
from dkronpy.errors import ConflictError, NotFoundError
from dkronpy.node import Node
from dkronpy.web import timeline
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import form, page, see_other, text_of
from dkronpy.web.places import local_place, place
from dkronpy.web.render import render
from dkronpy.web.sentences import where
from dkronpy.web.site import Site, site_of, viewer_of

_LOOKED_AT, _SHOWN = 1_000, 30
_OPEN = 500
"""Runs that are open whose executions are looked at for what waits in a node's queue."""
_TAGS = 8
"""Tags that nodes can be grouped by."""


@page("/nodes", listing=True)
def nodes(request: AnyRequest) -> Response[Any]:
    """Every node."""
    site, viewer = site_of(request), viewer_of(request)
    known = site.client.nodes()
    views = list(viewer.seen(site.board.jobs()).values())
    tags, tag = tags_of(known), request.query_params.get("by", "")
    tag = tag if tag in tags else ""
    return render(
        request, "nodes.html", section="nodes", nodes=known, homeless=_homeless(views, known)[:20], where=where,
        tags=tags, tag=tag, groups=grouped(known, tag),
        capacity=sum(node.capacity for node in known if node.alive), waiting=waiting(site),
    )  # fmt: skip


def tags_of(known: Sequence[Node]) -> list[str]:
    """The tags that nodes can be grouped by: those that say the same of several nodes, the commonest first."""
    values: dict[str, Counter[str]] = {}
    for node in known:
        for name, value in node.tags.items():
            values.setdefault(name, Counter())[value] += 1
    shared = [name for name in values if max(values[name].values()) > 1]
    return sorted(shared, key=lambda name: (-values[name].total(), name))[:_TAGS]


def grouped(known: Sequence[Node], tag: str) -> list[tuple[str, list[Node]]]:
    """The nodes by the value of a tag, those without it last; all of them under '' where no tag is given."""
    found: dict[str, list[Node]] = {}
    for node in known:
        found.setdefault(node.tags.get(tag, ""), []).append(node)
    return sorted(found.items(), key=lambda group: (not group[0], group[0]))


def waiting(site: Site) -> Counter[str]:
    """How many executions wait in the queue of each node; '' for those that no node was found for yet."""
    running = [run for run in site.board.runs() if run.state == "running"][:_OPEN]
    executions = site.client.some_executions([name for run in running for name in run.execution_ids])
    return Counter(one.node for one in executions if one.state == "queued")


def _homeless(views: list[JobView], nodes: list[Node]) -> list[JobView]:
    """The jobs that no live node would run."""
    return [view for view in views if view.job.enabled and not view.job.on.matching(nodes)]


@page("/nodes/{node:str}")
def show(request: AnyRequest, node: FromPath[str]) -> Response[Any]:
    """One node, and what ran there."""
    site, viewer = site_of(request), viewer_of(request)
    known = site.client.nodes()
    found = next((one for one in known if one.name == node), None)
    if found is None:
        raise NotFoundError(f"there is no node {node!r}")
    runs = [run for run in site.board.runs()[:_LOOKED_AT] if viewer.sees(run.job)]
    here = [
        one
        for one in site.client.some_executions([name for run in runs for name in run.execution_ids])
        if one.node == node
    ]
    jobs = [view for view in viewer.seen(site.board.jobs()).values() if view.job.on.matching([found], down=True)]
    others = [one for one in known if one.name != node]
    return render(
        request, "node.html", section="nodes", node=found, executions=here[:_SHOWN], jobs=jobs[:60],
        more=len(jobs) - 60, flower=site.flower_worker(found), queued=waiting(site)[node],
        timeline=timeline.by_node(here, [node], viewer.now_ms, timeline.around(viewer.now_ms, "1h")),
        only_here={view.job.name for view in jobs[:60] if not view.job.on.matching(others)},
    )  # fmt: skip


@form("/nodes/{node:str}/forget", action="administer")
def forget(request: AnyRequest, node: FromPath[str]) -> Response[Any]:
    """Drop a node that is gone for good."""
    site = site_of(request)
    if any(one.name == node and one.alive for one in site.client.nodes()):
        raise ConflictError(f"node {node!r} is alive", hint="stop its agent first")
    site.client.forget_node(node)
    return see_other(place("/nodes?done=forgotten"))


@form("/nodes/{node:str}/drain", action="administer")
def drain(request: AnyRequest, node: FromPath[str]) -> Response[Any]:
    """Let it take nothing new."""
    site_of(request).client.drain_node(node)
    viewer_of(request).door.note(request, f"node {node} drained")
    return see_other(f"{local_place(text_of(request, 'back') or place('/nodes'))}?done=drained")


@form("/nodes/{node:str}/undrain", action="administer")
def undrain(request: AnyRequest, node: FromPath[str]) -> Response[Any]:
    """Let it take executions again."""
    site_of(request).client.undrain_node(node)
    viewer_of(request).door.note(request, f"node {node} undrained")
    return see_other(f"{local_place(text_of(request, 'back') or place('/nodes'))}?done=undrained")


ROUTES = [nodes, show, forget, drain, undrain]
