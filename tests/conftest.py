"""Fixtures for every test: real store servers, an empty store per test, a watch on unbounded keys."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator

import pytest
import pytest_timeout
import redis
from hypothesis import settings

from dkronpy.store.keys import BOUNDED
from tests.support import StoreServer

MakeStoreServer = Callable[..., StoreServer]


# The machines of CI are small and noisy: an example may be slow, and what CI tries must be what a rerun tries.
settings.register_profile("dkronpy", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("dkronpy")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "unbounded_keys(reason): this test leaves keys without an expiry on purpose; say why"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A second try (pytest-rerunfailures counts them) begins with servers and with a time limit of its own.

    What the first try left in the fixtures that tests share would fail the second for certain. To finish a fixture
    finishes those that depend on it; the tests that follow are served by the new ones. pytest-timeout has one limit for
    all tries: the second of a test that hangs would have none.
    """
    if getattr(item, "execution_count", 1) == 1 or not isinstance(item, pytest.Function):
        return
    settings = pytest_timeout._get_item_settings(item)
    if settings.timeout:
        item.ihook.pytest_timeout_cancel_timer(item=item)
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)
    for found in item._fixtureinfo.name2fixturedefs.values():
        for fixture in found:
            if fixture.scope != "function":
                fixture.finish(item._request)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def store_server() -> Iterator[StoreServer]:
    """A Valkey for this test process. Tests that kill, pause or configure one take ``make_store_server``."""
    with StoreServer(kind="valkey") as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[StoreServer]:
    """Debian's Redis for this test process."""
    with StoreServer(kind="redis") as server:
        yield server


@pytest.fixture(params=["redis", "valkey"])
def any_store_server(request: pytest.FixtureRequest) -> StoreServer:
    """The test runs once on Redis and once on Valkey."""
    server: StoreServer = request.getfixturevalue({"redis": "redis_server", "valkey": "store_server"}[request.param])
    return server


@pytest.fixture
def store(store_server: StoreServer) -> Iterator[redis.Redis]:
    """A client of ``store_server``, empty at the start."""
    with store_server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def any_store(any_store_server: StoreServer) -> Iterator[redis.Redis]:
    """A client of ``any_store_server``, empty at the start."""
    with any_store_server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def make_store_server() -> Iterator[MakeStoreServer]:
    """Starts servers of the test's own, to be killed, paused or configured; arguments as StoreServer's."""
    servers: list[StoreServer] = []

    def make(**options: str) -> StoreServer:
        servers.append(StoreServer(**options))  # type: ignore[arg-type]
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(autouse=True)
def level_of_logs() -> Iterator[None]:
    """Each test begins with Python's own level: a command that one of them runs in here sets another."""
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    yield
    root.setLevel(logging.WARNING)


@pytest.fixture(autouse=True)
def key_bounds(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test after which the store holds a key that neither expires nor belongs to a bounded family."""
    names = {"store", "any_store"} & set(request.fixturenames)
    clients: list[redis.Redis] = [request.getfixturevalue(name) for name in sorted(names)]
    yield
    if request.node.get_closest_marker("unbounded_keys") is None:
        for client in clients:
            loose = keys_without_bound(client)
            assert not loose, f"keys that nothing bounds (give them an expiry, or see dkronpy.store.keys): {loose[:20]}"


def keys_without_bound(client: redis.Redis) -> list[str]:
    """The names of keys without an expiry that match none of the bounded families."""
    keys = list(client.scan_iter(count=1000))
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.ttl(key)
    names = [key.decode(errors="replace") for key, ttl in zip(keys, pipeline.execute(), strict=True) if ttl == -1]
    return sorted(name for name in names if not any(family.match(name) for family in BOUNDED))
