"""A TCP proxy that misbehaves: cuts, stalls and refuses connections, drops replies, and stops a request half-way."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import final

CHUNK = 1 << 20
_RESET = struct.pack("ii", 1, 0)

Watch = Callable[["Link", bytes], "bytes | None"]
"""Sees a request before it is passed on, and returns what is to be passed on; None: nothing, and the link is cut."""


@final
class Link:
    """One connection through the proxy."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server

    def forward(self, data: bytes) -> None:
        """Pass bytes on to the server."""
        self.server.sendall(data)

    def cut(self) -> None:
        """Break it as a network does: both sides see a reset."""
        for side in (self.client, self.server):
            with suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()


@final
class Proxy:
    """Listens on a loopback port of its own and passes everything to ``target``, until told otherwise."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.watch: Watch | None = None
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._drop: tuple[random.Random, float] | None = None
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Break every connection and stop listening."""
        self._refusing = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.flow()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def cut(self) -> int:
        """Break the connections there are; new ones are welcome. How many there were."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            link.cut()
        return len(links)

    def refuse(self) -> None:
        """Break the connections there are, and every new one at once, until ``welcome``."""
        self._refusing = True
        self.cut()

    def welcome(self) -> None:
        """Take connections again."""
        self._refusing = False

    def stall(self) -> None:
        """Nothing passes any more, and every connection stays open, until ``flow``."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let everything pass again."""
        self._flowing.set()

    def drop_replies(self, rng: random.Random, share: float) -> None:
        """Of the replies *share* get lost, with their connection: the server has done what it was asked. 0: none."""
        self._drop = (rng, share) if share else None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = None if self._refusing else socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                server = None
            if server is None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                client.close()
                continue
            server.settimeout(None)
            link = Link(client, server)
            with self._lock:
                self._links.add(link)
            for pump in (self._requests, self._replies):
                thread = threading.Thread(target=self._pump, args=(pump, link), daemon=True)
                thread.start()
                self._threads.append(thread)
            self._threads = [thread for thread in self._threads if thread.is_alive()]

    def _pump(self, pump: Callable[[Link], None], link: Link) -> None:
        with suppress(OSError):
            pump(link)
        with self._lock:
            self._links.discard(link)
        link.cut()

    def _requests(self, link: Link) -> None:
        while data := link.client.recv(CHUNK):
            self._flowing.wait()
            watch = self.watch
            passed = data if watch is None else watch(link, data)
            if passed is None:
                return
            link.forward(passed)

    def _replies(self, link: Link) -> None:
        while data := link.server.recv(CHUNK):
            self._flowing.wait()
            drop = self._drop
            if drop is not None and drop[0].random() < drop[1]:
                return
            link.client.sendall(data)
