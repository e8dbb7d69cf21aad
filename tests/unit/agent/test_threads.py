"""The pool of an agent's worker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from celery.worker.state import reserved_requests

from dkronpy.agent.threads import REPORTING, Threads
from tests.support import wait_until


class Bell:
    """Is answered with the others that come while the gate is shut."""

    def __init__(self, gate: threading.Event, answered: list[int]) -> None:
        self.gate, self.answered, self.called = gate, answered, threading.Event()
        reserved_requests.add(self)

    def answer_all(self, bells: Sequence[Bell], pool: Threads) -> None:
        self.answered.append(len(bells))
        assert self.gate.wait(60)
        for bell in bells:
            pool.call(bell.called.set)


class Loop:
    """The worker's, as far as the pool knows it."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        self.soon.append(call)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def bells(gate: threading.Event) -> Iterator[list[Bell]]:
    answered: list[int] = []
    bells = [Bell(gate, answered) for _ in range(5)]
    yield bells
    for bell in bells:
        reserved_requests.discard(bell)


@pytest.fixture
def start(gate: threading.Event) -> Iterator[Callable[[int], Threads]]:
    """Starts pools, which end with the test whatever becomes of it: their threads would keep pytest from ending."""
    pools = []

    def started(limit: int) -> Threads:
        pools.append(Threads(limit))
        pools[-1].start()
        return pools[-1]

    yield started
    gate.set()
    for pool in pools:
        pool.stop()


def test_what_comes_while_others_are_claimed_is_claimed_together(
    start: Callable[[int], Threads], gate: threading.Event, bells: list[Bell]
) -> None:
    pool = start(8)
    pool.bring(bells[0])
    wait_until(lambda: bells[0].answered, description="the first is being claimed")
    for bell in bells[1:]:
        pool.bring(bell)
    gate.set()
    pool.stop()
    assert bells[0].answered == [1, 4]


def test_what_was_brought_before_the_end_is_still_run(
    start: Callable[[int], Threads], gate: threading.Event, bells: list[Bell]
) -> None:
    pool = start(8)
    for bell in bells:
        pool.bring(bell)
    pool.terminate()
    gate.set()
    pool.stop()
    assert all(bell.called.is_set() for bell in bells)


def test_what_has_no_place_is_not_claimed_until_another_has_ended(
    start: Callable[[int], Threads], gate: threading.Event, bells: list[Bell]
) -> None:
    pool = start(2)
    gate.set()
    for bell in bells:
        pool.bring(bell)
    wait_until(lambda: bells[0].called.is_set() and bells[1].called.is_set(), description="two have a place")
    assert sum(bells[0].answered) == 2
    pool.ended()
    wait_until(bells[2].called.is_set, description="the third has that of another")
    pool.stop()
    assert sum(bells[0].answered) == 3, "and what has none at the end is left to others"


def test_there_are_as_many_threads_as_there_is_work_and_hardly_more_than_the_limit(
    start: Callable[[int], Threads], gate: threading.Event
) -> None:
    pool, done = start(2), []

    def call() -> None:
        assert gate.wait(60)
        done.append(1)

    for _ in range(5):
        pool.call(call)
    assert pool.info["threads"] == 2 + REPORTING
    gate.set()
    pool.stop()
    assert len(done) == 5


def test_an_idle_thread_is_used_again(start: Callable[[int], Threads]) -> None:
    pool, done = start(4), []
    for number in range(3):
        pool.call(lambda: done.append(threading.get_ident()))
        wait_until(lambda: len(done) == number + 1 and not pool._open, description="it is done")  # noqa: B023
    pool.stop()
    assert len(set(done)) == 1


def test_a_call_that_fails_costs_no_thread(start: Callable[[int], Threads], caplog: pytest.LogCaptureFixture) -> None:
    pool, done = start(1), []
    pool.call(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    pool.call(lambda: done.append(1))
    pool.stop()
    assert done == [1]
    assert "ZeroDivisionError" in caplog.text


def test_where_the_system_gives_no_further_thread_those_that_are_there_do_it(
    start: Callable[[int], Threads], gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)  # a worker in the tests of another file lets errors pass alone
    pool, done = start(2), []
    pool.call(gate.wait)  # type: ignore[arg-type]
    usual = threading.stack_size(1 << 47)  # more than there are addresses
    try:
        pool.call(lambda: done.append(1))
    finally:
        threading.stack_size(usual)
    assert "can't start new thread; what is to run waits for one of 1 threads" in caplog.text
    gate.set()
    pool.stop()
    assert done == [1]


def test_celerys_own_tasks_pass_through_it(start: Callable[[int], Threads]) -> None:
    told: list[object] = []
    pool = start(1)
    pool.apply_async(max, (3, 7), callback=told.append, accept_callback=lambda *_: told.append("accepted"), timeout=9)
    pool.stop()
    assert told == ["accepted", 7]


def test_what_celery_forgets_when_it_connects_anew_has_a_thread_all_the_same(
    start: Callable[[int], Threads], gate: threading.Event, bells: list[Bell]
) -> None:
    pool = start(8)
    reserved_requests.clear()  # as its consumer does
    for _ in bells:
        pool.call(gate.wait)  # type: ignore[arg-type]
    threads = pool.info["threads"]
    gate.set()
    pool.stop()
    assert threads == len(bells)


@pytest.mark.usefixtures("bells")
def test_the_loop_is_told_once_of_what_ends_together() -> None:
    pool, loop = Threads(2), Loop()
    pool.register_with_event_loop(loop)
    for _ in range(3):
        pool.ended()
    assert len(loop.soon) == 1
    loop.soon[0]()
    pool.ended()
    assert len(loop.soon) == 2


@pytest.mark.usefixtures("bells")
def test_the_loop_is_not_told_where_most_threads_are_idle() -> None:
    pool, loop = Threads(100), Loop()
    pool.register_with_event_loop(loop)
    pool.ended()
    assert not loop.soon
