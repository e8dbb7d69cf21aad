"""The ledger keeps its promises whatever happens: histories drawn by Hypothesis, on the real steps in a real server."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import LedgerMachine
from tests.model.steps import ModelStore, sources
from tests.support import StoreServer

HISTORIES = int(os.environ.get("DKRONPY_MODEL_HISTORIES", "150"))
"""More of them are drawn at random, and differ from run to run; this many are always the same."""


@pytest.mark.timeout(600)  # a minute on an idle machine
def test_no_history_breaks_a_promise(store_server: StoreServer) -> None:
    class Machine(LedgerMachine):
        store = ModelStore(store_server.socket_url, sources())

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=40,
            derandomize="DKRONPY_MODEL_HISTORIES" not in os.environ,
            deadline=None,
            database=None,
            print_blob=True,
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
    Machine.store.close()
