"""The channels of notifications in the settings: how each stands, and a test message by one of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from litestar import Litestar
from litestar.testing import TestClient

from dkronpy.client import Client
from dkronpy.settings import Settings
from dkronpy.web.routes import web_routes
from tests.executors.servers import HttpServer
from tests.support import StoreServer
from tests.unit.web.conftest import Browser, Door, visible


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


@pytest.fixture
def client(store: redis.Redis, store_server: StoreServer, server: HttpServer) -> Iterator[Client]:
    channels = {
        "ops": {"notifier": "webhook", "url": f"{server.url}/status/200"},
        "gone": {"notifier": "webhook", "url": "http://127.0.0.1:1/"},
        "wrong": {"notifier": "pigeon"},
    }
    client = Client(Settings(store_url=store_server.url, channels=channels), who="test")
    yield client
    client.close()


@pytest.fixture
def browser(client: Client, door: Door) -> Iterator[Browser]:
    with TestClient(Litestar([*web_routes(client, door)], logging_config=None)) as test_client:
        yield Browser(test_client)


def test_an_admin_sends_a_test_message_and_sees_what_is_wrong_with_a_channel(
    browser: Browser, server: HttpServer, door: Door
) -> None:
    page = visible(browser.get("/settings"))
    assert "pigeon" in page
    assert page.count("Send a test") == 2
    browser.send("/settings/channels/test", channel="ops")
    assert b"this is a test of the channel ops" in server.requests[-1]["body"]
    assert door.notes == ["channel ops took a test message"]
    assert "took the test message" in browser.get("/settings?done=sent")
    refused = visible(browser.send("/settings/channels/test", status=502, channel="gone").text)
    assert "It was not taken" in refused
    assert "channel gone" in refused
    browser.send("/settings/channels/test", status=404, channel=f"{server.url}/of-a-stranger")
    assert len(server.requests) == 1
    door.actions = {"operate"}
    assert "Send a test" not in browser.get("/settings")
    door.jobs = {"one"}
    assert "webhook" not in browser.get("/settings").partition("Settings in force")[0]
