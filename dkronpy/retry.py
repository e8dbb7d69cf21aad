"""How often, and after what pause, a failed execution is tried again."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Literal

import msgspec

Backoff = Literal["fixed", "exponential"]


class Retry(msgspec.Struct, frozen=True):
    """At most ``max`` more tries after the first.

    ``delay`` is the first pause; with ``exponential`` it doubles up to ``cap``. ``jitter`` draws each
    pause between half of it and the whole, so that many failures do not come back at once.
    """

    max: int
    delay: timedelta = timedelta(seconds=1)
    backoff: Backoff = "exponential"
    cap: timedelta = timedelta(minutes=5)
    jitter: bool = True

    def pause(self, attempt: int, rng: random.Random) -> timedelta:
        """What to wait after the failed attempt number *attempt* (1 for the first)."""
        pause = self.delay
        if self.backoff == "exponential":
            pause = self.delay * (2 ** min(attempt - 1, 30))
        pause = min(pause, self.cap)
        return pause * rng.uniform(0.5, 1.0) if self.jitter else pause
