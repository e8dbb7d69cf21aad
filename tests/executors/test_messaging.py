"""What the executors that send messages share: the pool, the time, the headers, and what is said without the extra."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from dkronpy.errors import PluginError
from dkronpy.executors._loop import Loop
from dkronpy.executors._messaging import host_of
from dkronpy.executors._pool import Pool
from dkronpy.plugins.executor import ExecutorError
from dkronpy.plugins.registry import executor_class, options_type
from dkronpy.testing.harness import ExecutorHarness
from tests.support import wait_until

CONFIGS = {
    "kafka": ("confluent_kafka", {"brokerAddress": "k:9092", "topic": "t"}),
    "nats": ("nats", {"url": "nats://n", "subject": "s"}),
    "rabbitmq": ("pika", {"url": "amqp://mq", "queue.name": "q"}),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_without_the_extra_jobs_can_be_saved_and_a_node_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, config = CONFIGS[name]
    monkeypatch.setitem(sys.modules, package, None)
    options_type(name).from_config(config)
    with pytest.raises(PluginError) as error:
        executor_class(name)()
    assert str(error.value) == f"'{name}' needs the package {package}: pip install \"dkronpy[{name}]\""


def test_the_pool_gives_the_latest_and_drops_the_oldest() -> None:
    dropped: list[int] = []
    pool: Pool[int] = Pool(dropped.append, per_key=2, total=3)
    for number in (1, 2, 3):
        pool.give("a", number)
    assert dropped == [1]
    pool.give("b", 4)
    pool.give("c", 5)
    assert (dropped, len(pool)) == ([1, 2], 3)
    assert [pool.take("a"), pool.take("a"), pool.take("b")] == [3, None, 4]
    pool.close()
    pool.give("a", 6)
    assert (dropped, len(pool)) == ([1, 2, 5, 6], 0)


def test_the_pool_drops_what_was_idle_for_too_long() -> None:
    dropped: list[int] = []
    pool: Pool[int] = Pool(dropped.append, idle=0.05)
    pool.give("a", 1)
    wait_until(lambda: pool.take("b") is None and dropped == [1], description="the idle connection is dropped")
    assert pool.take("a") is None


def test_the_loop_ends_what_takes_too_long_and_says_what_was_heard() -> None:
    loop = Loop("test")
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cleaned up")

    began = time.monotonic()
    with pytest.raises(ExecutorError, match=r"^no answer within 0.2 s: the server is tired$") as error:
        loop.run(endless(), 0.2, ExecutorHarness(), "no answer", ["the server is tired"])
    assert error.value.reason == "timeout"
    assert time.monotonic() - began < 8
    assert ended == ["cleaned up"], "the work has ended when the attempt does"
    assert loop.run(asyncio.sleep(0, "result"), 5, ExecutorHarness(), "no answer") == "result"
    loop.close()
    loop.close()


def test_addresses_in_messages_hold_no_credentials() -> None:
    assert host_of("amqp://us:p@ss@mq:5672/prod?x=secret") == "mq:5672"
    assert host_of("us:pw@n1:4222") == "n1:4222"
    assert host_of("n1") == "n1"
