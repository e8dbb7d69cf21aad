"""What an executor is: one class with typed options that does the work of an attempt."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from dkronpy.errors import DkronpyError
from dkronpy.plugins.command import Command, Exit
from dkronpy.plugins.options import Options
from dkronpy.plugins.reach import Reach

__all__ = ["Command", "ExecutionContext", "Executor", "ExecutorError", "Exit", "Outcome", "RunContext"]

OptionsT = TypeVar("OptionsT", bound=Options)


class ExecutorError(DkronpyError):
    """The work failed in a way the executor can name.

    ``reason`` is one of the reason codes of a failed attempt; ``retryable`` is False where another try
    with the same definition must fail again (a bad option, an unknown topic).
    """

    def __init__(self, message: str, *, reason: str = "executor_error", retryable: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.retryable = retryable


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, in the executor's own words.

    ``reason`` is empty for a success, else ``exit``, ``signal``, ``timeout``, ``oom``, ``cancelled``,
    ``lease_lost_killed`` or ``executor_error``. ``exit_code`` is a process's exit status or an HTTP
    status; ``result`` is any small JSON value (a callable's return value).
    """

    success: bool
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    retryable: bool = True
    result: Any = None


class ExecutionContext(Protocol):
    """All that an executor is handed besides its options."""

    execution_id: str
    run_id: str
    job: str
    node: str
    due: datetime
    attempt: int
    token: int
    log: logging.Logger
    cancelled: threading.Event
    timeout: timedelta | None
    trace: Mapping[str, str]
    """Headers for whatever is called, so that it joins the trace of this run; empty where nobody traces."""
    reach: Reach

    def write(self, data: bytes) -> None:
        """Append to the output of the attempt; it is streamed, capped and masked."""
        ...

    def remaining(self) -> float | None:
        """Seconds until the attempt's timeout; None without one, 0.0 once it has passed."""
        ...

    def on_cancel(self, callback: Callable[[str], None]) -> None:
        """Call *callback(reason)* (from another thread, once) when the attempt must end early."""
        ...

    def spawn(self, command: Command) -> Exit:
        """Run *command* behind the shim, its output streamed to ``write``; returns when all of it is gone.

        ``DKRONPY_*`` variables, the timeout and cancellation are the context's business.
        """
        ...

    def environment(self, extra: dict[str, str]) -> dict[str, str]:
        """The environment of a job: PATH, HOME, LANG of the node, ``DKRONPY_*``, and *extra*."""
        ...


class Executor(Generic[OptionsT]):
    """The base of every executor: one instance a node, shared by its threads.

    Subclasses set ``options`` to their options type and implement ``execute``. Connections that are
    worth keeping between attempts belong to the instance and end in ``close``.
    """

    options: ClassVar[type[Options]]

    def execute(self, options: OptionsT, context: ExecutionContext) -> Outcome:
        """Do the work of one attempt and say how it ended.

        Raises ExecutorError for a failure it can name; any other exception is recorded as
        ``executor_error`` with its traceback in the node's log.
        """
        raise TypeError(f"{type(self).__name__} does not implement execute()")

    def close(self) -> None:
        """Let go of what is kept between attempts."""

    def kept(self) -> int:
        """How many connections are kept between attempts at this moment, for the metrics."""
        return 0


class RunContext(msgspec.Struct, kw_only=True):
    """What a Python callable gets when its first parameter is annotated with this type."""

    execution_id: str
    run_id: str
    job: str
    node: str
    due: datetime
    attempt: int
    token: int
    params: dict[str, Any] = {}
    """The parameters of the run."""
    cancelled: Any = None
    """A ``threading.Event`` that is set when the run is cancelled or times out."""
