"""Fixtures: one arena under load for all trials of a test process, and the seed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.faults.scheduler.arena import Arena
from tests.support import StoreServer

SEED_VARIABLE = "DKRONPY_FAULTS_SEED"


@pytest.fixture(scope="session")
def seed() -> int:
    """Where the chance of every trial begins; printed, and set by ``DKRONPY_FAULTS_SEED``."""
    number = int(os.environ.get(SEED_VARIABLE) or 20261123)
    print(f"\nfaults: seed {number} ({SEED_VARIABLE}={number} repeats it)")
    return number


@pytest.fixture(scope="session")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Two beats, an agent and the load."""
    with StoreServer(kind="valkey") as server, Arena(server, tmp_path_factory.mktemp("arena")) as arena:
        arena.start()
        yield arena
