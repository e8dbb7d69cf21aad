"""What agent and shim say to each other, laid out so that a few lines of C read it too: ``shim.c`` has the same.

A message is a packet of signed numbers of 64 bits, as this machine writes them, and what comes last may be bytes. The
times are nanoseconds. ``Launch`` goes from the agent to the shim with four file descriptors, which it hands on to its
child as they are: a file in memory that holds the ``Command``, and the command's standard input, output and error. The
end of the connection means that the other side is gone.
"""

from __future__ import annotations

import os
import struct

import msgspec

from dkronpy.agent.process_messages import PACKET_BYTES

NEVER = 2**63 - 1
"""Stands for no limit: what would happen then does not happen."""
OWN_GRACE = -1
UNKNOWN_STATUS = -1
SECOND = 1_000_000_000
FILES = 4
"""How many descriptors come with a launch."""
_LONGEST = 2**62
"""As good as never, but still a number that another can be added to."""
_LAUNCH, _ORDER, _STARTED, _ENDED = (struct.Struct(f"={count}q") for count in (5, 3, 2, 8))
REPORT_BYTES = PACKET_BYTES - _ENDED.size
"""What a shim passes on of its child's report; no report is longer."""
_KILL, _VOUCH = 1, 2
_HAS_STARTED, _HAS_ENDED = 1, 2

# Why the shim ended the tree, or why there is none.
BY_ITSELF = 0
ORDERED = 1
TIMED_OUT = 2
TOO_LARGE = 3
NOT_VOUCHED_FOR = 4
AGENT_DIED = 5
HELPER_DIED = 6
SHIM_DIED = 7
CANNOT_START = 8
NOT_A_COMMAND = 9
CHILD_DIED = 10


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """Agent to shim: run the command that comes along; here is what of it concerns the shim. Times in seconds."""

    cwd: str
    grace: float
    keep_background: bool = False
    timeout: float | None = None
    mem_limit: int | None = None
    vouched_until: float | None = None


NO_LAUNCH = Launch(cwd="/", grace=0.0)
"""Stands where there is none: for practice, and for what never came to one."""


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """Agent to shim: end the tree. ``grace`` in seconds; None means the command's own. The agent knows why."""

    number: int
    grace: float | None


class Vouch(msgspec.Struct, frozen=True, kw_only=True):
    """Agent to shim: the tree may run until then, in seconds of the monotonic clock, unless more is said."""

    until: float


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """Shim to agent: it lives and has a child that begins; until now a launch may safely be repeated."""

    pid: int


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Shim (or, where that was killed, helper) to agent: the run is over, and this is all that was seen of it.

    ``detail`` is the number of the ``Kill``, the bytes of memory that were held, or the system's error number;
    ``status`` as ``waitpid`` gives it; ``cpu`` and ``duration`` in nanoseconds; ``report`` what the child wrote.
    """

    cause: int = BY_ITSELF
    detail: int = 0
    status: int = UNKNOWN_STATUS
    gone: bool = True
    max_rss: int = 0
    cpu: int = 0
    duration: int = 0
    report: bytes = b""


Order = Kill | Vouch
News = Started | Ended


def write_launch(launch: Launch) -> bytes:
    """The packet of a launch."""
    return _LAUNCH.pack(
        launch.keep_background,
        _nanoseconds(launch.grace),
        _nanoseconds(launch.timeout),
        NEVER if launch.mem_limit is None else min(max(0, launch.mem_limit), _LONGEST),
        _nanoseconds(launch.vouched_until),
    ) + os.fsencode(launch.cwd)


def read_launch(packet: bytes) -> Launch:
    """The launch in a packet. Raises ValueError for what is none."""
    cwd = packet[_LAUNCH.size :]
    if not cwd.startswith(b"/") or b"\0" in cwd:
        raise ValueError("a launch ends with the path of a folder")
    background, grace, timeout, mem_limit, vouched_until = _LAUNCH.unpack_from(packet)
    if background not in (0, 1) or min(grace, timeout, mem_limit, vouched_until) < 0:
        raise ValueError("a launch has no negative times")
    return Launch(
        cwd=os.fsdecode(cwd),
        keep_background=bool(background),
        grace=grace / SECOND,
        timeout=_seconds(timeout),
        mem_limit=None if mem_limit == NEVER else mem_limit,
        vouched_until=_seconds(vouched_until),
    )


def write_order(order: Order) -> bytes:
    """The packet of an order."""
    if isinstance(order, Kill):
        return _ORDER.pack(_KILL, order.number, OWN_GRACE if order.grace is None else _nanoseconds(order.grace))
    return _ORDER.pack(_VOUCH, _nanoseconds(order.until), 0)


def read_order(packet: bytes) -> Order | None:
    """The order in a packet; None for what is none."""
    kind, value, grace = _ORDER.unpack(packet) if len(packet) == _ORDER.size else (0, 0, 0)
    if kind == _KILL:
        return Kill(number=value, grace=None if grace < 0 else grace / SECOND)
    return Vouch(until=value / SECOND) if kind == _VOUCH else None


def write_news(news: News) -> bytes:
    """The packet of what a shim tells."""
    if isinstance(news, Started):
        return _STARTED.pack(_HAS_STARTED, news.pid)
    numbers = (news.cause, news.detail, news.status, news.gone, news.max_rss, news.cpu, news.duration)
    return _ENDED.pack(_HAS_ENDED, *numbers) + news.report[:REPORT_BYTES]


def read_news(packet: bytes) -> News:
    """What a packet of a shim tells."""
    if len(packet) == _STARTED.size:
        return Started(pid=_STARTED.unpack(packet)[1])
    _, cause, detail, status, gone, max_rss, cpu, duration = _ENDED.unpack_from(packet)
    return Ended(
        cause=cause, detail=detail, status=status, gone=bool(gone), max_rss=max_rss, cpu=cpu, duration=duration,
        report=packet[_ENDED.size :],
    )  # fmt: skip


def _nanoseconds(seconds: float | None) -> int:
    return NEVER if seconds is None else int(min(max(0.0, seconds * SECOND), _LONGEST))


def _seconds(nanoseconds: int) -> float | None:
    return None if nanoseconds == NEVER else nanoseconds / SECOND
