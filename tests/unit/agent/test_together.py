"""Calls of many threads that are made as one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from dkronpy.agent.together import MOST, Together
from tests.support import wait_until


class Desk:
    """Takes numbers, once it is open."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.open = threading.Event()
        self.take: Together[int] = Together(self._take)

    def _take(self, numbers: Sequence[int]) -> None:
        self.calls.append(list(numbers))
        assert self.open.wait(60)
        if 1000 in numbers:
            raise ValueError("1000 is too much")


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.open.set()


def test_a_lone_caller_makes_its_call_itself(desk: Desk) -> None:
    desk.open.set()
    desk.take(1)
    desk.take(2)
    assert desk.calls == [[1], [2]]


def test_whoever_comes_meanwhile_goes_on_and_its_item_goes_with_the_next_call(desk: Desk) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(desk.take, 0)
        wait_until(lambda: desk.calls, description="the first is under way")
        for number in range(1, MOST + 6):
            desk.take(number)
        assert desk.calls == [[0]]
        desk.open.set()
        first.result(60)
    assert [len(call) for call in desk.calls] == [1, MOST, 5]
    assert [number for call in desk.calls for number in call] == list(range(MOST + 6))


def test_a_call_that_fails_is_logged_and_the_next_one_is_made(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.open.set()
    with caplog.at_level(logging.ERROR):
        desk.take(1000)
    assert "1000 is too much" in caplog.text
    desk.take(1)
    assert desk.calls == [[1000], [1]]
