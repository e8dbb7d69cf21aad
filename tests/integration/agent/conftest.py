"""An empty store with its services, and the leases of an agent on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from dkronpy.agent.leases import Leases
from dkronpy.agent.service import Agent
from dkronpy.app import make_app
from dkronpy.deployment import Deployment
from dkronpy.settings import load_settings
from dkronpy.store.connection import Store
from tests.integration.store.plans import Desk
from tests.support import StoreServer


@pytest.fixture
def desk(store: redis.Redis, store_server: StoreServer) -> Iterator[Desk]:
    """The services of a deployment; what the test leaves open is ended."""
    made = Store(store_server.url)
    desk = Desk(made)
    yield desk
    desk.settle()
    made.close()


@pytest.fixture
def leases(desk: Desk) -> Iterator[Leases]:
    """Those of an agent that renews them at each turn."""
    leases = Leases(desk.ledger, lease_seconds=60, renew_seconds=0.1)
    leases.start()
    yield leases
    leases.stop()


@pytest.fixture
def agent(desk: Desk, store_server: StoreServer, tmp_path: Path) -> Iterator[Agent]:
    """An agent of node web1 without its worker: what that would bring is claimed and answered by the test."""
    settings, _ = load_settings(
        None,
        {
            "DKRONPY_STORE_URL": store_server.url,
            "DKRONPY_NODE_NAME": "web1",
            "DKRONPY_DATA_DIR": str(tmp_path),
            "DKRONPY_SECRETS_DIR": str(tmp_path),
        },
    )
    app = make_app(settings)
    agent = Agent(app, deployment := Deployment(settings))
    parts = (agent.pump, agent.leases, agent.reporter)
    for part in parts:
        part.start()
    yield agent
    for part in reversed(parts):
        part.stop()
    agent.runner.close()
    deployment.close()
    app.close()
