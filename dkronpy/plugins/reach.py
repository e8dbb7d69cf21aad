"""Where requests of jobs may go from a node: anywhere but to the node itself and what only it can reach.

Loopback and link-local addresses (among them the metadata services of clouds, which hand out credentials to whoever
asks) answer to the node as to nobody else. So no job gets there that the node does not allow.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

from dkronpy.errors import DkronpyError
from dkronpy.settings.values import Network, read_networks

_METADATA = frozenset({"fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"})
"""Metadata services that are at no link-local address: AWS over IPv6, Alibaba, Oracle, Azure."""


class UnreachableError(DkronpyError):
    """The node does not let jobs go there."""


class Reach(msgspec.Struct, frozen=True):
    """The networks that are allowed though they are loopback or link-local."""

    allowed: tuple[str, ...] = ()

    @classmethod
    def everywhere(cls) -> Reach:
        """No limits, for tests."""
        return cls(("0.0.0.0/0", "::/0"))

    def check(self, address: str) -> None:
        """Raise UnreachableError unless a request may go to this IP address."""
        seen = _plain(ipaddress.ip_address(address.partition("%")[0]))
        if (what := _guarded(seen)) and not any(seen in network for network in _networks(self.allowed)):
            raise UnreachableError(
                f"{address} is {what}, where jobs may not go from this node; DKRONPY_HTTP_ALLOW={address} allows it"
            )


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv6Address):
        six_to_four, teredo = address.sixtofour, address.teredo
        nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if nat64 else None
        return address.ipv4_mapped or six_to_four or (teredo[1] if teredo else None) or embedded or address
    return address


def _guarded(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_unspecified or (address.version == 4 and address in ipaddress.ip_network("0.0.0.0/8")):
        return "this node itself"
    return "a metadata service" if str(address) in _METADATA else ""


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return read_networks(",".join(texts))
