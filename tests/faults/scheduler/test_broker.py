"""RabbitMQ carries the messages, and is away for 20 s while the store stays: no due time and no run is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.executors.services.rabbitmq import RabbitServer
from tests.faults.proxy import Proxy
from tests.faults.scheduler.arena import Arena
from tests.support import StoreServer, wait_until

AWAY_SECONDS = 20.0


@pytest.fixture
def broker() -> Iterator[Proxy]:
    """A RabbitMQ behind a proxy."""
    with RabbitServer() as server, Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def arena(broker: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """An arena of its own whose messages go through that broker."""
    settings = {"DKRONPY_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{broker.port}//"}
    with (
        StoreServer(kind="valkey") as server,
        Arena(server, tmp_path_factory.mktemp("arena"), settings) as arena,
    ):
        arena.start()
        yield arena


def test_a_broker_that_is_away_stops_no_record_and_loses_no_run(arena: Arena, broker: Proxy) -> None:
    start_ms = arena.now_ms()
    arena.wait(3)
    before = _settled(arena)
    broker.refuse()
    refused_ms = arena.now_ms()
    threading.Event().wait(AWAY_SECONDS)
    fired = [run for run in arena.fleet.client.runs(job="line-all", limit=50) if run.fired_ms > refused_ms]
    assert len(fired) >= AWAY_SECONDS - 2, "due times are turned into runs while nobody can be told"
    assert max(run.fired_ms - run.due_ms for run in fired) < 3_000
    broker.welcome()
    wait_until(lambda: _settled(arena) > before + 10, timeout=60, description="work goes on")
    print(arena.judge(start_ms, says="the broker was away"))
    said = [beat.output.count("takes no messages") for beat in arena.beats.values()]
    assert sum(said) == 1, f"said {said} times"
    blamed = [beat.output for beat in arena.beats.values() if "cannot be used" in beat.output]
    assert not blamed, f"the store is blamed for it:\n{blamed[0]}"


def _settled(arena: Arena) -> int:
    return len(arena.lines())
