"""The clock of beat, and of the store, moves 90 s forwards and backwards: nothing is repeated, nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.faults.preloaded import ShiftedClock
from tests.faults.scheduler.arena import Arena
from tests.support import StoreServer, wait_until

JUMP = 90
BRISK = {"DKRONPY_CATCH_UP_RATE": "200"}
"""What is made up for after a jump need not be spread over a minute here."""


@pytest.fixture
def clocks(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShiftedClock, ShiftedClock]:
    """The store's clock and the beats'."""
    return ShiftedClock(tmp_path_factory.mktemp("store")), ShiftedClock(tmp_path_factory.mktemp("beats"))


@pytest.fixture
def arena(
    clocks: tuple[ShiftedClock, ShiftedClock], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Arena]:
    """An arena of its own whose store and beats have clocks that can be moved."""
    of_store, of_beats = clocks
    with monkeypatch.context() as patched:
        for name, text in of_store.environment.items():
            patched.setenv(name, text)
        server = StoreServer(kind="valkey")
    with server, Arena(server, tmp_path_factory.mktemp("arena"), BRISK) as arena:
        arena.beat_environment = of_beats.environment
        arena.start()
        yield arena


def test_clocks_that_jump_repeat_nothing_and_lose_nothing(
    arena: Arena, clocks: tuple[ShiftedClock, ShiftedClock]
) -> None:
    of_store, of_beats = clocks

    # Beat's own clock decides nothing.
    start_ms = arena.now_ms()
    for seconds in (JUMP, -JUMP, 0):
        of_beats.shift(seconds)
        arena.wait(1.2)
    verdict = arena.judge(start_ms, says="beat's clock moved")
    assert not any(one.audit.late for one in verdict.audits)

    # The store's goes back: nothing is due for as long, and what was fired is not fired again.
    start_ms = arena.now_ms()
    arena.wait(1)
    _move(arena, of_store, -JUMP)
    newest = _newest(arena)
    threading.Event().wait(4)
    assert _newest(arena) == newest, "something was fired although the clock says that all of it lies ahead"

    # It goes forward again, and then further: both are jumps, and held until the clock is steady.
    _held(arena, _move(arena, of_store, 0), times=1)
    print(arena.judge(start_ms, says="the store's clock went back and came forward"))

    start_ms = arena.now_ms()
    _held(arena, _move(arena, of_store, JUMP), times=2)
    print(arena.judge(start_ms, says="the store's clock went forward"))


def _move(arena: Arena, clock: ShiftedClock, seconds: float) -> int:
    """Move the store's clock, and wait until it tells the new time; that time in ms."""
    before = arena.now_ms()
    clock.shift(seconds)
    wait_until(lambda: abs(arena.now_ms() - before) > JUMP * 900, description="the store's clock has moved")
    return arena.now_ms()


def _held(arena: Arena, jumped_ms: int, *, times: int) -> None:
    """Wait until beat fires again, and see that it has waited for a steady clock, and said so."""
    runs = arena.fleet.client.deployment.ledger
    wait_until(lambda: _newest(arena) > jumped_ms, timeout=30, description="beat fires again")
    first = min(run.fired_ms for run in runs.recent_runs("line-all", 500) if run.fired_ms > jumped_ms)
    assert first - jumped_ms >= 9_000, f"the first run came {first - jumped_ms} ms after the jump"
    for beat in arena.beats.values():
        assert beat.output.count("jumped ahead by") == times, beat.output


def _newest(arena: Arena) -> int:
    return max(run.fired_ms for run in arena.fleet.client.deployment.ledger.recent_runs("line-all", 50))
