"""Process trees as /proc shows them: who descends from whom, how much memory they hold, whose they are."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

EXECUTION_ID = "DKRONPY_EXECUTION_ID"
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Fields 4 (parent) and 24 (resident pages) of /proc/<pid>/stat, counted from the one after the name.
_PARENT, _RESIDENT = 1, 21


class ProcessEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One process: its id, its parent's, and its resident memory in bytes."""

    pid: int
    parent: int
    resident: int


def _read_entry(pid: str) -> ProcessEntry | None:
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        fields = os.read(fd, 2048).rpartition(b")")[2].split()
    except OSError:
        return None
    finally:
        os.close(fd)
    return ProcessEntry(pid=int(pid), parent=int(fields[_PARENT]), resident=int(fields[_RESIDENT]) * _PAGE)


def list_descendants(root: int) -> list[ProcessEntry]:
    """Every living or zombie descendant of *root*, parents before their children.

    The kernel gives no snapshot: a process that forks while /proc is read may be missed, so whoever
    kills must look again until nothing is left.
    """
    children: dict[int, list[ProcessEntry]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - plain names, a few hundred times a second
        if name.isdigit() and (entry := _read_entry(name)):
            children.setdefault(entry.parent, []).append(entry)
    found = list(children.get(root, ()))
    for entry in found:  # grows while it is walked: breadth first
        found.extend(children.get(entry.pid, ()))
    return found


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send *number* to each process; those that are gone or belong to someone else are passed over."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def find_processes(execution_id: str) -> list[int]:
    """The ids of all processes that carry *execution_id* in their environment, in rising order.

    Sees every process as root, and those of the same user otherwise.
    """
    needle = f"{EXECUTION_ID}={execution_id}".encode()
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - as above
        if not name.isdigit():
            continue
        try:
            environment = Path("/proc", name, "environ").read_bytes()
        except OSError:  # ended meanwhile, or another user's
            continue
        if needle in environment.split(b"\0"):
            found.append(int(name))
    return sorted(found)
