"""Runs an executor as a node would, without a server or an agent: for the tests of executors."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from dkronpy.errors import NotFoundError
from dkronpy.plugins.executor import Command, Executor, ExecutorError, Exit, Outcome
from dkronpy.plugins.options import Options, resolve_secrets
from dkronpy.plugins.reach import Reach
from dkronpy.plugins.template import Facts, JobFacts, render_options
from dkronpy.secret import Secret

if TYPE_CHECKING:
    from dkronpy.agent.launcher import Launcher

_HALF = 128_000
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
_MASK = b"***"


class ExecutorHarness:
    """An ``ExecutionContext`` of its own, and what runs an executor in it.

    Processes are started by *launcher*, or by one of its own that ``close`` stops. *secrets* holds the
    values that ``secret("name")`` stands for; requests may go anywhere, unless *reach* says otherwise. Of
    the output the first and the last 128,000 bytes are kept, with the values of secrets masked.
    """

    def __init__(
        self,
        *,
        job: str = "job",
        node: str = "node1",
        timeout: timedelta | None = None,
        secrets: Mapping[str, str] | None = None,
        launcher: Launcher | None = None,
        reach: Reach | None = None,
        attempt: int = 1,
        token: int = 1,
        trace: Mapping[str, str] | None = None,
    ) -> None:
        self.due = datetime(2026, 11, 23, 2, 30, tzinfo=timezone.utc)
        self.job, self.node = job, node
        self._name()
        self.attempt, self.token, self.timeout = attempt, token, timeout
        self.trace: Mapping[str, str] = dict(trace or {})
        self.log = logging.getLogger(f"dkronpy.testing.{job}")
        self.reach = reach or Reach.everywhere()
        self.cancelled = threading.Event()
        self.output_size = 0
        self._secrets = dict(secrets or {})
        self._launcher, self._owns_launcher = launcher, launcher is None
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[str], None]] = []
        self._reason = ""
        self._begin(frozenset())

    def __enter__(self) -> ExecutorHarness:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process that was started here."""
        if self._launcher is not None and self._owns_launcher:
            self._launcher.stop(timedelta(0))
            self._launcher = None

    def run(self, executor: Executor[Any], options: Options) -> tuple[Outcome, bytes]:
        """Run one attempt: how it ended, and its output. An ExecutorError becomes the outcome it names.

        Raises InvalidError for options that a job could not be saved with, as ``from_config`` does.
        """
        facts = Facts(
            job=JobFacts(name=self.job), due=self.due, node=self.node, attempt=self.attempt,
            run_id=self.run_id, execution_id=self.execution_id,
        )  # fmt: skip
        ready = render_options(type(options), options.to_config(), facts, job=self.job)
        resolved, masked = resolve_secrets(ready, self._resolve)
        self._begin(masked)
        try:
            outcome = executor.execute(resolved, self)
        except ExecutorError as error:
            outcome = Outcome(success=False, reason=error.reason, message=str(error), retryable=error.retryable)
        finally:
            with self._lock:
                self._callbacks.clear()  # a later cancel is no concern of an attempt that has ended
        return outcome, self.output

    def next_execution(self) -> None:
        """Go on to the run that is due a second later: what is run from now on is another execution."""
        self.due += timedelta(seconds=1)
        self._name()

    def cancel(self, reason: str = "cancelled") -> None:
        """End the attempt early, from another thread, as a user's cancel or the agent would."""
        with self._lock:
            if self.cancelled.is_set():
                return
            self._reason = reason
            self.cancelled.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(reason)

    @property
    def output(self) -> bytes:
        """What was written so far, without the middle of what is long."""
        with self._lock:
            kept = bytes(self._head + self._tail)
        for value in self._masked:
            kept = kept.replace(value, _MASK)
        return kept

    def write(self, data: bytes) -> None:
        """Append to the output."""
        with self._lock:
            self.output_size += len(data)
            room = _HALF - len(self._head)
            self._head += data[:room]
            self._tail += data[room:]
            del self._tail[:-_HALF]

    def remaining(self) -> float | None:
        """Seconds until the timeout; None without one."""
        if self.timeout is None:
            return None
        return max(0.0, self._began + self.timeout.total_seconds() - time.monotonic())

    def on_cancel(self, callback: Callable[[str], None]) -> None:
        """Call *callback* with the reason when the attempt must end early; at once if it must already."""
        with self._lock:
            if not self.cancelled.is_set():
                self._callbacks.append(callback)
                return
        callback(self._reason)

    def environment(self, extra: dict[str, str]) -> dict[str, str]:
        """A job's environment: PATH, HOME and LANG of this process, ``DKRONPY_*``, and *extra*."""
        own = {name: os.environ[name] for name in _KEPT if name in os.environ}
        facts = self._facts() | {"fencing_token": self.token}
        del facts["token"]
        return own | {f"DKRONPY_{name.upper()}": str(value) for name, value in facts.items()} | extra

    def spawn(self, command: Command) -> Exit:
        """Run *command* behind the real shim."""
        limits = [limit for limit in (command.timeout, self._left()) if limit is not None]
        ready = msgspec.structs.replace(command, timeout=min(limits, default=None), context=self._facts())
        with self._started_launcher().launch(ready) as child:
            self.on_cancel(child.kill)
            for _stream, data in child.pieces():
                self.write(data)
            return child.wait()

    def _name(self) -> None:
        self.run_id = f"{self.job}@{self.due:%Y-%m-%dT%H:%M:%S}.000Z"
        self.execution_id = f"{self.run_id}.0"

    def _facts(self) -> dict[str, Any]:
        """What a callable's ``RunContext`` and the variables of a job are made of."""
        names = ("job", "node", "run_id", "execution_id", "attempt", "token")
        return {"due": self.due.isoformat(), **{name: getattr(self, name) for name in names}}

    def _left(self) -> timedelta | None:
        left = self.remaining()
        return None if left is None else timedelta(seconds=left)

    def _begin(self, masked: frozenset[str]) -> None:
        with self._lock:
            self._masked = [value.encode() for value in sorted(masked, key=len, reverse=True)]
            self._head, self._tail = bytearray(), bytearray()
            self.output_size = 0
            self._began = time.monotonic()

    def _started_launcher(self) -> Launcher:
        from dkronpy.agent.launcher import Launcher

        if self._launcher is None:
            self._launcher = Launcher()
        self._launcher.start()
        return self._launcher

    def _resolve(self, reference: Secret) -> str:
        try:
            return self._secrets[reference.secret]
        except KeyError:
            raise NotFoundError(f"the harness was given no secret {reference.secret!r}") from None
