"""How often, and after what pause, a failed execution is tried again."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from dkronpy.schedule.durations import DurationError, parse_duration

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

    if TYPE_CHECKING:
        # Pauses are written as durations are everywhere: 90, "90s", "1h30m" or a timedelta.
        def __init__(
            self,
            max: int,  # noqa: A002 - the field's name
            delay: timedelta | str | float = ...,
            backoff: Backoff = ...,
            cap: timedelta | str | float = ...,
            jitter: bool = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("delay", "cap"):
            value = getattr(self, name)
            if not isinstance(value, timedelta):
                with suppress(DurationError):  # what cannot be read stays, for Job.check to name
                    msgspec.structs.force_setattr(self, name, parse_duration(value))

    def pause(self, attempt: int, rng: random.Random) -> timedelta:
        """What to wait after the failed attempt number *attempt* (1 for the first)."""
        pause = self.delay
        if self.backoff == "exponential":
            pause = self.delay * (2 ** min(attempt - 1, 30))
        pause = min(pause, self.cap)
        return pause * rng.uniform(0.5, 1.0) if self.jitter else pause
