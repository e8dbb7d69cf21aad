"""Whose program is at the other end of a connection within this machine: the kernel's table of sockets tells."""

from __future__ import annotations

import ipaddress
import os
import pwd
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SOCKET = "dkronpy.socket"
"""Where the state of an ASGI scope has the inode of the socket that it came by."""
_TABLES = {4: Path("/proc/self/net/tcp"), 6: Path("/proc/self/net/tcp6")}
_ESTABLISHED = "01"
_FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})


class Ends(NamedTuple):
    """A connection: the address and port of whoever asks, those that were asked, and the inode of the socket here.

    The inode is 0 where it is not known; then nobody can tell whose connection it is.
    """

    peer: tuple[str, int]
    here: tuple[str, int]
    inode: int = 0


NOWHERE = Ends(("", 0), ("", 0))


def ends_of(scope: Mapping[str, Any]) -> Ends:
    """The ends of the connection that an ASGI scope came by; none for what a proxy hands on for somebody else."""
    if is_forwarded(name.decode("latin-1") for name, _ in scope.get("headers", ())):
        return NOWHERE
    peer, here = (tuple(scope.get(name) or NOWHERE.peer) for name in ("client", "server"))
    return Ends(peer, here, scope.get("state", {}).get(SOCKET, 0))


def is_forwarded(headers: Iterable[str]) -> bool:
    """Whether headers of these names say that somebody else is behind whoever sends them."""
    return not _FORWARDED.isdisjoint(name.lower() for name in headers)


def inode_of(connected: Any) -> int:
    """The inode of a connected socket; 0 for one that is closed."""
    try:
        return os.fstat(connected.fileno()).st_ino
    except (AttributeError, OSError, ValueError):
        return 0


def is_ours(ends: Ends) -> bool:
    """Whether this process's own user or root is at the other end; True where the system keeps no table that tells."""
    if not sys.platform.startswith("linux"):
        return True
    # Looked at in this order: as long as the socket here stands, nobody else has had the ends that it has. Whoever
    # resets a connection frees them, and the next to come by the same port would be taken for the one who asked.
    return owner(ends) in {0, os.geteuid()} and _stands(ends)


def owner(ends: Ends) -> int | None:
    """The user id of whoever holds the other end; None if nobody on this machine does."""
    # A socket that its program has closed has neither inode nor user: it would pass for root's.
    return next((uid for uid, inode in _sockets(ends.peer, ends.here) if inode), None)


def _stands(ends: Ends) -> bool:
    """Whether the socket that answers is connected still."""
    return ends.inode != 0 and any(inode == ends.inode for _, inode in _sockets(ends.here, ends.peer))


def _sockets(local: tuple[str, int], remote: tuple[str, int]) -> Iterator[tuple[int, int]]:
    """User id and inode of the sockets of this machine that are connected so."""
    for version, wanted in _rows(local, remote):
        try:
            table = _TABLES[version].read_text()
        except OSError:  # a kernel without IPv6
            continue
        for line in table.splitlines()[1:]:
            _, here, there, state, _, _, _, uid, _, inode, *_ = line.split()
            if (here, there) == wanted and state == _ESTABLISHED:
                yield int(uid), int(inode)


def user() -> str:
    """The name of this process's user."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _rows(local: tuple[str, int], remote: tuple[str, int]) -> Iterator[tuple[int, tuple[str, str]]]:
    """How the tables show a socket: whoever speaks IPv4 may do so by a socket of IPv6."""
    try:
        addresses = [_plain(ipaddress.ip_address(host)) for host, _ in (local, remote)]
    except ValueError:
        return
    for version in sorted({addresses[0].version, 6}):
        shown = [_shown(address, port, version) for address, (_, port) in zip(addresses, (local, remote), strict=True)]
        yield version, (shown[0], shown[1])


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, version: int) -> str:
    packed = address.packed if address.version == version else b"\0" * 10 + b"\xff\xff" + address.packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"
