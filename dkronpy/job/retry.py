"""How often, after what pause, after which failures and where a failed execution is tried again."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from dkronpy.schedule.durations import DurationError, parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

Backoff = Literal["fixed", "exponential"]

KINDS = ("exit", "timeout", "signal", "oom", "executor_error", "lease_lost_killed")
"""The failures that ``on`` may name: reasons under which a node reports the end of an attempt."""
_CODES = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?|([1-9])xx", re.ASCII)


class Retry(msgspec.Struct, frozen=True):
    """At most ``max`` more tries after the first.

    ``delay`` is the first pause; with ``exponential`` it doubles up to ``cap``. ``jitter`` draws each
    pause between half of it and the whole, so that many failures do not come back at once.

    ``on`` names the failures that are worth another try, none for all of them: kinds (``"timeout"``),
    and exit codes or HTTP statuses (``75``, ``"70-79"``, ``"5xx"``). ``elsewhere`` asks for another node than
    the one that failed, where one is alive.
    """

    max: int
    delay: timedelta = timedelta(seconds=1)
    backoff: Backoff = "exponential"
    cap: timedelta = timedelta(minutes=5)
    jitter: bool = True
    on: tuple[str, ...] = ()
    elsewhere: bool = False

    if TYPE_CHECKING:
        # Pauses are written as durations are everywhere: 90, "90s", "1h30m" or a timedelta; codes as numbers or text.
        def __init__(
            self,
            max: int,  # noqa: A002 - the field's name
            delay: timedelta | str | float = ...,
            backoff: Backoff = ...,
            cap: timedelta | str | float = ...,
            jitter: bool = ...,
            on: Sequence[str | int] | str | int = ...,
            elsewhere: bool = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("delay", "cap"):
            value = getattr(self, name)
            if not isinstance(value, timedelta):
                with suppress(DurationError):  # what cannot be read stays, for Job.check to name
                    msgspec.structs.force_setattr(self, name, parse_duration(value))
        on: Any = self.on
        if on or not isinstance(on, tuple):
            several = on if isinstance(on, (tuple, list)) else (on,)
            texts = tuple(str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in several)
            msgspec.structs.force_setattr(self, "on", texts)

    def pause(self, attempt: int, rng: random.Random) -> timedelta:
        """What to wait after the failed attempt number *attempt* (1 for the first)."""
        pause = self.delay
        if self.backoff == "exponential":
            doublings = 2 ** min(attempt - 1, 30)
            pause = self.cap if self.cap / doublings < self.delay else self.delay * doublings  # no more than there is
        pause = min(pause, self.cap)
        return pause * rng.uniform(0.5, 1.0) if self.jitter else pause

    def wants(self, reason: str, code: int | None) -> bool:
        """Whether a failure of this kind, with this exit code or HTTP status, is worth another try."""
        return not self.on or any(one == reason or _covers(one, code) for one in self.on)

    def unknown(self) -> Iterator[Any]:
        """What in ``on`` is neither a kind of failure nor a code."""
        for one in self.on:
            if not isinstance(one, str) or (one not in KINDS and not _is_code(one)):
                yield one


def _is_code(text: str) -> bool:
    match = _CODES.fullmatch(text)
    return match is not None and (match[2] is None or int(match[1]) <= int(match[2]))


def _covers(text: str, code: int | None) -> bool:
    match = _CODES.fullmatch(text)
    if match is None or code is None:
        return False
    if match[3]:
        return code // 100 == int(match[3])
    return int(match[1]) <= code <= int(match[2] or match[1])
