"""One role as a child process: started bound to its parent, its lines passed on, its end reported, its stop timed."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from signal import Signals

from dkronpy.supervisor.bound import bound_command

LONGEST_LINE = 8192
"""Bytes; a longer line of a role is shown in pieces."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """What to run, under which name, and how long it may take to stop."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    stop_within: timedelta = timedelta(seconds=10)
    folder: Path | None = None


def describe_end(status: int) -> str:
    """An exit status as people say it: ``ended with status 3``, ``was killed by SIGKILL``."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


class Child:
    """A running role, in a session of its own so that the terminal's Ctrl-C reaches only its parent.

    It is killed when the thread that made it dies, so that has to be the one that lives as long as the program.
    ``on_end`` is called from another thread with this child and its exit status, ``on_line`` with each line.
    """

    def __init__(
        self, role: Role, *, on_line: Callable[[str, str], None], on_end: Callable[[Child, int], None]
    ) -> None:
        self.role = role
        self._on_line, self._on_end = on_line, on_end
        self._process = subprocess.Popen(
            bound_command(role.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(role.environment),
            cwd=role.folder,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._pass_lines_on, name=f"{role.name} lines", daemon=True)
        self._reader.start()
        threading.Thread(target=self._report_end, name=f"{role.name} end", daemon=True).start()

    def ask_to_stop(self) -> None:
        """Send TERM; nothing if it has ended."""
        self._process.terminate()

    def kill(self) -> None:
        """Send KILL; nothing if it has ended. What it started is ended by its own parts, which are bound to it."""
        self._process.kill()

    def wait(self, limit: timedelta) -> bool:
        """Whether it has ended within *limit*."""
        try:
            self._process.wait(max(0.0, limit.total_seconds()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _pass_lines_on(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        with self._process.stdout as lines:
            while line := lines.readline(LONGEST_LINE):
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                if text:
                    self._on_line(self.role.name, text)

    def _report_end(self) -> None:
        status = self._process.wait()
        # Its last words come before the news of its end; a grandchild that kept the pipe open must not hold it up.
        self._reader.join(1.0)
        self._on_end(self, status)
