"""The model is worth something only if it notices a missing guard: each mutant has to be caught.

A mutant is an edit in the text of one or two Lua files, which run in the server; no code of ours is changed.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import LedgerMachine
from tests.model.mutants import CAUGHT, HARMLESS
from tests.model.steps import ModelStore, sources
from tests.support import StoreServer

HISTORIES = int(os.environ.get("DKRONPY_MODEL_HISTORIES", "1500"))
"""By then a mutant has to be caught; most are within fifty, and what is drawn hangs on what else was imported."""
HARMLESS_HISTORIES = 25


def explore(server: StoreServer, texts: dict[str, str], histories: int) -> None:
    """Draw histories until one breaks a promise; the AssertionError is the first that did."""

    class Machine(LedgerMachine):
        store = ModelStore(server.socket_url, texts)

    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=histories,
                stateful_step_count=40,
                derandomize=True,
                deadline=None,
                database=None,
                phases=(Phase.generate,),
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        Machine.store.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CAUGHT)
def test_a_missing_guard_is_noticed(store_server: StoreServer, name: str) -> None:
    texts = sources(*CAUGHT[name])  # here: an edit that does not fit any more is no guard that was noticed
    with pytest.raises(AssertionError):
        explore(store_server, texts, HISTORIES)


@pytest.mark.parametrize("name", HARMLESS)
def test_one_of_two_guards_is_enough(store_server: StoreServer, name: str) -> None:
    explore(store_server, sources(*HARMLESS[name]), HARMLESS_HISTORIES)
