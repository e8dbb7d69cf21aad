"""Starts commands in killable children: owns the helper process and asks it for a shim per command."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import msgspec

from dkronpy.agent.process_handle import ChildProcess, HelperError
from dkronpy.agent.process_messages import PACKET_BYTES, Launch, make_packet_pair
from dkronpy.agent.process_tree import EXECUTION_ID, find_processes
from dkronpy.plugins.executor import Command, Exit

__all__ = ["ChildProcess", "Command", "Exit", "HelperError", "Launcher", "find_processes"]

_START_SECONDS = 30.0
_STOP_MARGIN = timedelta(seconds=6)
# The helper gets no more of the agent's environment than Python needs: the rest may hold secrets, and a
# callable could read them in its memory.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONHOME")
_ROOM_FOR_EXECUTION_ID = "-" * 512


class Launcher:
    """Owns the helper process of an agent; safe to use from many threads.

    The helper is started as a program of its own (never by a bare fork), which is safe at any time in a
    process with threads; one that has died is replaced at the next launch.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._children: set[ChildProcess] = set()
        self._stopped = False

    @property
    def alive(self) -> bool:
        """Whether the helper process runs."""
        helper = self._helper
        return helper is not None and helper.poll() is None

    @property
    def helper_pid(self) -> int | None:
        """The process id of the helper; None while there is none."""
        helper = self._helper
        return None if helper is None else helper.pid

    def start(self) -> None:
        """Start the helper unless it runs.

        Raises HelperError when it cannot be started.
        """
        with self._lock:
            self._stopped = False
            self._ensure_helper()

    def launch(self, command: Command, *, keep_background: bool = False) -> ChildProcess:
        """Start *command* behind a shim of its own; returns once its child was forked.

        A command that cannot begin (not found, no such directory or user) ends with ``spawn_failed``. With
        *keep_background*, what the command has left running when it ends is let be.

        Raises HelperError where no command can be started: after ``stop``, or for want of descriptors.
        """
        try:
            for _ in range(2):
                child = self._request(command, keep_background=keep_background)
                if child is not None:
                    return child
        except OSError as exc:
            raise HelperError(f"the agent cannot start a command: {exc}") from exc
        raise HelperError("the helper process dies as soon as it is asked to start a command")

    def stop(self, grace: timedelta) -> None:
        """End what runs (reason ``shutdown``, TERM, and KILL after *grace*), and then the helper; refuse launches."""
        with self._lock:
            self._stopped = True
            children, self._children = self._children, set()
        for child in children:
            child.kill("shutdown", grace)
        deadline = time.monotonic() + (grace + _STOP_MARGIN).total_seconds()
        for child in children:
            with suppress(ValueError):  # its owner closed it
                child.wait(timedelta(seconds=max(0.0, deadline - time.monotonic())))
        with self._lock:
            self._drop_helper(max(1.0, deadline - time.monotonic()))

    def _request(self, command: Command, *, keep_background: bool) -> ChildProcess | None:
        """Ask the helper for a shim; None when the helper died before the command could begin."""
        ours, theirs = make_packet_pair()
        output, writing = os.pipe()
        child = ChildProcess(ours, output, command.env.get(EXECUTION_ID, ""))
        launch = Launch(cwd=_current_directory(), keep_background=keep_background)
        try:
            with ExitStack() as handed_over:
                handed_over.callback(theirs.close)
                handed_over.callback(os.close, writing)
                fds = [theirs.fileno(), writing]
                contents = [msgspec.msgpack.encode(msgspec.structs.replace(command, stdin=b""))]
                if command.stdin:
                    contents.append(command.stdin)
                for content in contents:
                    fds.append(_make_memory_file(content))
                    handed_over.callback(os.close, fds[-1])
                sent = self._send(msgspec.json.encode(launch), fds)
            begun = sent and child.await_start()
        except BaseException:
            child.close()
            raise
        if begun:
            with self._lock:
                self._children = {known for known in self._children if not known.closed} | {child}
            return child
        child.close()
        return None

    def _send(self, packet: bytes, fds: Iterable[int]) -> bool:
        with self._lock:
            helper = self._ensure_helper()
            try:
                socket.send_fds(helper, [packet], list(fds))
            except (BrokenPipeError, ConnectionResetError):
                self._drop_helper(0)
                return False
        return True

    def _ensure_helper(self) -> socket.socket:
        if self._stopped:
            raise HelperError("no command is started any more: the agent is stopping")
        if self._socket is not None and self.alive:
            return self._socket
        self._drop_helper(0)
        ours, theirs = make_packet_pair()
        with theirs:
            self._helper = subprocess.Popen(
                [sys.executable, "-m", "dkronpy.agent.process_helper", "--fd", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=_helper_environment(),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._socket = ours
        ready = b""
        with suppress(ConnectionResetError):
            poller = select.poll()
            poller.register(ours, select.POLLIN)
            if poller.poll(_START_SECONDS * 1000):
                ready = ours.recv(PACKET_BYTES)
        if not ready:
            self._drop_helper(0)
            raise HelperError(
                f"the helper process of the agent did not start ({sys.executable}); its own words are above"
            )
        return ours

    def _drop_helper(self, seconds: float) -> None:
        """Close the connection and collect the helper, which goes by itself within *seconds* or is killed."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._helper is not None:
            with suppress(subprocess.TimeoutExpired):
                self._helper.wait(seconds)
            self._helper.kill()
            self._helper.wait()
            self._helper = None


def _helper_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    return kept | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "DKRONPY_RESERVED": _ROOM_FOR_EXECUTION_ID}


def _make_memory_file(content: bytes) -> int:
    """A file without a name that holds *content*, to be read from its beginning."""
    fd = os.memfd_create("dkronpy")
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _current_directory() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was removed under the agent
        return "/"
