"""Calls of many threads that are made as one: whoever comes while one is under way leaves its part and goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 64
"""So many go together, so that the first of them waits for no more than that."""

log = logging.getLogger(__name__)


class Together(Generic[T]):
    """Calls *make* with the items of all threads that have brought some.

    There is no thread for that, and nobody waits: the one that finds nobody at it makes the calls, its own first, until
    nothing more has come. A lone caller pays nothing, and the more there are, the less each of them costs. What *make*
    raises is logged: it has to answer for each of its items itself.
    """

    def __init__(self, make: Callable[[Sequence[T]], None]) -> None:
        self._make = make
        self._waiting: list[T] = []
        self._busy = False
        self._lock = threading.Lock()

    def __call__(self, item: T) -> None:
        """Have *make* called with *item*, by this thread or by the one that is at it."""
        with self._lock:
            self._waiting.append(item)
            if self._busy:
                return
            self._busy = True
        while items := self._next():
            try:
                self._make(items)
            except Exception:
                log.exception("%d together could not be seen to", len(items))

    def _next(self) -> list[T]:
        with self._lock:
            items, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._busy = bool(items)
            return items
