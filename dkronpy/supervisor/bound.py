"""Becomes another program that the kernel kills with its parent: ``-m dkronpy.supervisor.bound PARENT COMMAND...``

Between fork and exec a program with threads can do hardly anything safely, so the binding is made by a program of
its own, which keeps its process id. It is only the first few milliseconds of each role.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from dkronpy.agent.process_linux import signal_on_parent_death


def bound_command(command: Sequence[str]) -> list[str]:
    """*command* as a child of this very thread that does not outlive it."""
    return [sys.executable, "-m", "dkronpy.supervisor.bound", str(os.getpid()), *command]


def main() -> None:
    """Bind this process to its parent, then become the command."""
    parent, *command = sys.argv[1:]
    signal_on_parent_death(signal.SIGKILL)
    if os.getppid() != int(parent):  # it died before the kernel was asked
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the supervisor's own argument list, no shell


if __name__ == "__main__":
    main()
