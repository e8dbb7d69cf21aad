"""Executors: what can do the work, on which nodes, and what a job tells each of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from litestar import Response

from dkronpy.errors import DkronpyError
from dkronpy.plugins.options import FieldDoc, describe, summarise
from dkronpy.plugins.registry import executor_names, options_type
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.render import render
from dkronpy.web.site import site_of


@dataclass(frozen=True, kw_only=True)
class Described:
    """An executor as this server knows it; ``problem`` is why it cannot tell."""

    name: str
    does: str = ""
    options: tuple[FieldDoc, ...] = ()
    problem: str = ""


@page("/executors")
def executors(request: AnyRequest) -> Response[Any]:
    """Every executor that is installed here or on a node."""
    nodes = [node for node in site_of(request).client.nodes() if node.alive]
    known = {*executor_names(), *(name for node in nodes for name in node.executors)}
    where = {name: [node.name for node in nodes if name in node.executors] for name in known}
    return render(
        request, "executors.html", section="settings", where=where, alive=len(nodes),
        executors=[_describe(name) for name in sorted(known)],
    )  # fmt: skip


@lru_cache(maxsize=100)
def _describe(name: str) -> Described:
    if name not in executor_names():
        return Described(name=name, problem="a plugin of the nodes, which is not installed beside this server")
    try:
        options = options_type(name)
    except DkronpyError as error:
        return Described(name=name, problem=str(error))
    return Described(name=name, does=summarise(options), options=describe(options))


ROUTES = [executors]
