"""The compiled shim (``shim.c``): where it lies, whether it can be run here, and how a shim in Python becomes it."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

PROGRAM = Path(__file__).with_name("dkronpy-shim")
LAYOUT = 1
"""Which layouts of messages are spoken, as in ``shim.c``: what lies there may have been compiled before a change."""
_HEEDED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_FREE_FOR_SHIMS = 4
"""Descriptors below are put to other uses in a shim."""


def open_program(path: Path = PROGRAM) -> int | None:
    """A descriptor to run the program by; None where it was not built, or cannot be run on this machine.

    By a descriptor that is opened once, so that an upgrade under a running agent mixes nothing.
    """
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    program = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, _FREE_FOR_SHIMS)
    os.close(opened)
    if _works(program):
        return program
    os.close(program)
    return None


def _works(program: int) -> bool:
    """Whether it runs (its file system may forbid that, it may be for other machines) and speaks our layouts."""
    pid = os.fork()
    if pid == 0:
        try:
            os.execve(program, [PROGRAM.name, str(LAYOUT)], {})  # noqa: S606 - no shell is wanted
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def become_program(program: int, control: int, child: tuple[int, int], helper: int, child_pid: int) -> None:
    """Have this process, a shim with a child, go on as the program, which holds a twentieth of the memory.

    *child* is the child's socket, and where its report comes. Signals wait from here on until the program reads them.
    Returns only where it could not be run, and then all is as it was.
    """
    descriptors = (control, *child)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
    try:
        for fd in descriptors:
            os.set_inheritable(fd, True)
        arguments = (PROGRAM.name, *map(str, (LAYOUT, *descriptors, helper, child_pid)))
        os.execve(program, arguments, {})  # noqa: S606 - no shell is wanted
    except OSError:
        for fd in descriptors:
            os.set_inheritable(fd, False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
