"""The shim: a small process between the agent and one attempt that ends everything the attempt started.

It is the subreaper of the attempt, so every process that the attempt leaves behind, in whatever session or
process group, becomes the shim's child; and while the shim has a child, something of the attempt lives. It
ends the tree, TERM first and KILL after the grace, when the agent asks, the agent or the helper dies, the
time is up or too much memory is held, and also when the command itself has ended and left others running. Where
the agent has to vouch for it again and again (it may not overlap with another) and does not, because it stands
still or is cut off, the tree is killed without a grace: soon another may run.

It is forked before there is a command, and waits for one: see ``waiting_child``. Where a C compiler was there when
dkronpy was installed, it then becomes ``shim.c``, which does the same in a twentieth of the memory; what follows from
there on is for where that cannot be run, and says what both do.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import struct
import time
from contextlib import suppress
from math import inf

from dkronpy.agent import process_linux
from dkronpy.agent import shim_messages as messages
from dkronpy.agent.process_messages import receive_packet, send_bytes
from dkronpy.agent.process_tree import list_descendants, signal_all
from dkronpy.agent.shim_messages import (
    FILES,
    NO_LAUNCH,
    REPORT_BYTES,
    SECOND,
    UNKNOWN_STATUS,
    Ended,
    Kill,
    Started,
    read_launch,
    read_order,
    write_launch,
    write_news,
)
from dkronpy.agent.shim_program import become_program
from dkronpy.agent.waiting_child import Rehearsal, WaitingChild

DEATH_GRACE = 0.5
"""Seconds between TERM and KILL when the agent or the helper has died."""
DRAIN = 0.25
"""Seconds that processes left behind by the command have to end by themselves before they are ended."""
_MEMORY_INTERVAL = 0.2
_KILL_INTERVAL = 0.02
_GIVE_UP_AFTER = 5.0
_LONGEST_WAIT = 3600.0
"""Seconds; poll takes no more than 24 days at a time."""
STUCK_STATUS = 3
"""Exit status of a shim that could not see the last process of its tree gone."""


class Shim:
    """Waits for one command and runs it to its end; made and run in a freshly forked process of the helper."""

    # Here and not in the instance, which is made in a forked process: what is not written there costs no memory there.
    _control: socket.SocketType
    _waiting: WaitingChild | None = None
    _launch = NO_LAUNCH
    _child = 0
    _status = UNKNOWN_STATUS
    _tree_empty = False
    _began = _ended = 0.0
    _cause = messages.BY_ITSELF
    _detail = 0
    _report = b""
    _peak = 0
    _timeout_at = _memory_at = _drain_until = _kill_at = _give_up_at = _vouched_until = inf

    def __init__(self, helper: int, rehearse: Rehearsal, program: int | None = None) -> None:
        self._helper = helper
        self._rehearse = rehearse
        self._program = program

    def run(self, control: socket.SocketType) -> int:
        """Wait with a child for the launch that comes on *control*, run it, tell the agent how it ended.

        What this returns is the shim's own exit status.
        """
        self._control = control
        wakeup = _open_wakeup()
        process_linux.become_subreaper()
        process_linux.signal_on_parent_death(signal.SIGTERM)
        if os.getppid() != self._helper:
            return 0
        with suppress(OSError):  # at a limit just now; whoever launches tries again
            self._waiting = WaitingChild(control, self._rehearse)
        if self._program is not None and self._waiting is not None:
            child = self._waiting
            become_program(self._program, control.fileno(), child.descriptors, self._helper, child.pid)
        read_launch(write_launch(self._launch))  # its pages are the shim's own from here on
        if not self._wait_for_launch(wakeup):
            return 0
        try:
            packet, fds = receive_packet(control)
            if not packet:
                return 0
            report = self._start(packet, fds)
        except OSError as exc:
            return self._refuse(messages.CANNOT_START, exc.errno or 0)
        except (ValueError, struct.error):
            return self._refuse(messages.NOT_A_COMMAND)
        if report is None:
            return self._refuse(messages.CHILD_DIED)
        self._watch(wakeup, report)
        send_bytes(control, write_news(self._describe()))
        if self._keeps_background():
            self._mind_background(wakeup)
            return 0
        return 0 if self._tree_empty else STUCK_STATUS

    def _wait_for_launch(self, wakeup: int) -> bool:
        """Whether there is one; a shim whose child or helper is gone before leaves its place to another."""
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(wakeup, select.POLLIN)
        while True:
            events = poller.poll()
            self._reap()
            if os.getppid() != self._helper or (self._waiting and self._tree_empty):
                return False
            for fd, _ in events:
                if fd != wakeup:
                    return True
                os.read(wakeup, 4096)

    def _refuse(self, cause: int, detail: int = 0) -> int:
        send_bytes(self._control, write_news(Ended(cause=cause, detail=detail)))
        return 0

    def _start(self, packet: bytes, fds: list[int]) -> int | None:
        """Let the child begin; the descriptor on which its report comes, None where it was killed before.

        The agent is told before the child is: what may have begun must not be launched again.
        """
        self._launch = launch = read_launch(packet)
        if len(fds) != FILES:
            raise ValueError(f"a launch comes with {FILES} descriptors")
        child = self._waiting or WaitingChild(self._control, self._rehearse)
        self._child, self._tree_empty = child.pid, False
        self._began = time.monotonic()
        if launch.timeout is not None:
            self._timeout_at = self._began + launch.timeout
        if launch.mem_limit is not None:
            self._memory_at = self._began
        if launch.vouched_until is not None:
            self._vouched_until = launch.vouched_until
        if not send_bytes(self._control, write_news(Started(pid=child.pid))):
            raise BrokenPipeError
        begins = child.run(launch.cwd, fds)
        for fd in fds:
            os.close(fd)
        return child.report if begins else None

    def _watch(self, wakeup: int, report: int) -> None:
        poller = select.poll()
        for fd in (self._control.fileno(), wakeup, report):
            poller.register(fd, select.POLLIN)
        while not self._is_over():
            for fd, _ in poller.poll(self._milliseconds_to_wait()):
                if fd == wakeup:
                    os.read(wakeup, 4096)
                elif (fd == report and not self._read_report(report)) or (
                    fd == self._control.fileno() and not self._hear()
                ):
                    poller.unregister(fd)
            self._reap()
            self._advance(time.monotonic())
        os.set_blocking(report, False)
        with suppress(BlockingIOError):  # a forked-off process of a callable may hold the other end for ever
            while self._read_report(report):
                pass

    def _is_over(self) -> bool:
        return self._tree_empty or self._keeps_background() or time.monotonic() >= self._give_up_at

    def _keeps_background(self) -> bool:
        """Whether the command has ended by itself and what it left behind may go on."""
        return self._launch.keep_background and self._status != UNKNOWN_STATUS and not self._is_ending()

    def _is_ending(self) -> bool:
        return self._give_up_at < inf

    def _milliseconds_to_wait(self) -> float | None:
        ends = self._kill_at, self._give_up_at, self._vouched_until
        deadline = min(self._timeout_at, self._memory_at, self._drain_until, *ends)
        return None if deadline == inf else min(max(0.0, deadline - time.monotonic()), _LONGEST_WAIT) * 1000 + 1

    def _read_report(self, report: int) -> bool:
        """Take more of the child's report; False at its end, or where it is longer than any can be."""
        data = os.read(report, REPORT_BYTES - len(self._report))
        self._report += data
        return bool(data)

    def _hear(self) -> bool:
        """Take what the agent says; False once it can say nothing more."""
        try:
            packet = self._control.recv(4096)
        except ConnectionResetError:
            packet = b""
        if not packet:
            self._end(messages.AGENT_DIED, DEATH_GRACE)
            return False
        order = read_order(packet)
        if isinstance(order, Kill):
            self._end(messages.ORDERED, self._launch.grace if order.grace is None else order.grace, order.number)
        elif order is not None:
            self._vouched_until = max(self._vouched_until, order.until) if self._vouched_until < inf else inf
        return True

    def _reap(self) -> None:
        """Collect every process that ended; no child left means that the whole tree is gone."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._tree_empty = True
                return
            if pid == 0:
                return
            if pid == self._child:
                self._status = status
                self._ended = time.monotonic()
                self._timeout_at = self._memory_at = inf
                if self._is_ending():
                    self._terminate()  # what was forked after the first round of TERM
                else:
                    self._drain_until = self._ended + DRAIN

    def _advance(self, now: float) -> None:
        """Do what has become due."""
        if os.getppid() != self._helper:
            self._end(messages.HELPER_DIED, DEATH_GRACE)
        if now >= self._timeout_at:
            self._timeout_at = inf
            self._end(messages.TIMED_OUT, self._launch.grace)
        if now >= self._vouched_until:
            self._vouched_until = inf
            self._end(messages.NOT_VOUCHED_FOR, 0.0)
        if now >= self._memory_at:
            self._check_memory(now)
        if now >= self._drain_until:
            self._drain_until = inf
            self._end(messages.BY_ITSELF, self._launch.grace)
        if now >= self._kill_at:
            signal_all((entry.pid for entry in list_descendants(os.getpid())), signal.SIGKILL)
            self._kill_at = now + _KILL_INTERVAL

    def _check_memory(self, now: float) -> None:
        resident = sum(entry.resident for entry in list_descendants(os.getpid()))
        self._peak = max(self._peak, resident)
        self._memory_at = now + _MEMORY_INTERVAL
        limit = self._launch.mem_limit
        if limit is not None and resident > limit:
            self._memory_at = inf
            # No grace: in it the tree could go on growing and bring down the machine.
            self._end(messages.TOO_LARGE, 0.0, resident)

    def _end(self, cause: int, grace: float, detail: int = 0) -> None:
        """Begin to end the tree, or hasten it; the first cause stays."""
        if self._status == UNKNOWN_STATUS and self._cause == messages.BY_ITSELF:
            self._cause, self._detail = cause, detail
        if not self._is_ending() and grace > 0:
            self._terminate()
        self._kill_at = min(self._kill_at, time.monotonic() + grace)
        self._give_up_at = self._kill_at + _GIVE_UP_AFTER

    def _terminate(self) -> None:
        pids = [entry.pid for entry in list_descendants(os.getpid())]
        signal_all(pids, signal.SIGTERM)
        signal_all(pids, signal.SIGCONT)  # a stopped process takes TERM only when it goes on

    def _describe(self) -> Ended:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Ended(
            cause=self._cause,
            detail=self._detail,
            status=self._status,
            gone=self._tree_empty,
            max_rss=max(self._peak, used.ru_maxrss * 1024),
            cpu=int((used.ru_utime + used.ru_stime) * SECOND),
            duration=int(((self._ended or time.monotonic()) - self._began) * SECOND),
            report=self._report,
        )

    def _mind_background(self, wakeup: int) -> None:
        """Stay parent of what the command left behind until it ends or the helper, going, sends TERM."""
        self._control.close()
        while not self._tree_empty and signal.SIGTERM not in os.read(wakeup, 4096):
            self._reap()


def _open_wakeup() -> int:
    """A pipe of this process's own on which caught signals come; the helper has set their handlers."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading
