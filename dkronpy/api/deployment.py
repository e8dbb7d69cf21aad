"""Our own routes about the deployment: status, nodes, the audit log, and the description of the API itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar.params import FromPath, QueryParameter

from dkronpy.api.answers import AnyRequest
from dkronpy.api.audit_log import Entry
from dkronpy.api.handlers import route
from dkronpy.api.pause import is_paused
from dkronpy.api.services import note_of, services_of
from dkronpy.client import Leader
from dkronpy.clock import iso_ms
from dkronpy.node import Node
from dkronpy.version import VERSION


class LeaderOut(msgspec.Struct, kw_only=True):
    """The beat that leads."""

    holder: str
    epoch: int
    since: str


class StatusOut(msgspec.Struct, kw_only=True):
    """The deployment at a glance; ``late_ms`` is how long the oldest owed due time waits for beat."""

    version: str
    now: str
    leader: LeaderOut | None
    jobs: int
    open_executions: int
    late_ms: int
    quarantined: int
    paused: bool
    nodes_up: int
    nodes_down: int


class NodeOut(msgspec.Struct, kw_only=True):
    """A node as its agent reports it."""

    name: str
    alive: bool
    address: str
    tags: dict[str, str]
    version: str
    python: str
    capacity: int
    running: int
    executors: list[str]
    started_at: str | None
    seen_at: str | None


class NodeList(msgspec.Struct, kw_only=True):
    """Every node, by name."""

    items: list[NodeOut]


class AuditPage(msgspec.Struct, kw_only=True):
    """Entries of the audit log, the newest first. ``after`` asks for the page behind it; null at the end."""

    items: list[Entry]
    after: str | None = None


@route("GET", "/api/v1/status", action="read", tags=["deployment"])
def show_status(request: AnyRequest) -> StatusOut:
    """The deployment at a glance."""
    services = services_of(request)
    status = services.client.status()
    up = sum(node.alive for node in status.nodes)
    return StatusOut(
        version=VERSION,
        now=iso_ms(status.now_ms),
        leader=_leader(status.leader),
        jobs=status.jobs,
        open_executions=status.open_executions,
        late_ms=status.late_ms,
        quarantined=status.quarantined,
        paused=is_paused(services.store),
        nodes_up=up,
        nodes_down=len(status.nodes) - up,
    )


@route("GET", "/api/v1/nodes", action="read", listing=True, tags=["deployment"])
def list_nodes(request: AnyRequest) -> NodeList:
    """Every node that is known."""
    return NodeList(items=[_node(node) for node in services_of(request).client.nodes()])


@route("DELETE", "/api/v1/nodes/{node:str}", action="administer", status=204, tags=["deployment"])
def forget_node(request: AnyRequest, node: FromPath[str]) -> None:
    """Drop a node that is gone for good, with what waits in its queue."""
    services_of(request).client.forget_node(node)
    note_of(request).detail = f"node {node} forgotten"


@route("GET", "/api/v1/audit", action="govern", tags=["deployment"])
def list_audit(
    request: AnyRequest,
    outcome: Annotated[Literal["done", "denied"], QueryParameter(description="Changes, or denials.")] = "done",
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
    after: Annotated[str, QueryParameter(pattern=r"^(\d+-\d+)?$")] = "",
) -> AuditPage:
    """Who changed what, or who was denied what."""
    services = services_of(request)
    with services.store.errors():
        items = services.audit.entries(outcome=outcome, limit=limit, before=after or "+")
    return AuditPage(items=items, after=items[-1].id if len(items) == limit else None)


@route("GET", "/api/v1/openapi.json", action="read", include_in_schema=False)
def show_openapi(request: AnyRequest) -> dict[str, Any]:
    """This API, described in OpenAPI 3.1."""
    return request.app.openapi_schema.to_schema()


def _leader(leader: Leader | None) -> LeaderOut | None:
    if leader is None:
        return None
    return LeaderOut(holder=leader.holder, epoch=leader.epoch, since=iso_ms(leader.since_ms))


def _node(node: Node) -> NodeOut:
    return NodeOut(
        name=node.name, alive=node.alive, address=node.address, tags=node.tags, version=node.version,
        python=node.python, capacity=node.capacity, running=node.running, executors=list(node.executors),
        started_at=iso_ms(node.started_ms) if node.started_ms else None,
        seen_at=iso_ms(node.seen_ms) if node.seen_ms else None,
    )  # fmt: skip


ROUTES = [show_status, list_nodes, forget_node, list_audit, show_openapi]
