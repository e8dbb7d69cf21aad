"""A node that is behind is not sent what stands in its queue already; what was lost on the way is sent again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator

import pytest

from dkronpy.execution import execution_id, run_id
from dkronpy.node import queue_name
from dkronpy.scheduler.sweep import Sweep
from dkronpy.store.ledger import ExecutionPlan, Firing, RunPlan
from tests.integration.scheduler.site import Site
from tests.support import StoreServer, wait_until

QUEUE = queue_name("n1")


class Bells:
    """Messages as far as anybody here reads them."""

    def enclose(self, execution_id: str, delivery: int, job: str, node: str) -> tuple[str, bytes]:
        return queue_name(node), json.dumps({"headers": {"id": execution_id}, "delivery": delivery}).encode()

    def deliver(self, sends: Iterable[tuple[str, int, str, str]]) -> None:
        return None


@pytest.fixture
def site(store: object, store_server: StoreServer) -> Iterator[Site]:
    """A site on an empty store."""
    with Site(store_server.url) as made:
        made.save("backup")
        yield made
        made.deployment.store.client.delete(QUEUE)


def queue(site: Site, job: str = "backup", node: str = "n1") -> str:
    """Fire a run with its message, at a moment of its own; its execution."""
    store, began = site.deployment.store, site.deployment.store.now_ms()
    now = wait_until(lambda: max(0, store.now_ms() - began) and store.now_ms(), description="a millisecond passes")
    run = run_id(job, now)
    name = execution_id(run, 0)
    to, message = Bells().enclose(name, 1, job, node)
    plan = ExecutionPlan(id=name, node=node, start_by_ms=now + 60_000, look_ms=0, queue=to, message=message)
    firing = Firing(job=job, revision=1, runs=(RunPlan(id=run, due_ms=now, executions=(plan,)),))
    assert site.deployment.ledger.fire([firing], epoch=None)[1] == [1]
    return name


def sweep(site: Site) -> list[tuple[str, int]]:
    """The leader looks at everything that is open; what stands in the queue then, the next one first."""
    parts = site.deployment
    Sweep(parts.store, parts.ledger, Bells(), site.farewell, random.Random(1)).run(site.epoch, site.nodes)
    raw = reversed(parts.store.client.lrange(QUEUE, 0, -1))
    return [(message["headers"]["id"], message["delivery"]) for message in map(json.loads, raw)]


def test_what_stands_in_the_queue_is_not_sent_again(site: Site) -> None:
    first, second = queue(site), queue(site)

    assert sweep(site) == [(first, 1), (second, 1)]


def test_what_the_queue_has_come_past_is_sent_again(site: Site) -> None:
    first, second = queue(site), queue(site)
    site.deployment.store.client.rpop(QUEUE)  # and whoever took it is gone

    assert sweep(site) == [(second, 1), (first, 2)]


def test_all_is_sent_again_when_the_queue_is_empty(site: Site) -> None:
    first, second = queue(site), queue(site)
    site.deployment.store.client.delete(QUEUE)

    assert sorted(sweep(site)) == [(first, 2), (second, 2)]


def test_a_message_that_nobody_can_read_hides_nothing(site: Site) -> None:
    first = queue(site)
    site.deployment.store.client.rpush(QUEUE, json.dumps({"headers": {"id": "nothing"}, "delivery": 0}))

    assert sweep(site) == [("nothing", 0), (first, 1), (first, 2)]


def test_a_definition_that_cannot_be_read_keeps_nothing_else_waiting(site: Site) -> None:
    site.save("odd")
    store = site.deployment.store
    queue(site, "odd", "away")
    store.client.hset(store.keys.entry("odd"), "job", b"\xff")
    mine = queue(site)
    store.client.rpop(QUEUE)

    assert sweep(site) == [(mine, 2)]
    store.client.delete(queue_name("away"))
