"""Keeps the time of an attempt that talks to a server: its limit, its cancellation, and calls that hang."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Generic, TypeVar

from dkronpy.plugins.executor import ExecutionContext
from dkronpy.schedule.durations import format_duration

T = TypeVar("T")

log = logging.getLogger(__name__)

_SAID = {
    "cancelled": "it was cancelled",
    "shutdown": "the agent was stopped",
    "lease_lost_killed": "the node lost touch with the store",
}


class Answer(Generic[T]):
    """The result of *work*, which a thread of its own finds out.

    No library bounds every call: names are looked up, servers are frozen. Whoever asked may leave; what
    comes of it then is handed to *late* (in that thread), for there may be something to undo.
    """

    def __init__(
        self, work: Callable[[], T], *, late: Callable[[T], Any] | None = None, wake: Callable[[], None] | None = None
    ) -> None:
        self.done = threading.Event()
        self._work, self._late, self._wake = work, late, wake
        self._lock = threading.Lock()
        self._values: list[T] = []
        self._error: BaseException | None = None
        self._abandoned = False
        threading.Thread(target=self._find, name="executor-call", daemon=True).start()

    def get(self) -> T:
        """What *work* returned or raised; only once it is ``done``."""
        if self._error is not None:
            raise self._error
        return self._values[0]

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            self._abandoned = True
            if not self.done.is_set():
                return
        self._undo()

    def _find(self) -> None:
        try:
            self._values.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            self._error = error
        with self._lock:
            abandoned = self._abandoned
            if not abandoned:
                self.done.set()
        if abandoned:
            self._undo()
            self.done.set()
        if self._wake is not None:
            self._wake()

    def _undo(self) -> None:
        if self._late is None or not self._values:
            return
        try:
            self._late(self._values[0])
        except Exception as error:  # noqa: BLE001 - nobody is there any more to tell it to
            log.warning("what came after an attempt had ended could not be undone: %s", error)


def in_time(work: Callable[[], T], seconds: float) -> T:
    """The result of *work*. Raises TimeoutError when it is not there within *seconds*."""
    answer = Answer(work)
    if not answer.done.wait(seconds):
        answer.abandon()
        raise TimeoutError(f"no answer within {seconds:g} s")
    return answer.get()


class EndedEarly(Exception):  # noqa: N818 - not an error: it reads "except EndedEarly"
    """The attempt must end. ``pending`` is the call that had not come back by then."""

    def __init__(self, pending: Answer[Any] | None = None) -> None:
        super().__init__("the attempt must end")
        self.pending = pending


class Watch:
    """Watches over one attempt: *limit* or the job's timeout, whichever ends first, and cancellation."""

    def __init__(self, context: ExecutionContext, limit: timedelta | None) -> None:
        limits = [] if limit is None else [(limit.total_seconds(), limit)]
        if context.timeout is not None:
            limits.append((context.remaining() or 0.0, context.timeout))
        first = min(limits, default=None)
        self._limit = None if first is None else first[1]
        self._deadline = None if first is None else time.monotonic() + first[0]
        self._reason = ""
        self._changed = threading.Condition()
        context.on_cancel(self.end)

    def end(self, reason: str) -> None:
        """The attempt must end, for this reason; the first one counts."""
        with self._changed:
            self._reason = self._reason or reason
            self._changed.notify_all()

    def notify(self) -> None:
        """Something has changed: those that wait shall look again."""
        with self._changed:
            self._changed.notify_all()

    @property
    def reason(self) -> str:
        """Why the attempt must end; empty while it need not."""
        if not self._reason and self._deadline is not None and time.monotonic() >= self._deadline:
            self.end("timeout")
        return self._reason

    @property
    def said(self) -> str:
        """The same for people."""
        if self.reason == "timeout" and self._limit is not None:
            return f"it had not ended within {format_duration(self._limit)}"
        return _SAID.get(self.reason, f"it had to end ({self.reason})")

    def wait(self, predicate: Callable[[], Any], seconds: float | None = None) -> bool:
        """Wait until *predicate* holds: True; or *seconds* have passed: False. Raises EndedEarly."""
        until = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while True:
                if self.reason:
                    raise EndedEarly
                if predicate():
                    return True
                now = time.monotonic()
                if until is not None and now >= until:
                    return False
                ends = [end - now for end in (until, self._deadline) if end is not None]
                self._changed.wait(max(0.0, min(ends)) if ends else None)

    def pause(self, seconds: float) -> None:
        """Wait for *seconds*. Raises EndedEarly."""
        self.wait(lambda: False, seconds)

    def call(self, work: Callable[[], T], *, late: Callable[[T], Any] | None = None) -> T:
        """The result of *work*. Raises EndedEarly, with what is pending, when the attempt ends first."""
        answer = Answer(work, late=late, wake=self.notify)
        try:
            self.wait(answer.done.is_set)
        except EndedEarly:
            answer.abandon()
            raise EndedEarly(answer) from None
        return answer.get()
