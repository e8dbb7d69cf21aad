"""Fixtures: a store of the test's own and a fleet on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fleet import Fleet
from tests.support import StoreServer


@pytest.fixture
def server() -> Iterator[StoreServer]:
    """A Valkey that the test may kill, pause and restart."""
    with StoreServer(kind="valkey") as server:
        yield server


@pytest.fixture
def fleet(server: StoreServer, tmp_path: Path) -> Iterator[Fleet]:
    """An empty fleet: the test starts what it needs."""
    with Fleet(server, tmp_path) as fleet:
        yield fleet
