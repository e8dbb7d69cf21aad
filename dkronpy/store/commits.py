"""Commits that are on their way: each is sent while the store works on those before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from dkronpy.store.line import StepLine
from dkronpy.store.plans import Firing

AHEAD = 2
"""One that the store works on, and one that waits there for it; the next is decided meanwhile."""


class Answer(NamedTuple):
    """What was sent, a code for each, and the store's time."""

    firings: Sequence[Firing]
    codes: list[int]
    now_ms: int


class Commits:
    """A context: what was sent is answered in the same order. redis-py's errors pass through."""

    def __init__(self, line: StepLine, arguments: Callable[[Sequence[Firing]], tuple[Any, ...]]) -> None:
        self._line = line
        self._arguments = arguments
        self._sent: deque[Sequence[Firing]] = deque()

    def __enter__(self) -> Commits:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()

    @property
    def full(self) -> bool:
        """Whether as many are on their way as make sense."""
        return len(self._sent) >= AHEAD

    def send(self, firings: Sequence[Firing]) -> None:
        """Send one more."""
        self._line.send(*self._arguments(firings))
        self._sent.append(firings)

    def receive(self) -> Answer | None:
        """The oldest that is on its way, with what ``fire.lua`` answered; None where none is."""
        if not self._sent:
            return None
        firings = self._sent.popleft()
        now_ms, codes = self._line.receive()
        return Answer(firings, codes, now_ms)
