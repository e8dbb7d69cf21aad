"""An empty store on each server, with its services; what a test leaves open is ended before the keys are looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from dkronpy.store.connection import Store
from tests.integration.store.plans import Desk
from tests.support import StoreServer


@pytest.fixture
def desk(any_store: redis.Redis, any_store_server: StoreServer) -> Iterator[Desk]:
    """The services of a deployment on an empty store, once on Redis and once on Valkey."""
    store = Store(any_store_server.url)
    desk = Desk(store)
    yield desk
    desk.settle()
    store.close()
