"""The queue of a node that never returns: what nobody waits for any more is taken out, what is still open stays."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis

from dkronpy.node import BELOW, Node
from dkronpy.scheduler.drain import BUDGET, EVERY_MS, Drain
from dkronpy.store.connection import Store
from tests.support import StoreServer

DOWN, UP = Node(name="n1", alive=False), Node(name="n2")
NOW = 1_772_442_000_000


@pytest.fixture
def held(store: redis.Redis, store_server: StoreServer) -> Iterator[Store]:
    held = Store(store_server.url)
    yield held
    held.client.flushdb()
    held.close()


def ring(held: Store, key: str, *executions: str) -> None:
    for name in executions:
        held.client.lpush(key, json.dumps({"body": "", "headers": {"id": name}}))


def test_only_what_is_over_is_taken_out_and_only_where_the_node_is_down(held: Store) -> None:
    held.client.zadd(held.keys.open, {"open.0": NOW})
    for node in (DOWN, UP):
        ring(held, held.keys.queue(node.name), "over.0", "open.0", "over.1")
    ring(held, held.keys.queue("n1") + BELOW, "over.2")
    held.client.lpush(held.keys.queue("n1"), "no message at all")

    assert Drain(held).run(NOW, [DOWN, UP]) == 3
    garbage, left = held.client.lrange(held.keys.queue("n1"), 0, -1)
    assert json.loads(left)["headers"]["id"] == "open.0"
    assert garbage == b"no message at all", "its agent sets that aside"
    assert held.client.llen(held.keys.queue("n2")) == 3


def test_one_pass_is_bounded_and_the_next_goes_on(held: Store) -> None:
    ring(held, held.keys.queue("n1"), *(f"over.{number}" for number in range(BUDGET + 50)))
    drain = Drain(held)

    assert drain.run(NOW, [DOWN]) == BUDGET
    assert drain.run(NOW, [DOWN]) == 50
    ring(held, held.keys.queue("n1"), "over.again")
    assert drain.run(NOW + EVERY_MS - 1, [DOWN]) == 0, "it is looked at once a minute"
    assert drain.run(NOW + EVERY_MS, [DOWN]) == 1
