"""The pool of an agent's worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from celery.worker.state import reserved_requests

from dkronpy.agent.threads import Threads
from tests.support import wait_until


class Reserved:
    """What the worker has taken and not ended."""


@pytest.fixture
def reserved() -> Iterator[list[Reserved]]:
    kept = [Reserved() for _ in range(3)]
    for one in kept:
        reserved_requests.add(one)
    yield kept
    for one in kept:
        reserved_requests.discard(one)


def test_as_many_threads_are_started_as_there_is_work_and_no_more_than_the_limit(reserved: list[Reserved]) -> None:
    pool, gate, done = Threads(2), threading.Event(), []

    def call() -> None:
        assert gate.wait(60)
        done.append(threading.current_thread().name)

    for _ in reserved:
        pool.answer(call)
    assert pool.info["threads"] == 2
    gate.set()
    pool.stop()
    assert len(done) == 3


def test_an_idle_thread_is_used_again() -> None:
    pool, done = Threads(4), []
    one = Reserved()
    reserved_requests.add(one)
    for number in range(3):
        pool.answer(lambda: done.append(threading.get_ident()))
        wait_until(lambda: len(done) == number + 1, description="it is done")  # noqa: B023
    assert len(set(done)) == 1
    pool.stop()


def test_stopping_waits_for_what_is_under_way_and_terminating_does_not(reserved: list[Reserved]) -> None:
    pool, gate, done = Threads(4), threading.Event(), []

    def call() -> None:
        assert gate.wait(60)
        done.append(1)

    pool.answer(call)
    pool.terminate()
    assert not done
    gate.set()
    pool.stop()
    assert done == [1]


def test_celerys_own_tasks_pass_through_it(reserved: list[Reserved]) -> None:
    told: list[object] = []
    pool = Threads(1)
    pool.start()
    pool.apply_async(
        max, (3, 7), callback=told.append, accept_callback=lambda *_: told.append("accepted"), timeout=None
    )
    pool.stop()
    assert told == ["accepted", 7]


def test_the_loop_is_told_once_of_what_ends_together(reserved: list[Reserved]) -> None:
    class Loop:
        def __init__(self) -> None:
            self.soon: list[object] = []

        def call_soon(self, call: object) -> None:
            self.soon.append(call)

    pool, loop = Threads(2), Loop()
    pool.register_with_event_loop(loop)
    for _ in range(4):
        pool.answer(lambda: None)
    pool.stop()
    assert len(loop.soon) == 1


def test_a_call_that_fails_costs_no_thread(reserved: list[Reserved], caplog: pytest.LogCaptureFixture) -> None:
    pool, done = Threads(1), []
    pool.answer(lambda: 1 // 0)  # type: ignore[arg-type]
    pool.answer(lambda: done.append(1))
    pool.stop()
    assert done == [1]
    assert "ZeroDivisionError" in caplog.text
