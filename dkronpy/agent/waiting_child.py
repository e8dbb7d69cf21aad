"""The child of a shim, forked before it is known what it will become.

A fork copies page tables, and what the new process touches is copied page by page: most of what the start of a
command costs. Shims and their children have done both while nothing waited for it. Nothing of one attempt is left for
the next: each pair serves one.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

import msgspec

from dkronpy.agent import process_linux
from dkronpy.agent.process_child import run_child
from dkronpy.agent.process_messages import (
    Report,
    make_light_pair,
    read_command,
    receive_packet,
    send_packet,
    write_command,
    write_report,
)
from dkronpy.plugins.command import Command

Rehearsal = Callable[[frozenset[int]], None]
"""What a child does while it waits, given the descriptors that it goes on to need."""


class WaitingChild:
    """The child of a shim, forked ahead; ``run`` says what it is to become. Its report comes on ``report``.

    *rehearse* is what it does while it waits. *launches* is where the shim hears of its launch: the child closes its
    copy, so that a dead shim is seen to be dead.
    """

    def __init__(self, launches: socket.SocketType, rehearse: Rehearsal) -> None:
        shim = os.getpid()
        self._socket, theirs = make_light_pair()
        self.report, writing = os.pipe()
        # The child of a program must die of TERM from its first moment on: with the helper's handler, which does
        # nothing, a command that is cancelled before it began would begin and last until the grace is over.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        self.pid = os.fork()
        if self.pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        if self.pid == 0:
            launches.close()
            self._socket.close()
            os.close(self.report)
            _become_what_comes(theirs, writing, shim, rehearse)
        theirs.close()
        os.close(writing)

    @property
    def descriptors(self) -> tuple[int, int]:
        """Where it hears what it is to become, and where its report comes."""
        return self._socket.fileno(), self.report

    def run(self, cwd: str, files: list[int]) -> bool:
        """Let it become the command in the first of the *files*, on the others; False where it is gone already."""
        sent = send_packet(self._socket, os.fsencode(cwd), files)
        self._socket.close()
        if not sent:
            os.close(self.report)
        return sent


def _become_what_comes(sock: socket.SocketType, report: int, shim: int, rehearse: Rehearsal) -> NoReturn:
    """In the child: wait for a command, and become it; end where the shim goes before that."""
    try:
        os.setsid()
        process_linux.signal_on_parent_death(signal.SIGKILL)
        read_command(write_command(Command(argv=("true",), env={"PATH": ""})))
        rehearse(frozenset((sock.fileno(), report)))
        packet, fds = receive_packet(sock) if os.getppid() == shim else (b"", [])
        if packet:
            sock.close()
            run_child(_take(fds[0], report), cwd=os.fsdecode(packet), streams=fds[1:], report=report, shim=shim)
    except BaseException:  # noqa: BLE001 - nothing may return into the shim's code
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _take(file: int, report: int) -> Command:
    """The command in a file in memory, which is closed; what is none is reported, and ends the process."""
    try:
        return read_command(os.pread(file, os.fstat(file).st_size, 0))
    except msgspec.MsgspecError as exc:
        failure = Report(reason="spawn_failed", message=f"this is not a command: {exc}")
        write_report(report, failure)
        os._exit(1)
    finally:
        os.close(file)
