"""The agent's handle on one running command: its output as it comes, how it ended, and a way to end it."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import overload

from dkronpy.agent.process_messages import PACKET_BYTES, send_bytes
from dkronpy.agent.process_tree import find_processes, signal_all
from dkronpy.agent.shim_exit import describe
from dkronpy.agent.shim_messages import (
    CANNOT_START,
    NOT_A_COMMAND,
    Ended,
    Kill,
    Launch,
    News,
    Started,
    Vouch,
    read_news,
    write_order,
)
from dkronpy.errors import DkronpyError
from dkronpy.marks import MERGED, STDERR, STDOUT
from dkronpy.plugins.command import Exit

_ANSWER_SECONDS = 30.0
_LOST_SECONDS = 2.0


class HelperError(DkronpyError):
    """The helper process from which commands are started does not work."""


class ChildProcess:
    """One command that runs behind its shim; or none, where it is known from the beginning how it *ended*.

    One thread reads and waits; ``kill`` may come from any. *outputs* are the readable descriptors of its output: one
    for standard output and error in the order in which they were written, or one for each. ``stdout`` is the first.
    """

    def __init__(
        self,
        control: socket.socket,
        outputs: Sequence[int],
        launch: Launch,
        execution_id: str,
        ended: Exit | None = None,
    ) -> None:
        for fd in outputs:
            os.set_blocking(fd, False)
        self.pid = 0
        self.stdout = outputs[0]
        self._outputs = dict(zip(outputs, (STDOUT, STDERR) if len(outputs) > 1 else (MERGED,), strict=True))
        self._reading = list(outputs)
        self._control = control
        self._launch = launch
        self._execution_id = execution_id
        self._exit = ended
        self._kills: list[str] = []
        """The reasons that were given, by the number of the order."""
        self._closed = False
        self._lock = threading.Lock()

    def __enter__(self) -> ChildProcess:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, max_bytes: int = 65_536, timeout: timedelta | None = None) -> bytes | None:
        """The next bytes of output; empty once there are no more, None when none came within *timeout*."""
        piece = self.read_piece(max_bytes, timeout)
        return None if piece is None else piece[1]

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """The output as it comes, each piece with its stream (of ``dkronpy.marks``), until there is no more."""
        while (piece := self.read_piece()) and piece[1]:
            yield piece

    def read_piece(self, max_bytes: int = 65_536, timeout: timedelta | None = None) -> tuple[int, bytes] | None:
        """As ``read``, with the stream. Of what came on both at a time, either comes in turn, standard output first."""
        deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
        while True:
            over = self._exit is not None
            for fd in list(self._reading):
                with suppress(BlockingIOError):
                    data = os.read(fd, max_bytes)
                    self._reading.remove(fd)
                    if data:
                        self._reading.append(fd)  # the other has its turn first, whatever comes here
                        return self._outputs[fd], data
            if over or not self._reading:  # someone outside the tree may hold a pipe open; nobody of the tree is left
                return MERGED, b""
            if not self._wait_for_news(deadline, also=self._reading):
                return None

    @overload
    def wait(self, timeout: None = None) -> Exit: ...
    @overload
    def wait(self, timeout: timedelta) -> Exit | None: ...
    def wait(self, timeout: timedelta | None = None) -> Exit | None:
        """How the command ended; None when it has not within *timeout* (None waits).

        A command whose output nobody reads stands still once the pipe is full (64 KiB): read it first.
        Raises ValueError when the handle was closed before the end was known.
        """
        deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
        while self._exit is None:
            if self._closed:
                raise ValueError(f"the handle of process {self.pid} was closed while it ran")
            if not self._wait_for_news(deadline):
                return None
        return self._exit

    @property
    def closed(self) -> bool:
        """Whether the handle was closed."""
        return self._closed

    def kill(self, reason: str, grace: timedelta | None = None) -> None:
        """Ask for the end of the whole tree: TERM, and KILL after *grace* (by default the command's own).

        Returns at once, from any thread; does nothing when the command has ended. The first reason counts.
        """
        seconds = None if grace is None else max(0.0, grace.total_seconds())
        with self._lock:
            if not self._closed:
                self._kills.append(reason)
                send_bytes(self._control, write_order(Kill(number=len(self._kills) - 1, grace=seconds)))

    def vouch(self, until: float) -> None:
        """Let a command that was launched with ``vouched_until`` go on until then (seconds of the monotonic clock)."""
        with self._lock:
            if not self._closed:
                send_bytes(self._control, write_order(Vouch(until=until)))

    def close(self) -> None:
        """Let go of the descriptors; a command that still runs is ended as if the agent had died."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._control.close()
                for fd in self._outputs:
                    os.close(fd)

    def _wait_for_news(self, deadline: float | None, also: Iterable[int] = ()) -> bool:
        """Wait until the shim says something or one of *also* can be read; False when the deadline passed first."""
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        for fd in also:
            poller.register(fd, select.POLLIN)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = poller.poll(left)
        if any(fd == self._control.fileno() for fd, _ in ready):
            self._take_news()
        return bool(ready)

    def _take_news(self) -> None:
        with self._lock:
            if self._exit is not None or self._closed:
                return
            try:
                packet = self._control.recv(PACKET_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:  # another thread was faster
                return
            except ConnectionResetError:
                packet = b""
            if not packet:
                self._exit = self._end_lost()
                return
            self._apply(packet)

    def _apply(self, packet: bytes) -> News:
        news: News = read_news(packet)
        if isinstance(news, Started):
            self.pid = news.pid
        else:
            self._exit = describe(news, self._launch, self._kills)
        return news

    def _end_lost(self) -> Exit:
        """Shim and helper are both gone: end what can be found by the environment."""
        message = "the shim and the helper that guarded the command were killed"
        deadline = time.monotonic() + _LOST_SECONDS
        while self._execution_id and (pids := find_processes(self._execution_id)):
            signal_all(pids, signal.SIGKILL)
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        gone = bool(self._execution_id) and not find_processes(self._execution_id)
        return Exit(reason="executor_error", message=message, confirmed_gone=gone)

    def await_start(self) -> bool:
        """Wait until the command begins, or cannot; False where its shim was killed before, and it may be repeated."""
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        if not poller.poll(_ANSWER_SECONDS * 1000):
            raise HelperError(f"the shim of a command did not answer within {_ANSWER_SECONDS:g} s")
        try:
            packet = self._control.recv(PACKET_BYTES)
        except ConnectionResetError:
            packet = b""
        news = self._apply(packet) if packet else None
        refused = isinstance(news, Ended) and news.cause in (CANNOT_START, NOT_A_COMMAND)
        return isinstance(news, Started) or refused
