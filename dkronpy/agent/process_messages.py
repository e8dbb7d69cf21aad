"""What agent, helper and child say to each other: one message a packet, over Unix sockets that keep packets.

The helper sends a ``Spare`` with a socket for every shim that waits. From then on agent and shim talk over that socket,
see ``shim_messages``. Its end means that the other side is gone.
"""

from __future__ import annotations

import _socket
import array
import errno
import os
import socket

import msgspec

from dkronpy.plugins.command import Command

PACKET_BYTES = 200_000  # under Linux's default limit of a socket's buffer (212,992)
RESULT_BYTES = 64_000
_MESSAGE_LENGTH = 2000
_MAX_FDS = 4
# Plain numbers: an operation on Python's constants for flags goes through much code of ``enum``, and each page of
# memory that a forked process writes to, if only to count a reference, is a copy of its own.
_UNIX, _PACKETS = int(socket.AF_UNIX), int(socket.SOCK_SEQPACKET)
_CLOEXEC, _CUT_OFF, _QUIETLY = int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_CTRUNC), int(socket.MSG_NOSIGNAL)


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """Helper to agent: it serves, and its shims are the compiled one, or those in Python."""

    compiled: bool


class Spare(msgspec.Struct, frozen=True, kw_only=True, tag="spare"):
    """Helper to agent: a shim waits on the socket that comes along."""

    pid: int


class Hurry(msgspec.Struct, frozen=True, kw_only=True, tag="hurry"):
    """Agent to helper: fork a shim now, a launch waits for it."""


class Taken(msgspec.Struct, frozen=True, kw_only=True, tag="taken"):
    """Agent to helper: this shim waits no more."""

    pid: int


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """Helper to agent: it can fork no shim; the system's error number says why."""

    error: int


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Child to shim: how the child got on before it ended or became another program.

    ``reason`` is ``spawn_failed``, ``executor_error``, or empty when a callable returned ``result``.
    """

    reason: str = ""
    message: str = ""
    result: msgspec.Raw = msgspec.Raw(b"null")


def write_report(fd: int, report: Report) -> None:
    """Send a child's report to its shim. It passes on so much at most; nothing that is meant is as long."""
    report = msgspec.structs.replace(report, message=report.message[:_MESSAGE_LENGTH])
    os.write(fd, write_message(report))


class SpawnError(Exception):
    """The command could not begin; the text says what was asked for and why it cannot be had."""


Offer = Ready | Spare | Refused
"""What a helper tells the agent."""
Wish = Hurry | Taken
"""What the agent tells a helper."""

# Made here, before anything is forked: the first use of a type is what costs.
read_offer = msgspec.json.Decoder[Offer](Offer).decode
read_wish = msgspec.json.Decoder[Wish](Wish).decode
read_report = msgspec.json.Decoder(Report).decode
read_command = msgspec.msgpack.Decoder(Command).decode
write_message = msgspec.json.Encoder().encode
write_command = msgspec.msgpack.Encoder().encode


def make_packet_pair() -> tuple[socket.socket, socket.socket]:
    """A connected pair of sockets that keep packets whole and in order and show when the other side ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def make_light_pair() -> tuple[socket.SocketType, socket.SocketType]:
    """As ``make_packet_pair``, for forked processes: plain sockets, whose making touches a third of the memory."""
    return _socket.socketpair(_UNIX, _PACKETS)


def send_message(sock: socket.SocketType, message: msgspec.Struct) -> bool:
    """Send one message; False when the other side is gone."""
    return send_bytes(sock, write_message(message))


def send_bytes(sock: socket.SocketType, packet: bytes) -> bool:
    """Send one packet; False when the other side is gone."""
    try:
        sock.send(packet, _QUIETLY)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def send_packet(sock: socket.SocketType, packet: bytes, fds: list[int]) -> bool:
    """Send one packet with descriptors; False when the other side is gone."""
    try:
        sock.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))], _QUIETLY)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def receive_packet(sock: socket.SocketType, flags: int = 0) -> tuple[bytes, list[int]]:
    """One packet and its descriptors, none of which a program that is run later inherits; no bytes at the end.

    Raises OSError where this process may have no more descriptors.
    """
    fds = array.array("i")
    room = socket.CMSG_LEN(_MAX_FDS * fds.itemsize)
    packet, ancillary, told, _ = sock.recvmsg(PACKET_BYTES, room, _CLOEXEC | flags)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if told & _CUT_OFF:
        for fd in fds:
            os.close(fd)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return packet, list(fds)
