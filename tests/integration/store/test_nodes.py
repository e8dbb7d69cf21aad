"""``register``: a name belongs to one agent at a time, and a node that is silent counts as down."""

from __future__ import annotations

from dkronpy.node import Node
from dkronpy.store.nodes import ALIVE_MS, FORGET_MS, Nodes
from tests.integration.store.plans import Desk


def web1(instance: str = "web1:1", **fields: object) -> Node:
    return Node(name="web1", instance=instance, tags={"role": "web"}, **fields)  # type: ignore[arg-type]


def test_a_heartbeat_shows_the_node(desk: Desk) -> None:
    nodes, before = Nodes(desk.store), desk.store.now_ms()

    assert nodes.report(web1(capacity=4)) == (True, "web1:1")

    (node,) = nodes.all()
    assert (node.name, node.tags, node.capacity, node.alive) == ("web1", {"role": "web"}, 4, True)
    assert node.seen_ms >= before


def test_a_second_agent_of_the_same_name_is_turned_away_while_the_first_is_heard_of(desk: Desk) -> None:
    nodes = Nodes(desk.store)
    nodes.report(web1("web1:1"))

    assert nodes.report(web1("web1:2")) == (False, "web1:1")
    assert nodes.report(web1("web1:2"), take_over=True) == (True, "web1:2")
    assert nodes.report(web1("web1:1")) == (False, "web1:2")


def test_a_node_that_left_or_fell_silent_is_down_and_its_name_is_free(desk: Desk) -> None:
    nodes = Nodes(desk.store)
    for silent in (False, True):
        nodes.report(web1("web1:1"), take_over=True)
        if silent:
            desk.store.client.hset(desk.store.keys.node("web1"), "seen_ms", desk.store.now_ms() - ALIVE_MS)
        else:
            nodes.leave("web1", "web1:2")  # somebody else's name by now
            assert [node.alive for node in nodes.all()] == [True]
            nodes.leave("web1", "web1:1")

        assert [node.alive for node in nodes.all()] == [False]
        assert nodes.report(web1("web1:2")) == (True, "web1:2")


def test_a_node_that_is_forgotten_is_gone_with_its_queue_and_leaves_nothing_when_it_signs_off(desk: Desk) -> None:
    nodes = Nodes(desk.store)
    nodes.report(web1())
    desk.store.client.lpush("dkronpy.node.web1", b"bell")

    assert nodes.forget("web1") is True
    assert nodes.forget("web1") is False
    nodes.leave("web1", web1().instance)

    assert nodes.all() == []
    assert not desk.store.client.exists("dkronpy.node.web1")
    assert not desk.store.client.exists(desk.store.keys.node("web1"))


def test_names_of_nodes_that_are_long_gone_are_dropped(desk: Desk) -> None:
    nodes = Nodes(desk.store)
    nodes.report(web1())
    desk.store.client.zadd(desk.store.keys.nodes, {"pod-7f9c": desk.store.now_ms() - FORGET_MS - 1})

    nodes.report(web1())

    assert desk.store.client.zrange(desk.store.keys.nodes, 0, -1) == [b"web1"]
