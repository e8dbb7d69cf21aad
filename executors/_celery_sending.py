"""Sends a task to a user's workers within its time, waits for what comes of it, and says why nothing came."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from kombu.exceptions import ContentDisallowed, EncodeError, KombuError
from redis.exceptions import AuthenticationError, NoPermissionError

from dkronpy.plugins.executor import ExecutionContext, ExecutorError, Outcome

from ._celery_wire import Wire, where, wire_key
from ._deadline import Watch, begun
from ._pool import Pool

if TYPE_CHECKING:
    from .celery import CeleryTask

T = TypeVar("T")

_SEND = 30.0
_STOP, _SEEN = 3.0, 2.0
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.5
_UNKNOWN = "no worker has said that it began"
_REFUSED = (AuthenticationError, NoPermissionError)
_REFUSED_CODES = (403, 530)
_REFUSED_WORDS = ("WRONGPASS", "NOAUTH", "NOPERM", "invalid username-password", "ACCESS_REFUSED")


class Sender:
    """Sends tasks over wires that it keeps."""

    def __init__(self) -> None:
        self._wires: Pool[Wire] = Pool(Wire.close)

    def close(self) -> None:
        """Close the idle wires."""
        self._wires.close()

    def run(self, options: CeleryTask, context: ExecutionContext) -> Outcome:
        """Send the task, and wait for it if that is wanted. Raises ExecutorError."""
        watch = Watch(options.timeout, context)
        sending = _Sending(options, context, watch)
        key = wire_key(options)
        wire = watch.call(lambda: self._wires.take(key)) or _opened(options)
        try:
            wire, outcome = sending.run(wire)
        except ExecutorError as error:
            sending.revoke(error)
            raise
        wire.fresh = False
        self._wires.give(key, wire)
        return outcome


def _opened(options: CeleryTask) -> Wire:
    try:
        return Wire(options)
    except (KeyError, ImportError, ValueError) as error:
        raise ExecutorError(f"the broker's URL cannot be used: {error}", retryable=False) from None


class _Sending:
    """One task on its way, and back."""

    def __init__(self, options: CeleryTask, context: ExecutionContext, watch: Watch) -> None:
        self._options = options
        self._context = context
        self._watch = watch
        self._sent = False
        self._limit: int | None = None
        self._left_behind = False
        self._broker = where(str(options.broker))
        self._backend = where(str(options.result_backend))

    def run(self, wire: Wire) -> tuple[Wire, Outcome]:
        """What came of it, and a wire that works (not always the given one; whichever does not is closed)."""
        try:
            if self._options.wait and (meta := self._earlier(wire)):
                return wire, self._finished(meta, "an earlier attempt had finished it: ")
            wire = self._send(wire)
            if not self._options.wait:
                self._context.write(self._context.execution_id.encode() + b"\n")
                message = f"{self._options.task} sent to queue {self._options.queue}"
                return wire, Outcome(success=True, message=message, result=self._context.execution_id)
            return wire, self._finished(self._await(wire))
        except BaseException:
            self._left_behind = True
            begun(wire.close)
            raise

    def revoke(self, error: ExecutorError) -> None:
        """Have the workers end a task that somebody cancelled; *error* then says whether that was seen.

        Workers remember for hours what was revoked, and would not begin it again: so it is not done where a
        retry, which has the same id, may follow.
        """
        if error.reason != "cancelled" or not self._sent:
            return
        said = "the workers were told to end it"
        try:
            if begun(self._revoked).result(_STOP):
                said = "the workers have ended it"
            elif self._options.wait:
                said += ", which none has confirmed"
        except (Exception, FutureTimeoutError) as failure:  # noqa: BLE001 - whatever it is, it is told
            said = f"the workers could not be told to end it: {_line(failure)}"
        error.args = (f"{error}; {said}",)

    def _revoked(self) -> bool:
        """Revoke the task on a new wire, for the other may hang; whether it was seen to end."""
        wire = Wire(self._options)
        try:
            wire.revoke(self._context.execution_id)
            if not self._options.wait:
                return False
            until, pause = time.monotonic() + _SEEN, threading.Event()
            while time.monotonic() < until:
                if self._look(wire)["status"] in wire.backend.READY_STATES:
                    return True
                pause.wait(_FIRST_LOOK)
            return False
        finally:
            wire.close()

    def _send(self, wire: Wire) -> Wire:
        left = self._watch.left()
        self._limit = math.ceil(left) if self._options.wait and left is not None else None
        self._sent = True
        try:
            self._guarded(wire, lambda: wire.send(self._options, self._context, self._limit), _SEND)
        except ExecutorError:
            raise
        except Exception as error:  # noqa: BLE001 - every transport has errors of its own
            lost = isinstance(error, (*wire.connection.connection_errors, KombuError, OSError))
            if wire.fresh or not lost:
                raise self._refusal(error, self._broker, "send to") from None
            begun(wire.close)  # the broker has closed a kept connection, perhaps long ago
            return self._send(_opened(self._options))
        return wire

    def _earlier(self, wire: Wire) -> dict[str, Any] | None:
        """The success of an earlier attempt, if there was one; its failure is forgotten, else it would be ours."""
        try:
            meta = self._guarded(wire, lambda: self._look(wire), _SEND)
            if meta["status"] == "SUCCESS":
                return meta
            if meta["status"] != "PENDING":
                self._guarded(wire, lambda: wire.backend.forget(self._context.execution_id), _SEND)
        except ExecutorError:
            raise
        except Exception as error:  # noqa: BLE001 - every backend has errors of its own
            raise self._refusal(error, self._backend, "read results from") from None
        return None

    def _await(self, wire: Wire) -> dict[str, Any]:
        """What the backend has of the task once it has ended. An outage of the backend is waited out."""
        pause, known = _FIRST_LOOK, _UNKNOWN
        while True:
            try:
                meta = self._guarded(wire, lambda: self._look(wire), _SEND)
                if self._is_late_end(meta):
                    self._guarded(wire, lambda: wire.backend.forget(self._context.execution_id), _SEND)
                elif meta["status"] in wire.backend.READY_STATES:
                    return meta
                known = _UNKNOWN if meta["status"] == "PENDING" else f"its state is {meta['status']}"
            except ExecutorError as error:
                if not self._watch.ended:
                    raise
                raise self._watch.over(known) from error
            except ContentDisallowed as error:
                raise ExecutorError(f"the result is not JSON: {_line(error)}", retryable=False) from None
            except Exception as error:  # noqa: BLE001 - every backend has errors of its own
                known = f"cannot read results from {self._backend}: {_line(error)}"
            left = self._watch.left()
            if not self._watch.pause(pause if left is None else min(pause, left - _FIRST_LOOK)):
                self._watch.abort("timeout")
                raise self._watch.over(known)
            pause = min(pause * 1.5, _LAST_LOOK)

    def _is_late_end(self, meta: dict[str, Any]) -> bool:
        """Whether an earlier attempt's task was ended by its limit just now: ours cannot be, before we have left."""
        return self._limit is not None and type(meta.get("result")).__name__ == "TimeLimitExceeded"

    def _look(self, wire: Wire) -> dict[str, Any]:
        meta: dict[str, Any] = wire.backend.get_task_meta(self._context.execution_id, cache=False)
        return meta

    def _finished(self, meta: dict[str, Any], before: str = "") -> Outcome:
        status, result, task = meta["status"], meta.get("result"), self._options.task
        if status == "SUCCESS":
            self._context.write(json.dumps(result, ensure_ascii=False, default=str).encode() + b"\n")
            return Outcome(success=True, message=f"{before}{task} succeeded", result=result)
        if traceback := meta.get("traceback"):
            self._context.write(str(traceback).encode("utf-8", "replace") + b"\n")
        why = f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else str(result)
        return Outcome(success=False, reason="executor_error", message=f"{task} ended as {status}: {why}")

    def _guarded(self, wire: Wire, work: Callable[[], T], most: float) -> T:
        """*work* within the time. A wire that it still hangs on is closed by whoever comes back last."""

        def closing() -> T:
            try:
                return work()
            finally:
                if self._left_behind:
                    wire.close()

        return self._watch.call(closing, most)

    def _refusal(self, error: Exception, where: str, what: str) -> ExecutorError:
        if isinstance(error, EncodeError):
            return ExecutorError(f"the arguments cannot be sent: {_line(error)}", retryable=False)
        line = _line(error)
        code = getattr(error, "reply_code", None)
        refused = isinstance(error, _REFUSED) or code in _REFUSED_CODES or any(word in line for word in _REFUSED_WORDS)
        return ExecutorError(f"cannot {what} {where}: {line}", retryable=not refused)


def _line(error: BaseException) -> str:
    """One line on an error, the innermost that says something."""
    with suppress(IndexError):
        inner = error.args[0]
        if isinstance(inner, BaseException):
            return _line(inner)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
