"""The context of one attempt: what an executor is handed, and the way to end it early."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dkronpy.agent.launcher import Launcher
from dkronpy.agent.output import AttemptOutput
from dkronpy.agent.process_handle import ChildProcess
from dkronpy.plugins.executor import Command, Exit
from dkronpy.plugins.reach import Reach

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""What a job inherits of the agent's environment; the rest may hold what is none of its business."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which attempt of what it is."""

    execution_id: str
    run_id: str
    job: str
    node: str
    due: datetime
    attempt: int
    token: int
    params: Mapping[str, Any] = {}


class AttemptContext:
    """An ``ExecutionContext`` on a live node."""

    def __init__(
        self,
        identity: Identity,
        *,
        output: AttemptOutput,
        launcher: Launcher,
        timeout: timedelta | None,
        grace: timedelta,
        reach: Reach,
        trace: Mapping[str, str] | None = None,
        no_new_privs: bool = False,
        vouched_until: float | None = None,
    ) -> None:
        self.execution_id, self.run_id = identity.execution_id, identity.run_id
        self.job, self.node, self.due = identity.job, identity.node, identity.due
        self.attempt, self.token = identity.attempt, identity.token
        self.timeout = timeout
        self.trace: Mapping[str, str] = dict(trace or {})
        self.reach = reach
        self._no_new_privs = no_new_privs
        self.log = logging.getLogger(f"dkronpy.job.{identity.job}")
        self.cancelled = threading.Event()
        self.reason = ""
        self._at_once = False
        self._identity = identity
        self._output = output
        self._launcher = launcher
        self._grace = grace
        self._began = time.monotonic()
        self._vouched_until = vouched_until
        self._child: ChildProcess | None = None
        self._callbacks: list[Callable[[str], None]] = []
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        """Append to the output."""
        self._output.write(data)

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
        callback(self.reason)

    def cancel(self, reason: str, *, at_once: bool = False) -> None:
        """End the attempt early, *at_once* without a grace; the first reason counts. It returns before that is done.

        What a callback raises is logged: who calls this has others to see to.
        """
        with self._lock:
            if self.cancelled.is_set():
                return
            self.reason = reason
            self._at_once = at_once
            self.cancelled.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback(reason)
            except Exception:
                self.log.exception(
                    "%s was to end (%s), and what its executor does then failed", self.execution_id, reason
                )

    def vouch(self, until: float) -> None:
        """Let what was spawned run until then (seconds of the monotonic clock), where it needs somebody who vouches."""
        with self._lock:
            self._vouched_until, child = until, self._child
        if child is not None:
            child.vouch(until)

    def environment(self, extra: dict[str, str]) -> dict[str, str]:
        """PATH, HOME, LANG of the node, ``DKRONPY_*``, and *extra*."""
        own = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        return own | extra | self._variables()

    def spawn(self, command: Command) -> Exit:
        """Run *command* behind the shim, its output streamed as it comes."""
        limits = [limit for limit in (command.timeout, self._left()) if limit is not None]
        ready = msgspec.structs.replace(
            command,
            env=command.env | self._variables(),
            timeout=min(limits) if limits else None,
            grace=self._grace,
            no_new_privs=self._no_new_privs,
            context=self._facts(),
            vouched_until=self._vouched_until,
        )
        with self._launcher.launch(ready) as child:
            self._stand_by(child)
            self.on_cancel(lambda reason: child.kill(reason, timedelta(0) if self._at_once else None))
            for stream, data in child.pieces():
                self._output.write(data, stream)
            return child.wait()

    def _stand_by(self, child: ChildProcess) -> None:
        """Vouch for a child from now on, and for the time that was vouched for while it was launched."""
        with self._lock:
            self._child, until = child, self._vouched_until
        if until is not None:
            child.vouch(until)

    def _left(self) -> timedelta | None:
        left = self.remaining()
        return None if left is None else timedelta(seconds=left)

    def _variables(self) -> dict[str, str]:
        identity = self._identity
        return {
            "DKRONPY_JOB": identity.job,
            "DKRONPY_NODE": identity.node,
            "DKRONPY_RUN_ID": identity.run_id,
            "DKRONPY_EXECUTION_ID": identity.execution_id,
            "DKRONPY_ATTEMPT": str(identity.attempt),
            "DKRONPY_FENCING_TOKEN": str(identity.token),
            "DKRONPY_DUE": identity.due.isoformat(),
            **{name.upper(): value for name, value in self.trace.items()},
            **{f"DKRONPY_PARAM_{name.upper()}": _shown(value) for name, value in identity.params.items()},
        }

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = msgspec.to_builtins(self._identity)
        return facts


def _shown(value: Any) -> str:
    """A parameter as the environment has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
