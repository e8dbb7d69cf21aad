"""The metrics of nodes and their queues: what agents report, and what waits for them where the broker is Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from dkronpy.api.services import Services
from dkronpy.client import Status
from dkronpy.node import Node
from dkronpy.settings.values import is_redis
from dkronpy.store.connection import Store, connect

MOST_NODES = 500
_REPORTED: Sequence[tuple[type[Any], str, str, Any]] = (
    (GaugeMetricFamily, "dkronpy_node_up", "Whether the node reports.", lambda node: int(node.alive)),
    (GaugeMetricFamily, "dkronpy_node_drained", "Whether it takes nothing new.", lambda node: int(node.drained)),
    (GaugeMetricFamily, "dkronpy_node_capacity", "Executions at a time.", lambda node: node.capacity),
    (
        GaugeMetricFamily, "dkronpy_node_running", "Executions that run.",
        lambda node: node.running if node.alive else 0,
    ),
    (
        GaugeMetricFamily, "dkronpy_node_clock_offset_seconds", "How far its clock is ahead of the store's.",
        lambda node: (node.clock_offset_ms or 0) / 1000,
    ),
    (
        CounterMetricFamily, "dkronpy_lease_renewals", "How often its agent renewed its leases.",
        lambda node: node.leases_renewed,
    ),
    (
        CounterMetricFamily, "dkronpy_lease_renewals_failed", "How often it could not.",
        lambda node: node.leases_missed,
    ),
)  # fmt: skip


def node_metrics(services: Services, status: Status) -> Iterator[Metric]:
    """Every family that has a label for the node. Raises StoreUnavailableError."""
    nodes = status.nodes[:MOST_NODES]
    for kind, name, text, value in _REPORTED:
        family = kind(name, text, labels=["node"])
        for node in nodes:
            family.add_metric([node.name], value(node))
        yield family
    kept = GaugeMetricFamily(
        "dkronpy_executor_connections", "Connections that are kept between attempts.", labels=["node", "executor"]
    )
    for node in nodes:
        for executor, count in sorted(node.connections.items()) if node.alive else ():
            kept.add_metric([node.name, executor], count)
    yield kept
    yield from _queues(services, nodes, status.now_ms)


def _queues(services: Services, nodes: Sequence[Node], now_ms: int) -> Iterator[Metric]:
    depth = GaugeMetricFamily("dkronpy_queue_depth", "Messages that wait for the node.", labels=["node"])
    oldest = GaugeMetricFamily(
        "dkronpy_queue_oldest_seconds", "How long the oldest of them waits; 0 for none.", labels=["node"]
    )
    for node, (waiting, name) in zip(nodes, _waiting(services, [node.name for node in nodes]), strict=False):
        depth.add_metric([node.name], waiting)
        since = _queued_ms(services.store, name) if name else 0
        oldest.add_metric([node.name], max(0, now_ms - since) / 1000 if since else 0)
    yield from (depth, oldest)


def _waiting(services: Services, nodes: list[str]) -> list[tuple[int, str]]:
    """For each node the length of its queue and the oldest execution in it; nothing where the broker is not Redis."""
    settings, store = services.client.deployment.settings, services.store
    with store.errors():
        if not settings.broker_url or settings.broker_url == store.url:
            return _read(store, store.client, nodes)
    if not is_redis(settings.broker_url):
        return []
    with store.errors(), connect(settings.broker_url, key=store.keys.queue("")) as broker:
        return _read(store, broker, nodes)


def _read(store: Store, client: Any, nodes: list[str]) -> list[tuple[int, str]]:
    with client.pipeline(transaction=False) as pipe:
        for node in nodes:
            pipe.llen(store.keys.queue(node))
            pipe.lindex(store.keys.queue(node), -1)
        found = pipe.execute()
    return [(length, _execution(oldest)) for length, oldest in zip(found[::2], found[1::2], strict=True)]


def _execution(message: bytes | None) -> str:
    """The execution of a Celery message; '' for what is none."""
    try:
        return str(json.loads(message or b"{}")["headers"]["id"])
    except (ValueError, KeyError, TypeError):
        return ""


def _queued_ms(store: Store, execution: str) -> int:
    with store.errors():
        found = store.client.hget(store.keys.execution(execution), "queued_ms")
    return int(found or 0)
