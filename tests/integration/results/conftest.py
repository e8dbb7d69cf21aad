"""The places results can be kept in, each with a way to open it and, for some, to take it away."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from dkronpy.results.backend import ResultsBackend
from dkronpy.results.opening import open_results
from tests.services_postgres import PostgresServer
from tests.support import StoreServer

Opener = Callable[..., ResultsBackend]


@dataclass(frozen=True, kw_only=True)
class Place:
    """An empty place for results: its URL, and a context in which it does not answer."""

    kind: str
    url: str
    away: Callable[[], Any]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for this test process."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["redis", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    """The test runs once for each kind of results backend."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_place(request: pytest.FixtureRequest) -> Place:
    """The test runs once for each kind of SQL database."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def redis_place(store: redis.Redis, store_server: StoreServer) -> Place:
    @contextmanager
    def away() -> Iterator[None]:
        store_server.terminate()
        try:
            yield
        finally:
            store_server.start()

    return Place(kind="redis", url=store_server.url, away=away)


@pytest.fixture
def postgresql_place(postgres_server: PostgresServer) -> Place:
    @contextmanager
    def away() -> Iterator[None]:
        postgres_server.terminate()
        try:
            yield
        finally:
            postgres_server.start()

    return Place(kind="postgresql", url=postgres_server.url(postgres_server.new_database()), away=away)


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Place:
    path = tmp_path / "results.db"

    @contextmanager
    def away() -> Iterator[None]:
        """SQLite has no server to stop: another process that writes for longer than anyone waits comes closest."""
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            holder.close()

    return Place(kind="sqlite", url=f"sqlite:///{path}?timeout=30", away=away)


@pytest.fixture
def open_place() -> Iterator[Opener]:
    """Opens results and closes them at the end of the test."""
    opened: list[ResultsBackend] = []

    def open_one(url: str, **options: Any) -> ResultsBackend:
        opened.append(open_results(url, **options))
        return opened[-1]

    yield open_one
    for results in opened:
        results.close()


@pytest.fixture
def results(place: Place, open_place: Opener) -> ResultsBackend:
    """Empty results, of each kind in turn."""
    return open_place(place.url, lifetime=timedelta(hours=1))
