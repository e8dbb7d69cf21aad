"""Calls of many threads that are made as one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from dkronpy.agent.together import MOST, Together
from tests.support import wait_until


class Desk:
    """Answers a number with its double, once it is open."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.open = threading.Event()
        self.double: Together[int, int] = Together(self._double)

    def _double(self, numbers: Sequence[int]) -> list[int | BaseException]:
        self.calls.append(list(numbers))
        assert self.open.wait(60)
        return [ValueError(f"{number} is too much") if number >= 1000 else number * 2 for number in numbers]

    @property
    def waiting(self) -> int:
        return len(self.double._waiting)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_lone_caller_is_answered_at_once(desk: Desk) -> None:
    desk.open.set()

    assert [desk.double(number) for number in (1, 2)] == [2, 4]
    assert desk.calls == [[1], [2]]


def test_whoever_comes_meanwhile_goes_with_the_next_call(desk: Desk) -> None:
    with ThreadPoolExecutor(MOST + 7) as pool:
        first = pool.submit(desk.double, 0)
        wait_until(lambda: desk.calls, description="the first is under way")
        others = [pool.submit(desk.double, number) for number in range(1, MOST + 6)]
        wait_until(lambda: desk.waiting == len(others), description="the others wait")
        desk.open.set()

        assert [one.result(60) for one in (first, *others)] == [number * 2 for number in range(MOST + 6)]
    assert [len(call) for call in desk.calls] == [1, MOST, 5]


def test_an_error_is_that_of_whose_item_it_is(desk: Desk) -> None:
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(desk.double, 0)
        wait_until(lambda: desk.calls, description="the first is under way")
        good, bad = pool.submit(desk.double, 1), pool.submit(desk.double, 1000)
        wait_until(lambda: desk.waiting == 2, description="both wait")
        desk.open.set()

        assert (first.result(60), good.result(60)) == (0, 2)
        with pytest.raises(ValueError, match="1000 is too much"):
            bad.result(60)


def test_a_call_that_fails_fails_for_all_and_the_next_one_is_made() -> None:
    def divide(numbers: Sequence[int]) -> list[float]:
        return [1 / number for number in numbers]

    together: Together[int, float] = Together(divide)

    with pytest.raises(ZeroDivisionError):
        together(0)
    assert together(4) == 0.25
