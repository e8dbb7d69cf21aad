"""A network and disks of a process's own, with packets that vanish and little room; nobody else sees any of it.

Needs Linux and the right to make namespaces (root has it, unless a container forbids it).
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_INSIDE = "DKRONPY_FAULTS_NETWORK"
_ENTER = (
    "unshare", "--net", "--mount", "--propagation", "private", "sh", "-c",
    f'ip link set lo up && {_INSIDE}=$(readlink /proc/self/ns/net) exec "$@"', "sh",
)  # fmt: skip


def allowed() -> bool:
    """Whether this machine lets us have a network and mounts of our own, and drop packets there."""
    try:
        done = subprocess.run(
            [*_ENTER, "iptables", "-L", "INPUT", "-n"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def command(arguments: Sequence[str]) -> list[str]:
    """*arguments* as a command that runs with a network and with mounts of its own."""
    return [*_ENTER, *arguments]


def inside() -> bool:
    """Whether this process was started by way of ``command``, and has a network that is not the machine's."""
    return os.environ.get(_INSIDE) == str(Path("/proc/self/ns/net").readlink())


def drop(port: int) -> None:
    """Let every packet to and from a port vanish, as in a network that is split: nobody is told of it."""
    _rules("-I", port)


def pass_on(port: int) -> None:
    """Let the packets of that port through again."""
    _rules("-D", port)


def _rules(what: str, port: int) -> None:
    assert inside(), "only in a network of our own"
    for side in ("--dport", "--sport"):
        subprocess.run(["iptables", "-w", what, "INPUT", "-p", "tcp", side, str(port), "-j", "DROP"], check=True)


class SmallDisk:
    """A file system of a few megabytes in memory, at a folder."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        assert inside(), "only among mounts of our own"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", folder], check=True)
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no byte of it free."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                while _writes(file.fileno(), size):
                    pass

    def free(self) -> None:
        """Take away what fills it."""
        with suppress(FileNotFoundError):
            self._filler.unlink()


def _writes(file: int, size: int) -> bool:
    try:
        return os.write(file, b"\0" * size) > 0
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return False
        raise
