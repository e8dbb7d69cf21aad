"""The health endpoint: 200 while a beat leads, 503 with the reason otherwise."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import redis
import requests

from dkronpy.client import Client
from dkronpy.errors import ConfigError
from dkronpy.node import Node
from dkronpy.settings import Settings
from dkronpy.supervisor.health import HealthEndpoint
from tests.conftest import MakeStoreServer
from tests.support import StoreServer


@pytest.fixture
def endpoint() -> Iterator[HealthEndpoint]:
    made = HealthEndpoint("127.0.0.1", 0)
    yield made
    made.close()


def ask(endpoint: HealthEndpoint) -> tuple[int, dict[str, object]]:
    answer = requests.get(endpoint.url, timeout=10)
    return answer.status_code, answer.json()


def test_it_answers_before_there_is_a_deployment(endpoint: HealthEndpoint) -> None:
    assert ask(endpoint) == (503, {"status": "starting"})


def test_it_is_well_while_a_beat_leads(endpoint: HealthEndpoint, store: redis.Redis, store_server: StoreServer) -> None:
    client = Client(Settings(store_url=store_server.url))
    endpoint.watch(client)
    client.deployment.nodes.report(Node(name="n1", instance="a"))
    assert ask(endpoint) == (503, {"status": "no beat leads", "beat": None, "nodes": ["n1"]})
    lead = client.deployment.ledger.lead("beat1", 60_000)
    code, body = ask(endpoint)
    assert (code, body["status"], body["nodes"]) == (200, "ok", ["n1"])
    assert body["beat"]["name"] == "beat1"  # type: ignore[index]
    assert body["beat"]["epoch"] == lead.epoch  # type: ignore[index]
    client.deployment.nodes.leave("n1", "a")
    assert ask(endpoint)[1]["nodes"] == []
    client.close()


def test_it_says_that_the_store_is_away(endpoint: HealthEndpoint, make_store_server: MakeStoreServer) -> None:
    server = make_store_server()
    client = Client(Settings(store_url=server.url))
    endpoint.watch(client)
    server.terminate()
    code, body = ask(endpoint)
    assert (code, body["status"]) == (503, "the store is away")
    client.close()


def test_other_paths_and_methods(endpoint: HealthEndpoint) -> None:
    assert requests.get(endpoint.url + "/other", timeout=10).status_code == 404
    assert requests.post(endpoint.url, timeout=10).status_code == 501
    head = requests.head(endpoint.url, timeout=10)
    assert (head.status_code, head.content) == (503, b"")


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            HealthEndpoint("127.0.0.1", port)
