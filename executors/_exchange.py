"""One HTTP exchange that ends when it must: its sockets are known, and are shut down from outside."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from dkronpy.plugins.executor import ExecutorError
from dkronpy.plugins.reach import Reach, UnreachableError

T = TypeVar("T")

_UNSTICK = 1.0
_FRESH = 1.0
_SAID = {
    "cancelled": "it was cancelled before the answer was complete",
    "shutdown": "the agent was stopped before the answer was complete",
    "lease_lost_killed": "the node lost touch with the store before the answer was complete",
}
_current = threading.local()


class Exchange:
    """A request with its redirects and its whole answer, in a thread of its own.

    A timeout of the socket would start anew with every byte that a slow server sends, and no timeout
    bounds the look-up of a name. So the calling thread keeps the time: at the end of *limit* (seconds;
    None is no limit) or on ``abort`` it shuts the sockets down, and leaves behind what still hangs.
    """

    def __init__(self, limit: float | None, *, repeatable: bool, reach: Reach) -> None:
        self.limit = limit
        self.reach = reach
        """Where it may go."""
        self.repeatable = repeatable
        """Whether the request may be sent twice, as GET may."""
        self.reused = False
        """Whether the connection in use had served before; such a one may be closing at this moment."""
        self.wants_new = False
        """Whether the next connection has to be a new one."""
        self._deadline = None if limit is None else time.monotonic() + limit
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._sockets: list[socket.socket] = []
        self._finished = False
        self._ended = ""

    def run(self, work: Callable[[], T]) -> T:
        """The result of *work*, or what it raises. Raises ExecutorError when it had to end early."""
        results: list[T] = []
        errors: list[BaseException] = []

        def target() -> None:
            _current.exchange = self
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
                errors.append(error)
            with self._lock:
                self._finished = not self._ended
            self._wake.set()

        thread = threading.Thread(target=target, name="http-exchange", daemon=True)
        thread.start()
        if not self._wake.wait(self.limit):
            self.abort("timeout")
        thread.join(_UNSTICK)
        self._let_go()
        if self._ended:
            raise ExecutorError(self._said(), reason=self._ended)
        if errors:
            raise errors[0]
        return results[0]

    def abort(self, reason: str) -> None:
        """End the exchange from any thread; nothing once it has finished."""
        with self._lock:
            if self._finished or self._ended:
                return
            self._ended = reason
            for sock in self._sockets:
                _shut(sock)
        self._wake.set()

    @property
    def ended(self) -> bool:
        """Whether the exchange had to end early; what it reads from now on counts for nothing."""
        return bool(self._ended)

    def left(self) -> float | None:
        """Seconds for a single wait of a socket; None without a limit.

        A little more than is left, so that it is always the thread that keeps the time who says it is over.
        """
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic()) + _UNSTICK

    def attach(self, sock: socket.socket) -> None:
        """Take note of a socket that the exchange uses."""
        # A descriptor of our own stays good when urllib3 wraps or closes its socket in the other thread.
        ours = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            if not self._ended:
                self._sockets.append(ours)
                return
        _shut(ours)
        ours.close()

    def check(self, address: str) -> None:
        """Raise ExecutorError unless the request may go to that IP address."""
        try:
            self.reach.check(address)
        except UnreachableError as error:
            raise ExecutorError(str(error), retryable=False) from None

    def may_reuse(self, idle: float) -> bool:
        """Whether a connection that was idle for so many seconds may carry the request.

        A server closes idle connections at a moment of its choosing. A request that meets this is lost
        without a trace, and only one that is repeatable can then be sent again.
        """
        self.reused = not self.wants_new and (self.repeatable or idle < _FRESH)
        return self.reused

    def _let_go(self) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for sock in sockets:
            sock.close()

    def _said(self) -> str:
        if self._ended == "timeout":
            return f"no complete answer within {self.limit:g} s"
        return _SAID.get(self._ended, f"it was ended before the answer was complete ({self._ended})")


def current() -> Exchange | None:
    """The exchange that the calling thread carries."""
    return getattr(_current, "exchange", None)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        sock.shutdown(socket.SHUT_RDWR)
