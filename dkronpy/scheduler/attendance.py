"""Tells what beat missed from what it is merely late with, because so much came due together."""

from __future__ import annotations

from dkronpy.scheduler.misfire import ON_TIME_MS

LATE_AT_MOST_MS = 300_000
"""A beat that is further behind than this cannot keep up: from here on the policies of the jobs decide."""


class Attendance:
    """Since when one beat has led without a break, and left nothing of what was due then.

    Whatever came due since then was not missed, however long its turn takes to come: somebody was there all the time.
    A break is a new epoch, or longer than a due time may be late by itself.
    """

    def __init__(self) -> None:
        self._epoch = 0
        self._since_ms = 0
        self._seen_ms = 0

    def begin(self, epoch: int, now_ms: int) -> int:
        """How late, in ms, a due time may be found now without having been missed."""
        if epoch != self._epoch or now_ms - self._seen_ms > ON_TIME_MS:
            self._epoch, self._since_ms = epoch, now_ms
        self._seen_ms = now_ms
        return min(LATE_AT_MOST_MS, max(0, now_ms - self._since_ms) + ON_TIME_MS)

    def end(self, began_ms: int, now_ms: int, *, behind: bool) -> None:
        """The work that began then has ended now, and left nothing that was due, or is *behind*."""
        self._seen_ms = max(began_ms, now_ms)
        if not behind:
            self._since_ms = began_ms
