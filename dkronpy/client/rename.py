"""A machine that has another name now: what was meant for the old one is given to the new one."""

from __future__ import annotations

import msgspec

from dkronpy.deployment import Deployment
from dkronpy.errors import ConflictError, NotFoundError
from dkronpy.execution import Execution
from dkronpy.node import Node

_AT_ONCE = 500


class Renamed(msgspec.Struct, frozen=True, kw_only=True):
    """What was changed: the jobs that named the node, and how many executions that wait for it."""

    jobs: tuple[str, ...]
    executions: int


def rename_node(deployment: Deployment, old: str, new: str, *, by: str) -> Renamed:
    """Give what *old* was meant to do to *new*, and forget *old*.

    Jobs that name *old* name *new* from now on; executions that wait for *old* wait for *new*, and whether it takes
    any stays as it was. Raises NotFoundError for a node that is unknown, ConflictError for an *old* that is alive, and
    for a job that somebody changes meanwhile; what was done until then stays, and the same call does the rest.
    """
    with deployment.store.errors():
        nodes = {node.name: node for node in deployment.nodes.all()}
        _refuse(nodes, old, new)
        if nodes[old].drained:  # before it is given anything
            deployment.nodes.drain(new, by)
        jobs = _jobs(deployment, old, new)
        moved = _executions(deployment, old, new)
        deployment.nodes.forget(old)
    return Renamed(jobs=jobs, executions=moved)


def _refuse(nodes: dict[str, Node], old: str, new: str) -> None:
    for name, hint in ((old, "`dkronpy node list` names them all"), (new, "start its agent under the new name first")):
        if name not in nodes:
            raise NotFoundError(f"there is no node {name!r}", hint=hint)
    if old == new:
        raise ConflictError(f"node {old!r} is called so already")
    if nodes[old].alive:
        raise ConflictError(f"node {old!r} is alive under its old name", hint="stop its agent first")


def _jobs(deployment: Deployment, old: str, new: str) -> tuple[str, ...]:
    changed = []
    for stored in deployment.jobs.many(deployment.jobs.names()):
        if old not in stored.job.on.nodes:
            continue
        names = tuple(dict.fromkeys(new if name == old else name for name in stored.job.on.nodes))
        job = msgspec.structs.replace(stored.job, on=msgspec.structs.replace(stored.job.on, nodes=names))
        deployment.jobs.save(job, source=stored.source, revision=stored.revision)
        changed.append(job.name)
    return tuple(changed)


def _executions(deployment: Deployment, old: str, new: str) -> int:
    """Whoever leads looks at them at once, and sends the messages."""
    names = [name.decode() for name in deployment.store.client.zrange(deployment.store.keys.open, 0, -1)]
    moved = sum(
        _move(deployment, names[start : start + _AT_ONCE], old, new) for start in range(0, len(names), _AT_ONCE)
    )
    deployment.store.client.publish(deployment.store.keys.wake, "node")
    return moved


def _move(deployment: Deployment, names: list[str], old: str, new: str) -> int:
    """One that beat sends to *old* between the look and the step has moved on, and is looked at again."""
    moved = 0
    while waiting := [one for one in deployment.ledger.executions(names) if _waits_for(one, old)]:
        codes = deployment.ledger.resend([_send(one, new) for one in waiting])
        moved += sum(codes)
        names = [one.id for one, code in zip(waiting, codes, strict=True) if code == 0]
    return moved


def _waits_for(one: Execution, node: str) -> bool:
    return one.node == node and one.state == "queued"


def _send(one: Execution, node: str) -> tuple[str, int, str, str, bytes, int]:
    return one.id, one.delivery, node, "", b"", 0
