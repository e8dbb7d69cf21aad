"""What tells of a node and takes orders for it goes on, whatever a plugin does."""

from __future__ import annotations

import pytest

from dkronpy.agent.heartbeat import Control, Heartbeat
from dkronpy.node import Node
from dkronpy.store.nodes import Nodes
from tests.integration.store.plans import Desk
from tests.support import wait_until


def test_a_node_that_could_not_be_described_once_is_reported_the_next_time(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    node = Node(name="web1", instance="web1:42", address="web1")

    def describe() -> Node:
        if not caplog.records:
            raise RuntimeError("a plugin's mistake")
        return node

    nodes = Nodes(desk.store)
    heartbeat = Heartbeat(nodes, describe, 0.02)
    heartbeat.start()
    try:
        wait_until(lambda: [one.name for one in nodes.all()] == ["web1"], description="the node is reported")
    finally:
        heartbeat.stop()
    assert "a plugin's mistake" in caplog.text


def test_an_order_that_cannot_be_followed_does_not_keep_the_next_from_it(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def cancel(execution_id: str, reason: str, *, at_once: bool = False) -> bool:
        if execution_id == "bad":
            raise RuntimeError("a plugin's mistake")
        told.append(f"{execution_id} {reason} {at_once}")
        return True

    control = Control(desk.store, "web1", cancel)
    channel = desk.store.keys.control("web1")
    control.start()
    try:
        wait_until(lambda: desk.store.client.publish(channel, "cancel bad"), description="it listens")
        wait_until(lambda: "a plugin's mistake" in caplog.text, description="the first fails")
        desk.store.client.publish(channel, "terminate good")
        wait_until(lambda: told == ["good cancelled True"], description="the second is followed")
    finally:
        control.stop()
