"""Calls of many threads that are made as one: whoever comes while one is under way goes with the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 64
"""So many go together, so that the first of them waits for no more than that."""


class _Caller(Generic[T, R]):
    """One who waits: for the answer, or to be the one who makes the next call."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.answer: R | BaseException | None = None
        self.answered = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def wait(self) -> None:
        """Until ``wake``."""
        self._gate.acquire()

    def wake(self) -> None:
        """Let it go on."""
        self._gate.release()


class Together(Generic[T, R]):
    """Calls *make* with the items of all threads that wait, and gives each thread what came of its own.

    There is no thread for that: the one that finds nobody at it makes the call. A lone caller pays nothing, and the
    more there are, the less each of them costs. *make* answers for each item in turn; an exception among the
    answers is raised in the thread whose item it is, one that *make* raises in all of them.
    """

    def __init__(self, make: Callable[[Sequence[T]], Sequence[R | BaseException]]) -> None:
        self._make = make
        self._waiting: list[_Caller[T, R]] = []
        self._busy = False
        self._lock = threading.Lock()

    def __call__(self, item: T) -> R:
        """What *make* came to for *item*."""
        caller: _Caller[T, R] = _Caller(item)
        with self._lock:
            self._waiting.append(caller)
            leads, self._busy = not self._busy, True
        if not leads:
            caller.wait()
        if not caller.answered:
            self._lead(caller)
        if isinstance(caller.answer, BaseException):
            raise caller.answer
        return caller.answer  # type: ignore[return-value]  # it is answered

    def _lead(self, leader: _Caller[T, R]) -> None:
        """Make the call for all who wait, the *leader* first among them; then the next who waits leads."""
        with self._lock:
            callers, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            answers = self._make([caller.item for caller in callers])
        except BaseException as error:  # noqa: BLE001 - it is raised by each who waits for it
            answers = [error] * len(callers)
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._busy = following is not None
        for caller, answer in zip(callers, answers, strict=True):
            caller.answer, caller.answered = answer, True
            if caller is not leader:
                caller.wake()
        if following is not None:
            following.wake()
