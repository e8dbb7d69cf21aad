"""A process to be run in a killable child, and how it ended: what executors ask for, and what they are told.

This module stands at the bottom, and imports next to nothing: every shim carries it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A process to run in a killable child: a program (``argv``) or a Python callable.

    ``env`` is the whole environment of the child. ``mem_limit`` is in bytes of resident memory, over
    the whole process tree; ``limits`` are the system's for each process, by their names (``CPU`` in seconds, ``FSIZE``
    in bytes, ``NPROC``, ``NOFILE``). With ``no_new_privs`` no program gives it rights that it does not have. ``grace``
    is what lies between TERM and KILL. With ``vouched_until``, in seconds of the monotonic clock, it is killed then,
    unless the agent puts that off. With ``separate_stderr`` its standard error is read apart from its standard output.
    """

    argv: tuple[str, ...] | None = None
    callable: str | None = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    env: dict[str, str] = {}
    cwd: str | None = None
    user: str | None = None
    group: str | None = None
    stdin: bytes = b""
    timeout: timedelta | None = None
    mem_limit: int | None = None
    limits: dict[str, int] = {}
    no_new_privs: bool = False
    grace: timedelta = timedelta(seconds=5)
    sys_path: tuple[str, ...] = ()
    context: dict[str, Any] = {}
    vouched_until: float | None = None
    separate_stderr: bool = False


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How a killable child ended.

    ``reason`` is empty when it ended by itself, else why it was ended (``timeout``, ``oom``,
    ``cancelled``, ``lease_lost_killed``, ``shutdown``) or ``spawn_failed`` when it never began.
    ``confirmed_gone`` is True once every process of the tree was seen gone. ``max_rss`` is in bytes,
    ``cpu`` and ``duration`` in seconds.
    """

    code: int | None = None
    signal: int | None = None
    reason: str = ""
    message: str = ""
    confirmed_gone: bool = True
    max_rss: int = 0
    cpu: float = 0.0
    duration: float = 0.0
    result: Any = None
