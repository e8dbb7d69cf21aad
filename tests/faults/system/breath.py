"""What faults are made of: waiting a while, and signals to a process."""

from __future__ import annotations

import signal
import threading

from tests.support import Spawned

_CLOCK = threading.Event()


def pause(seconds: float) -> None:
    """Let things go on for a while."""
    _CLOCK.wait(seconds)


def kill(process: Spawned) -> None:
    """KILL to a process, unless it has ended."""
    if process.process.poll() is None:
        process.signal(signal.SIGKILL)
        process.process.wait()


def freeze(process: Spawned, seconds: float) -> None:
    """STOP to a process for a while."""
    process.signal(signal.SIGSTOP)
    try:
        pause(seconds)
    finally:
        process.signal(signal.SIGCONT)
