"""The carrier: the one Celery task that every execution travels by, and the queue of each node."""

from __future__ import annotations

from kombu.entity import Exchange, Queue

from dkronpy.node import queue_name
from dkronpy.store.redbeat import CARRIER_TASK

__all__ = ["CARRIER_TASK", "describe", "node_queue"]


def node_queue(node: str, *, no_ack: bool = False) -> Queue:
    """The queue of a node, declared alike by whoever sends and whoever listens."""
    name = queue_name(node)
    return Queue(name, Exchange(""), routing_key=name, durable=True, no_ack=no_ack)


def describe(execution_id: str, job: str, node: str) -> str:
    """What Flower shows as the arguments: short, and without a secret."""
    return f"(job={job} node={node} execution={execution_id})"
