"""The deployment as JSON: its state at a glance, nodes, changes of state."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dkronpy.client import Event, Leader, Status
from dkronpy.client.pools import Pool
from dkronpy.clock import iso_ms
from dkronpy.node import Node
from dkronpy.version import VERSION
from dkronpy.wire.runs import time_in, time_out


class LeaderOut(msgspec.Struct, kw_only=True):
    """The beat that leads."""

    holder: str
    epoch: int
    since: str


class StatusOut(msgspec.Struct, kw_only=True):
    """The deployment at a glance; ``late_ms`` is how long the oldest owed due time waits for beat.

    ``leader`` leads shard 0 and does the upkeep; ``leaders`` are those of all shards, in order.
    """

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
    leaders: list[LeaderOut | None]


class NodeOut(msgspec.Struct, kw_only=True):
    """A node as its agent reports it."""

    name: str
    alive: bool
    drained: bool
    address: str
    tags: dict[str, str]
    version: str
    python: str
    pid: int
    capacity: int
    running: int
    executors: list[str]
    instance: str
    started_at: str | None
    seen_at: str | None


class NodeList(msgspec.Struct, kw_only=True):
    """A page of nodes, by name. ``after`` asks for the page behind it; null at the end."""

    items: list[NodeOut]
    after: str | None = None


class EventOut(msgspec.Struct, kw_only=True):
    """One change of state: of what kind, and what is known of it."""

    id: str
    kind: str
    fields: dict[str, str]


class EventList(msgspec.Struct, kw_only=True):
    """Changes of state, the oldest first. ``position`` is where to go on; ``missed`` that some are known no more."""

    items: list[EventOut]
    position: str
    missed: bool


class Quarantined(msgspec.Struct, kw_only=True):
    """A page of entries and messages that were set aside, by key, with what was wrong. ``after`` asks for the next."""

    items: dict[str, str]
    after: str | None = None


class PoolList(msgspec.Struct, kw_only=True):
    """A page of pools, by name: their slots, the slots that each run holds, and who waits. ``after``: the next page."""

    items: list[Pool]
    after: str | None = None


def status_out(status: Status, *, paused: bool) -> StatusOut:
    """The state of the deployment as JSON."""
    up = sum(node.alive for node in status.nodes)
    leader = status.leader
    return StatusOut(
        version=VERSION,
        now=iso_ms(status.now_ms),
        leader=None if leader is None else _leader_out(leader),
        jobs=status.jobs,
        open_executions=status.open_executions,
        late_ms=status.late_ms,
        quarantined=status.quarantined,
        paused=paused,
        nodes_up=up,
        nodes_down=len(status.nodes) - up,
        leaders=[None if one is None else _leader_out(one) for one in status.leaders],
    )


def status_in(one: StatusOut, nodes: Sequence[Node], where: str) -> Status:
    """The state that its JSON stands for; *where* is how it was reached."""
    leader = one.leader
    return Status(
        now_ms=time_in(one.now),
        store=where,
        leader=None if leader is None else _leader_in(leader),
        leaders=tuple(None if each is None else _leader_in(each) for each in one.leaders),
        nodes=tuple(nodes),
        jobs=one.jobs,
        open_executions=one.open_executions,
        late_ms=one.late_ms,
        quarantined=one.quarantined,
    )


def _leader_out(leader: Leader) -> LeaderOut:
    return LeaderOut(holder=leader.holder, epoch=leader.epoch, since=iso_ms(leader.since_ms))


def _leader_in(one: LeaderOut) -> Leader:
    return Leader(holder=one.holder, epoch=one.epoch, since_ms=time_in(one.since))


def node_out(node: Node) -> NodeOut:
    """A node as JSON."""
    return NodeOut(
        name=node.name, alive=node.alive, drained=node.drained, address=node.address, tags=node.tags,
        version=node.version, python=node.python, pid=node.pid, capacity=node.capacity, running=node.running,
        executors=list(node.executors), instance=node.instance, started_at=time_out(node.started_ms),
        seen_at=time_out(node.seen_ms),
    )  # fmt: skip


def node_in(one: NodeOut) -> Node:
    """The node that its JSON stands for."""
    return Node(
        name=one.name, alive=one.alive, drained=one.drained, address=one.address, tags=one.tags, version=one.version,
        python=one.python, pid=one.pid, capacity=one.capacity, running=one.running, executors=tuple(one.executors),
        instance=one.instance, started_ms=time_in(one.started_at), seen_ms=time_in(one.seen_at),
    )  # fmt: skip


def event_out(event: Event) -> EventOut:
    """A change of state as JSON."""
    return EventOut(id=event.id, kind=event.kind, fields=event.fields)


def event_in(one: EventOut) -> Event:
    """The change of state that its JSON stands for."""
    return Event(id=one.id, kind=one.kind, fields=one.fields)
