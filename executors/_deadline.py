"""Ends the calls of an attempt in time: a deadline for each, and a cancel that reaches the one under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import Any, TypeVar

from dkronpy.plugins.executor import ExecutionContext, ExecutorError
from dkronpy.plugins.values import Duration, as_timedelta

T = TypeVar("T")
CallT = TypeVar("CallT")

_ROUNDING = 0.05
_SAID = {
    "cancelled": "it was cancelled before the answer was complete",
    "shutdown": "the agent was stopped before the answer was complete",
    "lease_lost_killed": "the node lost touch with the store before the answer was complete",
}


class Watch:
    """The time that an attempt has, and the call that it waits for."""

    def __init__(self, timeout: Duration | None, context: ExecutionContext) -> None:
        own, remaining = as_timedelta(timeout), context.remaining()
        limits = [own.total_seconds() if own is not None else None, remaining]
        self.limit = min((limit for limit in limits if limit is not None), default=None)
        """Seconds for everything; None without a limit."""
        self.ended = ""
        """Why it must end early, once it must."""
        self._deadline = None if self.limit is None else time.monotonic() + self.limit
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._call: Any = None
        context.on_cancel(self.abort)

    def left(self) -> float | None:
        """Seconds that are left; None without a limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def is_late(self) -> bool:
        """Whether the time is over, or so nearly that a deadline may have been rounded to it."""
        left = self.left()
        return left is not None and left < _ROUNDING

    def begin(self, start: Callable[[float | None], CallT]) -> CallT:
        """The call that *start* begins when it is given the seconds that are left; ``abort`` cancels it.

        Raises ExecutorError when the attempt is over already.
        """
        if self.ended:
            raise self.over()
        call = start(self.left())
        with self._lock:
            self._call, ended = call, self.ended
        if ended:
            call.cancel()
        return call

    def abort(self, reason: str) -> None:
        """End the attempt, from any thread."""
        with self._lock:
            self.ended = self.ended or reason
            call = self._call
        self._wake.set()
        if call is not None:
            call.cancel()

    def call(self, work: Callable[[], T], most: float | None = None) -> T:
        """The result of *work*, which knows no deadline: it has a thread of its own, and is left behind if it hangs.

        Raises what it raises, and ExecutorError when the attempt must end first, or *most* seconds have passed.
        """
        future = self.begin(lambda _left: begun(work))
        left = self.left()
        limits = [limit for limit in (left, most) if limit is not None]
        try:
            return future.result(min(limits, default=None))
        except CancelledError:
            raise self.over() from None
        except FutureTimeoutError:
            if future.done():  # it is what the work has raised
                raise
            self.limit = most if left is None else self.limit
            self.abort("timeout")
            raise self.over() from None

    def pause(self, seconds: float) -> bool:
        """Wait for *seconds*; False when the attempt must end, or its time is over, before that."""
        left = self.left()
        return (left is None or seconds < left) and not self._wake.wait(seconds)

    def over(self, known: str = "") -> ExecutorError:
        """What to raise for an attempt that had to end early; *known* is what was heard before."""
        if self.ended == "timeout":
            said = f"no complete answer within {round(self.limit or 0, 2):g} s"
        else:
            said = _SAID.get(self.ended, f"it was ended before the answer was complete ({self.ended})")
        return ExecutorError(f"{said}: {known}" if known else said, reason=self.ended)


def begun(work: Callable[[], T]) -> Future[T]:
    """The result that *work* will have, in a thread of its own; who cancels it waits no longer."""
    future: Future[T] = Future()

    def target() -> None:
        with suppress(InvalidStateError):  # nobody waits any more
            try:
                future.set_result(work())
            except InvalidStateError:
                raise
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
                future.set_exception(error)

    threading.Thread(target=target, name="executor-call", daemon=True).start()
    return future
