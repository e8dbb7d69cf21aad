"""Dkron's routes about the cluster: nodes as members, the leading beat as leader."""

from __future__ import annotations

import uuid
from typing import Any

from dkronpy.api.answers import Answer, AnyRequest, json_answer, list_answer
from dkronpy.api.handlers import route
from dkronpy.api.services import Services, services_of
from dkronpy.client import Leader, Status
from dkronpy.node import Node
from dkronpy.version import VERSION

ALIVE, FAILED = 1, 4
_STATUS = {ALIVE: "alive", FAILED: "failed"}
_PROTOCOL = {
    "ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2, "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4,
}  # fmt: skip
_NAMESPACE = uuid.UUID("6f0d6a54-6b2c-4f4e-9d0e-2b8b1c9f7a31")


def member_of(node: Node) -> dict[str, Any]:
    """A node as a raw member."""
    tags = {"dc": "dc1", "region": "global", "role": "dkron", "version": node.version or VERSION, **node.tags}
    status = ALIVE if node.alive else FAILED
    return {"Name": node.name, "Addr": node.address or "127.0.0.1", "Port": 0, "Tags": tags, "Status": status} | (
        _PROTOCOL
    )


def leading_member(status: Status, leader: Leader) -> dict[str, Any]:
    """The leading beat as a member: the node of its machine where there is one, else the machine itself."""
    host = leader.holder.split(":", 1)[0]
    short = host.split(".", 1)[0].lower()
    node = next((node for node in status.nodes if node.name in {host, short}), None)
    member = member_of(node or Node(name=host, version=VERSION))
    member["Tags"] = {**member["Tags"], "server": "true"}
    return member


@route("GET", "/v1/members", action="read", listing=True)
def list_members(request: AnyRequest) -> Answer:
    """Every node that is known. Unlike Dkron's, an id stays the same from call to call."""
    rows = []
    for node in services_of(request).client.nodes():
        member = member_of(node)
        name = str(uuid.uuid5(_NAMESPACE, node.name))
        rows.append({"id": name, **member, "statusText": _STATUS[member["Status"]]})
    return list_answer(request, rows)


@route("GET", "/v1/leader", action="read")
def show_leader(request: AnyRequest) -> Answer:
    """The leading beat; without one ``null`` and 500, as Dkron has it."""
    status = services_of(request).client.status()
    if status.leader is None:
        return json_answer(request, None, 500)
    return json_answer(request, leading_member(status, status.leader))


@route("GET", "/v1/isleader", action="read")
def is_leader(request: AnyRequest) -> Answer:
    """Every server takes every request; it says that it leads while any beat does."""
    if services_of(request).client.status().leader is None:
        return json_answer(request, "I am a follower", 404)
    return json_answer(request, "I am a leader")


@route("POST", "/v1/leave", action="administer")
def leave(request: AnyRequest) -> Answer:
    """Stop this server once the answer is out. Jobs go on: beat and agents are other processes."""
    services = services_of(request)
    services.stop()
    return json_answer(request, {"global": [_peer(services)]})


def _peer(services: Services) -> dict[str, Any]:
    return {
        "Name": services.node, "ID": services.node, "Region": "global", "Datacenter": "dc1", "Port": 0,
        "Bootstrap": False, "Expect": 0, "RaftVersion": 3, "BuildVersion": VERSION, "Addr": "", "RPCAddr": "",
        "Status": ALIVE,
    }  # fmt: skip


@route("GET", "/v1", action="read")
def show_agent(request: AnyRequest) -> Answer:
    """Dkron's summary of the server, every number as text."""
    services = services_of(request)
    nodes = services.client.nodes()
    down = sum(not node.alive for node in nodes)
    zeros = ("health_score", "member_time", "event_time", "query_time", "intent_queue", "event_queue", "query_queue")
    serf = {
        **dict.fromkeys(zeros, "0"),
        "members": str(len(nodes)),
        "failed": str(down),
        "left": "0",
        "encrypted": "false",
        "coordinate_resets": "0",
    }
    own = next((node for node in nodes if node.name == services.node), None)
    tags = member_of(own or Node(name=services.node, version=VERSION))["Tags"]
    agent = {"name": services.node, "version": VERSION}
    return json_answer(request, {"agent": agent, "serf": serf, "tags": {**tags, "server": "true"}})


ROUTES = [list_members, show_leader, is_leader, leave, show_agent]
