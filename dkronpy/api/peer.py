"""Whose program is at the other end of a connection within this machine: the kernel's table of sockets tells."""

from __future__ import annotations

import ipaddress
import os
import pwd
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_TABLES = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
_ESTABLISHED = "01"


class Ends(NamedTuple):
    """A connection: the address and port of whoever asks, and those that were asked."""

    peer: tuple[str, int]
    here: tuple[str, int]


def ends_of(scope: Mapping[str, Any]) -> Ends:
    """The ends of the connection that an ASGI scope came by."""
    nowhere = ("", 0)
    return Ends(tuple(scope.get("client") or nowhere), tuple(scope.get("server") or nowhere))


def is_ours(ends: Ends) -> bool:
    """Whether this process's own user or root is at the other end; True where the system keeps no table that tells."""
    return not _TABLES[4].exists() or owner(ends) in {0, os.geteuid()}


def owner(ends: Ends) -> int | None:
    """The user id of whoever holds the other end; None if nobody on this machine does."""
    for version, wanted in _rows(ends):
        try:
            table = _TABLES[version].read_text()
        except OSError:  # a kernel without IPv6
            continue
        for line in table.splitlines()[1:]:
            _, local, remote, state, _, _, _, uid, _, inode, *_ = line.split()
            # A socket that its program has closed has neither inode nor user: it would pass for root's.
            if (local, remote) == wanted and state == _ESTABLISHED and inode != "0":
                return int(uid)
    return None


def user() -> str:
    """The name of this process's user."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _rows(ends: Ends) -> Iterator[tuple[int, tuple[str, str]]]:
    """How the tables show the other end: whoever speaks IPv4 may do so by a socket of IPv6."""
    try:
        addresses = [ipaddress.ip_address(host) for host, _ in ends]
    except ValueError:
        return
    ports = [port for _, port in ends]
    for version in sorted({addresses[0].version, 6}):
        shown = [_shown(address, port, version) for address, port in zip(addresses, ports, strict=True)]
        yield version, (shown[0], shown[1])


def _shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, version: int) -> str:
    packed = address.packed if address.version == version else b"\0" * 10 + b"\xff\xff" + address.packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"
