"""What agent, helper and shim say to each other: one message a packet, over Unix sockets that keep packets.

A launch goes from the agent to the helper as ``Launch`` with three or four file descriptors: the run's own
control socket, the writing end of its output, a file in memory that holds the ``Command``, and one with its
standard input. From then on agent and shim talk over the control socket alone. Its end means that the other
side is gone.
"""

from __future__ import annotations

import array
import socket
from contextlib import suppress

import msgspec

from dkronpy.plugins.executor import Exit

PACKET_BYTES = 200_000  # under Linux's default limit of a socket's buffer (212,992)
RESULT_BYTES = 64_000
_MAX_FDS = 4


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """Agent to helper: fork a shim for the command that comes along."""

    cwd: str
    keep_background: bool


class Prepared(msgspec.Struct, frozen=True, kw_only=True, tag="prepared"):
    """Shim to agent: the shim lives, the command has not begun; until now a launch may safely be repeated."""


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """Shim to agent: the child was forked."""

    pid: int


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """Shim (or, where that was killed, helper) to agent: the run is over."""

    exit: Exit


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """Agent to shim: end the tree. ``grace`` in seconds; None means the command's own."""

    reason: str
    grace: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Child to shim: how the child got on before it ended or became another program.

    ``reason`` is ``spawn_failed``, ``executor_error``, or empty when a callable returned ``result``.
    """

    reason: str = ""
    message: str = ""
    result: msgspec.Raw = msgspec.Raw(b"null")


class SpawnError(Exception):
    """The command could not begin; the text says what was asked for and why it cannot be had."""


News = Prepared | Started | Ended


def make_packet_pair() -> tuple[socket.socket, socket.socket]:
    """A connected pair of sockets that keep packets whole and in order and show when the other side ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send_message(sock: socket.socket, message: msgspec.Struct) -> bool:
    """Send one message; False when the other side is gone."""
    with suppress(BrokenPipeError, ConnectionResetError):
        sock.send(msgspec.json.encode(message), socket.MSG_NOSIGNAL)
        return True
    return False


def receive_packet(sock: socket.socket) -> tuple[bytes, list[int]]:
    """One packet and its descriptors, none of which a program that is run later inherits; no bytes at the end."""
    fds = array.array("i")
    room = socket.CMSG_LEN(_MAX_FDS * fds.itemsize)
    packet, ancillary, _, _ = sock.recvmsg(PACKET_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return packet, list(fds)
