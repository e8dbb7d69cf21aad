"""The few Linux calls that Python's standard library lacks: prctl, and the environment that /proc shows."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_CAP_VERSION_3 = 0x20080522
_CAPABILITIES = 64
# Fields 50 and 51 of /proc/<pid>/stat, counted from the one after the program's name (field 3).
_ENV_START, _ENV_END = 47, 48


@lru_cache(maxsize=1)
def load_libc() -> ctypes.CDLL:
    """The C library; loaded on first use, so that importing this module works on any platform."""
    return ctypes.CDLL(None, use_errno=True)


@lru_cache(maxsize=1)
def _load_prctl() -> Any:
    call = load_libc().prctl
    call.argtypes = ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong
    return call


def _prctl(option: int, value: int) -> None:
    if _load_prctl()(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")


def become_subreaper() -> None:
    """Make this process the parent of every descendant whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def signal_on_parent_death(number: int) -> None:
    """Have the kernel send *number* to this process when the thread that forked it dies.

    A change of user or group clears it, so call this afterwards, and then compare ``os.getppid()`` with
    the parent that was expected: it may have died already.
    """
    _prctl(_PR_SET_PDEATHSIG, number)


def drop_capabilities() -> None:
    """Give up every capability of this process, for good where it is not root.

    The kernel does so when root becomes somebody else, but for those that are inheritable; and not at all when the
    process changed users by a capability of its own.
    """
    _prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if load_libc().capset(header, nothing) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"capset: {os.strerror(code)}")


def gain_no_privileges() -> None:
    """See to it that no program gives this process, or what it starts, rights that it does not have."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for number in range(_CAPABILITIES):
        with suppress(OSError):  # one that this kernel does not know, or nothing left to drop
            _prctl(_PR_CAPBSET_DROP, number)


def show_environment(entry: bytes) -> None:
    """Let ``/proc/<pid>/environ`` of this process show *entry* (``NAME=value``) and nothing else.

    A forked child that runs no new program would show its parent's environment for ever. Only safe once
    ``os.environ`` has been cleared, when nothing points into the block any more; does nothing where
    *entry* does not fit.
    """
    start, size = _environment_block()
    if start and size > len(entry):
        ctypes.memset(start, 0, size)
        ctypes.memmove(start, entry, len(entry))


@lru_cache(maxsize=1)
def _environment_block() -> tuple[int, int]:
    """Where the environment stands that the kernel shows of this program, and how long it is."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
    return start, end - start
