"""Connections that are kept between attempts: few, for a while, and each used by one attempt at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

C = TypeVar("C")

_PER_KEY = 8
_TOTAL = 32
_IDLE = 240.0


class Pool(Generic[C]):
    """Idle connections by what they were made of.

    One that is taken belongs to the taker, who gives it back only if nothing went wrong. The pool calls
    *close* for those that it drops: the oldest when there are too many, and what was idle for too long.
    """

    def __init__(
        self, close: Callable[[C], None], *, per_key: int = _PER_KEY, total: int = _TOTAL, idle: float = _IDLE
    ) -> None:
        self._close = close
        self._per_key, self._total, self._idle = per_key, total, idle
        self._lock = threading.Lock()
        self._kept: list[tuple[float, Hashable, C]] = []  # the oldest first
        self._closed = False

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, key: Hashable) -> C | None:
        """The connection for *key* that was used last; None if there is none."""
        with self._lock:
            dropped = self._expired()
            found = next((entry for entry in reversed(self._kept) if entry[1] == key), None)
            if found is not None:
                self._kept.remove(found)
        self._drop(dropped)
        return None if found is None else found[2]

    def give(self, key: Hashable, connection: C) -> None:
        """Keep *connection*, which works, for the next attempt."""
        with self._lock:
            dropped = self._expired()
            if self._closed:
                dropped.append(connection)
            else:
                self._kept.append((time.monotonic(), key, connection))
                same = [entry for entry in self._kept if entry[1] == key]
                surplus = same[: len(same) - self._per_key] if len(same) > self._per_key else []
                surplus += self._kept[: max(0, len(self._kept) - len(surplus) - self._total)]
                self._kept = [entry for entry in self._kept if entry not in surplus]
                dropped += [entry[2] for entry in surplus]
        self._drop(dropped)

    def close(self) -> None:
        """Drop all, and from now on everything that is given."""
        with self._lock:
            self._closed = True
            kept, self._kept = self._kept, []
        self._drop([entry[2] for entry in kept])

    def _expired(self) -> list[C]:
        since = time.monotonic() - self._idle
        old = [entry for entry in self._kept if entry[0] < since]
        self._kept = self._kept[len(old) :]
        return [entry[2] for entry in old]

    def _drop(self, connections: list[C]) -> None:
        for connection in connections:
            self._close(connection)
