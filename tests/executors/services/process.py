"""A server of others as a process of the test: started, frozen, killed and started again, ended by its id."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support import end_process, free_port, wait_until

_PORTS = 3
_IN_USE = re.compile("address (is )?already in use|eaddrinuse", re.IGNORECASE)


class ServerProcess:
    """A server in a folder of its own, on loopback. A context manager.

    Subclasses give the command for a port. The port stays the same through ``kill`` and ``start``.
    """

    start_timeout = 20.0

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self._start_somewhere()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def command(self) -> list[str | Path]:
        """The command line."""
        raise AssertionError(f"{type(self).__name__} has no command")

    def environment(self) -> Mapping[str, str]:
        """What is added to the environment."""
        return {}

    def user(self) -> dict[str, Any]:
        """What ``subprocess`` is told of the user; by default the same."""
        return {}

    def ready(self) -> bool:
        """Whether the server takes connections."""
        return listening(self.port)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``"""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the server has said so far."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start the server, which is down, and wait until it takes connections."""
        assert self.process is None, "the server is running already"
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                start_new_session=True,
                **self.user(),
            )
        process = self.process
        wait_until(
            lambda: process.poll() is not None or self.ready(),
            timeout=self.start_timeout,
            description=f"{type(self).__name__} takes connections",
        )
        assert process.poll() is None, f"{type(self).__name__} ended:\n{self.log}"

    def _start_somewhere(self) -> None:
        """Start it on a free port, and on another where somebody was faster: some take seconds until they listen."""
        for left in reversed(range(_PORTS)):
            self.port = free_port()
            try:
                self.start()
            except AssertionError:
                if not left or not _IN_USE.search(self.log):
                    raise
                self.kill()
            else:
                return

    def kill(self) -> None:
        """End the server as a crash would; ``start`` brings it back."""
        if self.process is not None:
            process, self.process = self.process, None
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End the server for good."""
        if self.process is not None:
            process, self.process = self.process, None
            process.send_signal(signal.SIGCONT)
            end_process(process, grace=self.start_timeout)
        shutil.rmtree(self.folder, ignore_errors=True)

    def freeze(self) -> None:
        """Nothing answers any more, and every connection stays open: not before all of its threads have stopped."""
        assert self.process is not None
        pid = self.process.pid
        self.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: stands_still(pid), description=f"{type(self).__name__} stands still")

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def stands_still(pid: int) -> bool:
    """Whether all threads of a process are stopped: they go on for a moment after the signal."""
    try:
        stats = [(thread / "stat").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):  # one has ended
        return False
    return all(text.rpartition(")")[2].split()[0] == "T" for text in stats)


def listening(port: int) -> bool:
    """Whether somebody takes connections on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
