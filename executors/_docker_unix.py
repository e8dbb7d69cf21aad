"""Connections to an engine's socket in the file system: one pool of them, and none is lost when it fails."""

from __future__ import annotations

import socket
from typing import Any

from docker.transport.basehttpadapter import BaseHTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

_KEPT = 8


class _Connection(HTTPConnection):
    path = ""

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.timeout if isinstance(self.timeout, (int, float)) else None)
            sock.connect(self.path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


class UnixAdapter(BaseHTTPAdapter):  # type: ignore[misc]
    """Sends requests to the socket at *path*. (The library's own opens a pool for every URL.)"""

    def __init__(self, path: str) -> None:
        super().__init__()

        class Connection(_Connection):
            pass

        Connection.path = path
        self._pool = HTTPConnectionPool("localhost", maxsize=_KEPT)
        self._pool.ConnectionCls = Connection

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """The pool."""
        return self._pool

    def request_url(self, request: Any, proxies: Any) -> str:
        """The path alone."""
        return str(request.path_url)

    def close(self) -> None:
        """Close every idle connection."""
        self._pool.close()
