"""A notifier on a store of the test's own, and servers that take what it sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests.executors.servers import HttpServer
from tests.notices.desk import Desk
from tests.support import StoreServer

MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(store: redis.Redis, store_server: StoreServer) -> Iterator[MakeDesk]:
    """Makes notifiers on one store; the first takes the office."""
    desks: list[Desk] = []

    def make(channels: dict[str, Any], **settings: Any) -> Desk:
        desks.append(Desk(store_server.url, channels, **settings))
        return desks[-1]

    yield make
    for desk in desks:
        ledger = desk.deployment.ledger
        waiting = [name.decode() for name in store.zrange(desk.deployment.store.keys.open, 0, -1)]
        ledger.cancel(waiting, "the end of the test")
        for name in store.zrange(desk.deployment.store.keys.open, 0, -1):
            claimed = ledger.execution(name.decode())
            assert claimed is not None
            ledger.finish(claimed.id, claimed.attempts[-1].token, success=True)
        desk.close()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """An HTTP server of the test's own."""
    with HttpServer() as running:
        yield running
