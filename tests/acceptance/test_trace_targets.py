"""One trace from due time to finish, across beat, agent and whatever a job calls, as its own consumer reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import dkronpy
from dkronpy.execution import Execution, Run
from dkronpy.trace import attempt_span, execution_span, run_span, trace_id
from tests.acceptance.collector import TRACED, Collector
from tests.acceptance.fleet import Fleet
from tests.executors.services.grpc_server import GrpcServer
from tests.executors.services.kafka import KafkaServer, consumed
from tests.executors.services.nats import NatsServer
from tests.executors.services.pubsub import PROJECT, FakePubSub
from tests.executors.services.rabbitmq import RabbitServer
from tests.support import StoreServer, wait_until

Headers = Callable[[], dict[str, str]]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Collector]]:
    """Beat and an agent that tell a collector."""
    collector = Collector()
    settings = {"DKRONPY_OTEL_ENDPOINT": collector.url, **TRACED}
    with StoreServer() as server, Fleet(server, tmp_path_factory.mktemp("traced"), settings) as fleet:
        fleet.beat()
        fleet.agent("n1")
        yield fleet, collector
    collector.close()


def texts(headers: Any) -> dict[str, str]:
    """Headers as text, whatever the library has them as."""
    return {name: value.decode() if isinstance(value, bytes) else str(value) for name, value in headers}


@contextmanager
def kafka(_: Fleet) -> Iterator[tuple[dict[str, Any], Headers]]:
    with KafkaServer() as server:
        server.create("traced")
        options = {"brokerAddress": server.address, "topic": "traced", "message": "m"}
        yield options, lambda: texts(consumed(server.address, "traced")[0].headers() or [])


@contextmanager
def grpc(_: Fleet) -> Iterator[tuple[dict[str, Any], Headers]]:
    with GrpcServer() as server:
        yield {"url": server.url()}, lambda: texts(server.calls[-1]["metadata"])


@contextmanager
def nats(_: Fleet) -> Iterator[tuple[dict[str, Any], Headers]]:
    with NatsServer() as server, server.wire() as wire:
        wire.subscribe("traced")
        yield {"url": server.url, "subject": "traced", "message": "m"}, lambda: texts(wire.message()[0].items())


@contextmanager
def rabbitmq(_: Fleet) -> Iterator[tuple[dict[str, Any], Headers]]:
    with RabbitServer() as server:
        options = {"url": server.url(), "queue.name": "traced", "queue.create": "true", "message.body": "m"}
        yield options, lambda: texts(server.taken("traced")[0].headers.items())


@contextmanager
def gcppubsub(_: Fleet) -> Iterator[tuple[dict[str, Any], Headers]]:
    with FakePubSub() as server:
        server.create("traced")
        options = {"project": PROJECT, "topic": "traced", "data": "bQ==", "emulator": server.address}
        yield options, lambda: texts(server.pull("traced")[0].attributes.items())


@contextmanager
def celery(fleet: Fleet) -> Iterator[tuple[dict[str, Any], Headers]]:
    def waiting() -> dict[str, str]:
        with fleet.server.client() as client:
            return texts(json.loads(client.lindex("shop", 0))["headers"].items())

    yield {"broker": fleet.server.url, "task": "shop.sell", "queue": "shop", "wait": False}, waiting
    with fleet.server.client() as client:
        client.delete("shop")


def ended(fleet: Fleet, job: str) -> tuple[Run, Execution]:
    """The first run of a job that beat fires, at its end."""
    run = wait_until(
        lambda: next((one for one in fleet.client.runs(job=job) if one.terminal), None),
        timeout=40, description=f"{job} has run",
    )  # fmt: skip
    return run, fleet.client.run(run.id).executions[0]


@pytest.mark.parametrize("target", [kafka, grpc, nats, rabbitmq, gcppubsub, celery], ids=lambda one: one.__name__)
def test_what_is_called_is_told_of_the_trace_that_beat_and_agent_tell_of(
    traced: tuple[Fleet, Collector], target: Callable[[Fleet], Any]
) -> None:
    fleet, collector = traced
    kind = target.__name__
    with target(fleet) as (options, headers):
        fleet.save(dkronpy.Job(name=f"calls-{kind}", schedule="@every 1s", run=dkronpy.Run(kind, options)))
        run, execution = ended(fleet, f"calls-{kind}")
        fleet.client.toggle_job(f"calls-{kind}")
        assert run.state == "success", (run, execution)
        attempt = execution.attempts[0]
        told = headers()["traceparent"]
    version, trace, parent, flags = told.split("-")
    assert (version, flags) == ("00", "01")
    called = next(one for one in fleet.client.runs(job=f"calls-{kind}", limit=100) if trace_id(one.id) == trace)
    if called.id != run.id:
        execution = fleet.client.run(called.id).executions[0]
        attempt = execution.attempts[0]
    spans = (run_span(called.id), execution_span(execution.id), attempt_span(execution.id, 1, attempt.token))
    assert parent == spans[-1]
    wait_until(
        lambda: set(spans) <= set(collector.of(called.id)), timeout=30, description="beat and agent have told of it"
    )
    found = collector.of(called.id)
    assert [found[span][0] for span in spans] == ["dkronpy-beat", "dkronpy-beat", "dkronpy-agent"]
    assert [found[span][1].parent_span_id.hex() for span in spans] == ["", *spans[:2]]
    assert found[spans[0]][1].start_time_unix_nano == called.due_ms * 1_000_000
    assert found[spans[2]][1].end_time_unix_nano >= found[spans[2]][1].start_time_unix_nano
