"""Starts commands in killable children: takes a waiting shim for each, and hands it the command."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import msgspec

from dkronpy.agent.process_handle import ChildProcess, HelperError
from dkronpy.agent.process_messages import make_packet_pair
from dkronpy.agent.process_spares import Spares, WaitingShim
from dkronpy.agent.process_tree import EXECUTION_ID, find_processes
from dkronpy.agent.shim_exit import not_a_command
from dkronpy.agent.shim_messages import NO_LAUNCH, Launch, write_launch
from dkronpy.plugins.command import Command, Exit

__all__ = ["ChildProcess", "Command", "Exit", "HelperError", "Launcher", "find_processes"]

_STOP_MARGIN = timedelta(seconds=6)
_TRIES = 10
"""How often a shim or a helper that was killed just now is made up for by another."""


class Launcher:
    """Owns the helper processes of an agent; safe to use from many threads.

    One helper is for programs, the other for Python callables; that one is started when the first is called. With
    *python_shim*, shims stay in Python where they could become the compiled one.
    """

    def __init__(self, *, python_shim: bool = False) -> None:
        self._lock = threading.Lock()
        arguments = ("--python-shim",) if python_shim else ()
        self._programs = Spares(*arguments)
        self._callables = Spares("--callables", *arguments)
        self._children: set[ChildProcess] = set()

    @property
    def alive(self) -> bool:
        """Whether the helper of programs runs."""
        return self._programs.alive

    @property
    def compiled(self) -> bool:
        """Whether programs run behind the compiled shim; False before ``start``."""
        return self._programs.compiled

    @property
    def helper_pid(self) -> int | None:
        """The process id of the helper of programs; None while there is none."""
        return self._programs.helper_pid

    @property
    def helper_pids(self) -> tuple[int, ...]:
        """The process ids of the helpers that there are."""
        return tuple(pid for pid in (self._programs.helper_pid, self._callables.helper_pid) if pid is not None)

    def start(self) -> None:
        """Start the helper of programs unless it runs.

        Raises HelperError when it cannot be started.
        """
        self._callables.permit()
        self._programs.start()

    def launch(self, command: Command, *, keep_background: bool = False) -> ChildProcess:
        """Start *command* behind a shim of its own; returns once its child is there and begins.

        A command that cannot begin (not found, no such directory or user) ends with ``spawn_failed``. With
        *keep_background*, what the command has left running when it ends is let be.

        Raises HelperError where no command can be started: after ``stop``, or for want of descriptors.
        """
        spares = self._programs if command.callable is None else self._callables
        try:
            launch = _launch_of(command, keep_background=keep_background)
        except msgspec.ValidationError as exc:
            return _refused(not_a_command(str(exc)))
        try:
            for _ in range(_TRIES):
                taken = spares.take()
                if isinstance(taken, Exit):
                    return _refused(taken)
                if taken and (child := self._hand_over(spares, taken, command, launch)):
                    return child
        except OSError as exc:
            raise HelperError(f"the agent cannot start a command: {exc}") from exc
        raise HelperError("the helper process dies as soon as it is asked to start a command")

    def _hand_over(self, spares: Spares, shim: WaitingShim, command: Command, launch: Launch) -> ChildProcess | None:
        try:
            child = _begin(shim, command, launch)
        finally:
            spares.replace(shim)  # now, and not before: on two processors a fork would stand in the command's way
        if child is not None:
            with self._lock:
                self._children = {known for known in self._children if not known.closed} | {child}
        return child

    def stop(self, grace: timedelta) -> None:
        """End what runs (reason ``shutdown``, TERM, and KILL after *grace*), and then the helpers; refuse launches."""
        for spares in (self._programs, self._callables):
            spares.refuse()
        with self._lock:
            children, self._children = self._children, set()
        for child in children:
            child.kill("shutdown", grace)
        deadline = time.monotonic() + (grace + _STOP_MARGIN).total_seconds()
        for child in children:
            with suppress(ValueError):  # its owner closed it
                child.wait(timedelta(seconds=max(0.0, deadline - time.monotonic())))
        for spares in (self._programs, self._callables):
            spares.stop(max(1.0, deadline - time.monotonic()))


def _begin(shim: WaitingShim, command: Command, launch: Launch) -> ChildProcess | None:
    """Hand *command* to a shim; None where that was killed before the command could begin."""
    try:
        reading, writing = _make_pipes(2 if command.separate_stderr else 1)
    except OSError:
        shim.socket.close()
        raise
    child = ChildProcess(shim.socket, reading, launch, command.env.get(EXECUTION_ID, ""))
    try:
        with ExitStack() as handed_over:
            for fd in writing:
                handed_over.callback(os.close, fd)
            files = []
            for make in (_encode, _open_input):
                files.append(make(command))
                handed_over.callback(os.close, files[-1])
            with suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(shim.socket, [write_launch(launch)], [*files, writing[0], writing[-1]])
        begun = child.await_start()
    except BaseException:
        child.close()
        raise
    if begun:
        return child
    child.close()
    return None


def _make_pipes(count: int) -> tuple[list[int], list[int]]:
    """The ends to read from, and those to write to. Raises OSError for want of descriptors, and leaves none open."""
    reading: list[int] = []
    writing: list[int] = []
    try:
        for _ in range(count):
            for end, ends in zip(os.pipe(), (reading, writing), strict=True):
                ends.append(end)
    except OSError:
        for fd in (*reading, *writing):
            os.close(fd)
        raise
    return reading, writing


def _launch_of(command: Command, *, keep_background: bool) -> Launch:
    fields = {
        "cwd": _current_directory(),
        "keep_background": keep_background,
        "grace": command.grace.total_seconds(),
        "timeout": None if command.timeout is None else command.timeout.total_seconds(),
        "mem_limit": command.mem_limit,
        "vouched_until": command.vouched_until,
    }
    return msgspec.convert(fields, Launch)


def _encode(command: Command) -> int:
    """A file from which the child reads what it is to become."""
    return _make_memory_file(msgspec.msgpack.encode(msgspec.structs.replace(command, stdin=b"")))


def _open_input(command: Command) -> int:
    """A file with the command's standard input."""
    return _make_memory_file(command.stdin) if command.stdin else os.open(os.devnull, os.O_RDONLY)


def _refused(ended: Exit) -> ChildProcess:
    """A command that has ended before it could begin."""
    ours, theirs = make_packet_pair()
    theirs.close()
    output, writing = os.pipe()
    os.close(writing)
    return ChildProcess(ours, [output], NO_LAUNCH, "", ended)


def _make_memory_file(content: bytes) -> int:
    """A file without a name that holds *content*, to be read from its beginning."""
    fd = os.memfd_create("dkronpy")
    with open(fd, "wb", buffering=0, closefd=False) as file:
        left = memoryview(content)
        while left:
            left = left[file.write(left) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _current_directory() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was removed under the agent
        return "/"
