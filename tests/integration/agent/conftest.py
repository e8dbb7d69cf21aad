"""An empty store with its services, and the leases of an agent on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from dkronpy.agent.leases import Leases
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
