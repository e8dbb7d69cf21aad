"""Receivers of the test's own: a socket that keeps what comes, in datagrams or connections, plain or with TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from tests.support import wait_until


class Sink:
    """Listens on the loopback interface or at a path; ``received`` is a list with an entry a datagram or connection.

    *answer*, given all that came on a connection so far, says what to send back; None for nothing yet.
    """

    def __init__(
        self,
        kind: socket.SocketKind = socket.SOCK_STREAM,
        *,
        path: Path | None = None,
        tls: ssl.SSLContext | None = None,
        answer: Callable[[bytes], bytes | None] = lambda _: None,
        close_at_once: bool = False,
    ) -> None:
        self.received: list[bytes] = []
        self._kind, self._tls, self._answer, self._close_at_once = kind, tls, answer, close_at_once
        self._socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET, kind)
        self._socket.bind(str(path) if path else ("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            self._socket.listen()
        self._socket.settimeout(0.1)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Sink:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._socket.close()

    def wait(self, count: int = 1) -> list[bytes]:
        """What was received, once so many datagrams came or so many connections have ended."""
        wait_until(lambda: len(self.received) >= count, timeout=5, description=f"{count} messages have arrived")
        return self.received

    def _run(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                if self._kind == socket.SOCK_DGRAM:
                    self.received.append(self._socket.recv(70_000))
                    continue
                connection, _ = self._socket.accept()
                with connection:
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        if self._close_at_once:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            return
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        data = b""
        with connection:
            while chunk := connection.recv(65_536):
                data += chunk
                if (reply := self._answer(data)) is not None:
                    connection.sendall(reply)
        self.received.append(data)


def silent() -> socket.socket:
    """A listener that takes connections and never says a word; the caller closes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.listen(16)
    return listener
