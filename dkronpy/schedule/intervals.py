"""``@every``: due times a fixed time apart, from an anchor, so that the phase outlives failovers."""

from __future__ import annotations

from .model import Schedule


class Every(Schedule):
    """Due at ``anchor_ms`` + k x ``period_ms``, k from ``first`` on.

    With 1 the first due time is a full period after the anchor, with 0 the anchor itself.
    """

    def __init__(self, *, text: str, period_ms: int, anchor_ms: int, first: int = 1, timezone: str = "") -> None:
        self.text = text
        self.timezone = timezone
        self.period_ms = period_ms
        self.anchor_ms = anchor_ms
        self._first_ms = anchor_ms + first * period_ms

    def next_ms(self, after_ms: int) -> int | None:
        if after_ms < self._first_ms:
            return self._first_ms
        return after_ms + self.period_ms - (after_ms - self.anchor_ms) % self.period_ms

    def prev_ms(self, before_ms: int) -> int | None:
        found = before_ms - 1 - (before_ms - 1 - self.anchor_ms) % self.period_ms
        return found if found >= self._first_ms else None
