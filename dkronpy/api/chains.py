"""Our own routes for chains: the tree of a run, and running it again from what failed on."""

from __future__ import annotations

import functools
from typing import Annotated

from litestar.params import FromPath, QueryParameter

from dkronpy.api.answers import AnyRequest
from dkronpy.api.handlers import route
from dkronpy.api.repeats import once
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.wire.runs import RunList, RunTree, link_out, view_out

_PATH = "/api/v1/runs/{run:str}"


@route("GET", f"{_PATH}/tree", action="read", tags=["runs"])
def show_tree(request: AnyRequest, run: FromPath[str]) -> RunTree:
    """The chain that a run belongs to: each job with its latest run there, parents first."""
    links = services_of(request).client.run_tree(run)
    return RunTree(items=[link_out(link) for link in links if identity_of(request).sees(link.job)])


@route("POST", f"{_PATH}/rerun", action="operate", status=202, tags=["runs"])
def rerun(
    request: AnyRequest,
    run: FromPath[str],
    start: Annotated[str | None, QueryParameter(description="From this job on; what failed unless said.")] = None,
) -> RunList:
    """Run the chain of a run again from what failed on; what succeeded is kept. The new runs.

    Requests with the same ``Idempotency-Key`` run it again once.
    """
    client, identity = services_of(request).client, identity_of(request)
    for link in client.run_tree(run):
        identity.require(link.job)

    def make(tail: str) -> str:
        names = client.reruns.rerun(run, start=start, by=identity.name, tail=tail)
        note_of(request).detail = ", ".join(names)
        return "\n".join(names)

    made = once(request, f"rerun {run}", make, functools.partial(client.reruns.next_tail, run))
    return RunList(items=[view_out(client.run(name)) for name in made.splitlines()])


ROUTES = [show_tree, rerun]
