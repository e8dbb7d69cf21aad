"""Channels to gRPC servers, kept between attempts: bounded in number, closed once nobody uses them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from dkronpy.version import VERSION

_MOST = 32
_LONGEST_MESSAGE = 64 * 1024 * 1024

PLAIN_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.primary_user_agent", f"dkronpy/{VERSION}"),
    ("grpc.max_receive_message_length", _LONGEST_MESSAGE),
    # A node's environment is not asked for a proxy, nor its name server for how to behave.
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config_disable_resolution", 1),
    # Otherwise channels to one address share connections, and with them the pause after a failure to connect.
    ("grpc.use_local_subchannel_pool", 1),
)
"""What every channel of ours is made with."""


class Link:
    """A channel and what is known of the server behind it (``notes``, for whoever uses the channel)."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.notes: dict[Hashable, Any] = {}
        self.users = 0
        self.kept = True


class Channels:
    """The channels of an executor, by what they were made of; the least recently used goes when there are many."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._links: OrderedDict[Hashable, Link] = OrderedDict()

    def __len__(self) -> int:
        return len(self._links)

    @contextmanager
    def lease(self, key: Hashable, make: Callable[[], grpc.Channel]) -> Iterator[Link]:
        """The channel for *key*, made when there is none; it stays open at least until the end of the ``with``."""
        link = self._take(key) or self._add(key, make())
        try:
            yield link
        finally:
            with self._lock:
                link.users -= 1
                unused = not (link.kept or link.users)
            if unused:
                link.channel.close()

    def drop(self, link: Link) -> None:
        """Keep *link* no longer: a channel that cannot connect pauses ever longer, a new one tries at once."""
        with self._lock:
            for key in [key for key, kept in self._links.items() if kept is link]:
                del self._links[key]
            link.kept = False

    def close(self) -> None:
        """Close every channel, which ends the calls on it."""
        with self._lock:
            links, self._links = list(self._links.values()), OrderedDict()
        for link in links:
            link.kept = False
            link.channel.close()

    def _take(self, key: Hashable) -> Link | None:
        with self._lock:
            link = self._links.get(key)
            if link is not None:
                self._links.move_to_end(key)
                link.users += 1
            return link

    def _add(self, key: Hashable, channel: grpc.Channel) -> Link:
        link, closing = Link(channel), []
        with self._lock:
            link.users = 1
            if key in self._links:  # another thread was faster; this one serves a single attempt
                link.kept = False
            else:
                self._links[key] = link
            while len(self._links) > self._most:
                _, oldest = self._links.popitem(last=False)
                oldest.kept = False
                if not oldest.users:
                    closing.append(oldest)
        for old in closing:
            old.channel.close()
        return link
