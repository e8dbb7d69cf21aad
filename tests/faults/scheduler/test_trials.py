"""Every due time has exactly one record, and every run is recorded as it went, whatever breaks around it."""

from __future__ import annotations

import pytest

from tests.faults.scheduler.arena import Arena, rng_of
from tests.faults.scheduler.trials import TRIALS


@pytest.mark.parametrize("name", [*TRIALS, "kill again"])
def test_nothing_is_missing_doubled_or_early_after(name: str, arena: Arena, seed: int) -> None:
    trial, may_lose = TRIALS[name.partition(" ")[0]]
    start_ms = arena.now_ms()
    trial(arena, rng_of(seed, name))
    print(name, arena.judge(start_ms, says=f"{name}, seed {seed}", may_lose=may_lose))
