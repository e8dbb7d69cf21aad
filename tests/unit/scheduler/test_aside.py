"""A look at what has ended that takes long is left behind, and no two are made at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import pytest
import redis

from dkronpy.node import Node
from dkronpy.scheduler import aside
from dkronpy.scheduler.aside import REST_SECONDS, Aside
from dkronpy.scheduler.chains import SupersededError
from dkronpy.scheduler.farewell import Farewell
from tests.support import HandClock, wait_until


class Passes(Farewell):
    """Does what a test wants in each pass."""

    def __init__(self, work: Callable[[], bool]) -> None:
        self.work = work
        self.begun: list[int | None] = []
        self.forgotten = 0

    def run(self, now_ms: int, nodes: Sequence[Node], epoch: int | None = None) -> bool:
        self.begun.append(epoch)
        return self.work()

    def forget(self, now_ms: int) -> None:
        self.forgotten += 1


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beat waits for long, but where a test says otherwise: a machine that stands still for a moment is not slow."""
    monkeypatch.setattr(aside, "PATIENCE_SECONDS", 30.0)


def test_one_that_ends_soon_is_waited_for() -> None:
    passes = Passes(lambda: True)
    beside = Aside(passes)
    assert beside.look(0, [], 7)
    assert (passes.begun, passes.forgotten) == ([7], 1)


def test_one_that_takes_long_is_left_behind_and_no_other_begins_before_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aside, "PATIENCE_SECONDS", 0.01)
    go_on = threading.Event()
    passes = Passes(lambda: not go_on.wait(30))
    beside = Aside(passes)
    assert [beside.look(0, [], epoch) for epoch in (1, 2, 3)] == [False] * 3
    assert passes.begun == [1]
    go_on.set()
    wait_until(lambda: passes.forgotten, description="it ends")
    wait_until(lambda: beside.look(0, [], 4) or len(passes.begun) == 2, description="another begins")
    assert passes.begun == [1, 4]


def test_one_that_was_left_behind_goes_on_by_itself_while_more_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "PATIENCE_SECONDS", 0.01)
    go_on = threading.Event()
    more = [False, True, True]

    def work() -> bool:
        assert go_on.wait(30)
        return more.pop()

    passes = Passes(work)
    beside = Aside(passes)
    assert not beside.look(0, [], 1)
    assert not beside.look(0, [], 2)
    go_on.set()
    wait_until(lambda: passes.forgotten == 3, description="nothing is left")
    assert passes.begun == [1, 2, 2], "it goes by what is known by now"


def test_an_outage_of_the_store_that_is_over_is_none_of_beats_any_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aside, "PATIENCE_SECONDS", 0.01)
    go_on = threading.Event()

    def fail() -> bool:
        if not go_on.wait(30) or len(passes.begun) > 1:
            return True
        raise redis.ConnectionError("gone")

    passes = Passes(fail)
    beside = Aside(passes)
    assert not beside.look(0, [], 1)
    monkeypatch.setattr(aside, "PATIENCE_SECONDS", 30.0)
    go_on.set()
    wait_until(lambda: beside.look(0, [], 2), description="the next pass begins at once")
    assert "while the store was away: gone" in caplog.text


def test_an_outage_of_the_store_passes_and_whatever_else_goes_wrong_rests_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors: list[Exception] = [redis.ConnectionError("gone"), SupersededError(), ValueError("what now")]

    def fail() -> bool:
        if errors:
            raise errors.pop(0)
        return True

    clock = HandClock()
    passes = Passes(fail)
    beside = Aside(passes, clock)
    with pytest.raises(redis.ConnectionError, match="gone"):
        beside.look(0, [], 1)
    with caplog.at_level(logging.ERROR):
        assert not beside.look(0, [], 1), "another beat leads, which is no error"
        assert not caplog.records
        assert not beside.look(0, [], 2)
    assert "what now" in caplog.text
    assert not beside.look(0, [], 3)
    assert passes.begun == [1, 1, 2]
    clock.seconds += REST_SECONDS
    assert beside.look(0, [], 4)
