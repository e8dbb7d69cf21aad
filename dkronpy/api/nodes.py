"""Our own routes for nodes: list, drain, rename, forget."""

from __future__ import annotations

import msgspec
from litestar.params import FromPath, JSONBody

from dkronpy.api.answers import AnyRequest
from dkronpy.api.cursor import After, Limit, page_by_name
from dkronpy.api.handlers import route
from dkronpy.api.services import note_of, services_of
from dkronpy.client.rename import Renamed
from dkronpy.wire.deployment import NodeList, node_out

_PATH = "/api/v1/nodes/{node:str}"


class NewName(msgspec.Struct, kw_only=True):
    """The name that a machine has now."""

    to: str


@route("GET", "/api/v1/nodes", action="read", listing=True, tags=["nodes"])
def list_nodes(request: AnyRequest, limit: Limit = 100, after: After = "") -> NodeList:
    """Nodes by name, those that are down included."""
    page, following = page_by_name(services_of(request).client.nodes(), lambda node: node.name, limit, after)
    return NodeList(items=[node_out(node) for node in page], after=following)


@route("DELETE", _PATH, action="administer", status=204, tags=["nodes"])
def forget_node(request: AnyRequest, node: FromPath[str]) -> None:
    """Drop a node that is gone for good, with what waits in its queue."""
    services_of(request).client.forget_node(node)
    note_of(request).detail = f"node {node} forgotten"


@route("POST", f"{_PATH}/drain", action="administer", status=204, tags=["nodes"])
def drain_node(request: AnyRequest, node: FromPath[str]) -> None:
    """Let a node take nothing new; what it runs it finishes."""
    services_of(request).client.drain_node(node)
    note_of(request).detail = f"node {node} drained"


@route("POST", f"{_PATH}/undrain", action="administer", status=204, tags=["nodes"])
def undrain_node(request: AnyRequest, node: FromPath[str]) -> None:
    """Let a node take executions again."""
    services_of(request).client.undrain_node(node)
    note_of(request).detail = f"node {node} undrained"


@route("POST", f"{_PATH}/rename", action="administer", tags=["nodes"])
def rename_node(request: AnyRequest, node: FromPath[str], data: JSONBody[NewName]) -> Renamed:
    """Give what a node that is gone was meant to do to another one: the same machine under its new name."""
    done = services_of(request).client.rename_node(node, data.to)
    note_of(request).detail = f"node {node} is {data.to} now; {len(done.jobs)} jobs changed"
    return done


ROUTES = [list_nodes, forget_node, drain_node, undrain_node, rename_node]
