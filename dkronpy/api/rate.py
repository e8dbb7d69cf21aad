"""Slows down whoever guesses tokens: so many failures of an address within a minute, then none is looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict

from dkronpy.clock import Clock

FAILURES = 10
WINDOW_SECONDS = 60.0
MOST_ADDRESSES = 10_000


class FailureLimit:
    """Counts failures by address, in this process. A secret that was good here before is always looked at."""

    def __init__(self, clock: Clock, *, failures: int = FAILURES, window: float = WINDOW_SECONDS) -> None:
        self._clock, self._failures, self._window = clock, failures, window
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._good: OrderedDict[str, None] = OrderedDict()

    def wait(self, address: str, digest: str) -> float:
        """Seconds that this address has to wait before a secret of this digest is looked at; 0 for none."""
        with self._lock:
            if digest in self._good:
                return 0.0
            since, count = self._counts.get(address, (0.0, 0))
            left = since + self._window - self._clock.monotonic()
            return max(0.0, left) if count >= self._failures else 0.0

    def failed(self, address: str) -> None:
        """A secret of this address was no good."""
        now = self._clock.monotonic()
        with self._lock:
            since, count = self._counts.pop(address, (now, 0))
            if now - since >= self._window:
                since, count = now, 0
            self._counts[address] = (since, count + 1)
            _trim(self._counts)

    def succeeded(self, digest: str) -> None:
        """A secret of this digest was good."""
        with self._lock:
            self._good[digest] = None
            self._good.move_to_end(digest)
            _trim(self._good)


def _trim(table: OrderedDict[str, tuple[float, int]] | OrderedDict[str, None]) -> None:
    while len(table) > MOST_ADDRESSES:
        table.popitem(last=False)
