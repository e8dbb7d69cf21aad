"""Pooled connections under requests: one pool per TLS settings, every socket known to its exchange."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError
from urllib3.util import parse_url

from dkronpy.plugins.tls import Fingerprint, TlsOptions, client_context, fingerprint

from ._exchange import current

_SETTINGS = 16
_HOSTS = 32
_PER_HOST = 8


def _connected(connection: HTTPConnection, connect: Callable[[], socket.socket]) -> socket.socket:
    """A socket to the first address of the connection's host that answers, each asked about before.

    The name is looked up once: what was allowed is what is connected to.
    """
    exchange = current()
    if exchange is None:
        return connect()
    name, found = connection._dns_host, []  # noqa: SLF001 - where urllib3 keeps what it looks up
    try:
        found = socket.getaddrinfo(name.strip("[]"), connection.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NameResolutionError(name, connection, error) from error  # type: ignore[arg-type]
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        exchange.check(address)
    for left, address in enumerate(addresses, 1 - len(addresses)):
        connection._dns_host = address  # noqa: SLF001 - as above
        try:
            sock = connect()
        except HTTPError:
            if not left:
                raise
        else:
            exchange.attach(sock)
            return sock
        finally:
            connection._dns_host = name  # noqa: SLF001 - as above
    raise NameResolutionError(name, connection, socket.gaierror(socket.EAI_NODATA, "it has no address"))


class _Connection(HTTPConnection):
    released = 0.0

    def _new_conn(self) -> socket.socket:
        return _connected(self, super()._new_conn)


class _TlsConnection(HTTPSConnection):
    released = 0.0

    def _new_conn(self) -> socket.socket:
        return _connected(self, super()._new_conn)


def _take(connection: Any) -> Any:
    """Let the exchange decide on a connection that has served before, and know its socket."""
    exchange = current()
    if exchange is not None and connection.sock is not None:
        if exchange.may_reuse(time.monotonic() - connection.released):
            exchange.attach(connection.sock)
        else:
            connection.close()
    return connection


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        return _take(super()._get_conn(timeout))

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.released = time.monotonic()
        super()._put_conn(conn)


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection

    def _get_conn(self, timeout: float | None = None) -> Any:
        return _take(super()._get_conn(timeout))

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.released = time.monotonic()
        super()._put_conn(conn)

    def _validate_conn(self, conn: Any) -> None:
        # Not urllib3's own: that warns on every request for which the user turned verification off.
        if conn.is_closed:
            conn.connect()


class Transport(HTTPAdapter):
    """Connections with one TLS context, kept per host; bounded in hosts and in connections per host."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__(pool_connections=_HOSTS, pool_maxsize=_PER_HOST)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        """Make the pools with our connections and our context."""
        self.poolmanager = _equip(
            PoolManager(num_pools=connections, maxsize=maxsize, block=block, ssl_context=self._tls, **kwargs)
        )

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """As above, through a proxy."""
        manager = super().proxy_manager_for(proxy, ssl_context=self._tls, **kwargs)
        return _equip(manager)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Scheme, host and port; all of TLS stands in the context."""
        url = parse_url(request.url or "")
        return {"scheme": url.scheme, "host": url.host, "port": url.port}, {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: requests would add its own authorities to those of the context."""


def _equip(manager: PoolManager | ProxyManager) -> Any:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager


class Transports:
    """The transports of a node, the least recently used closed when there are too many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Fingerprint, Transport] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, options: TlsOptions) -> Transport:
        """The transport for these TLS options; a new one when a file of theirs has changed.

        Raises ExecutorError for files that cannot be used.
        """
        key = fingerprint(options)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = Transport(client_context(options))
            self._kept.move_to_end(key)
            dropped = [self._kept.popitem(last=False)[1] for _ in range(len(self._kept) - _SETTINGS)]
            found = self._kept[key]
        for transport in dropped:
            transport.close()
        return found

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            kept, self._kept = self._kept, OrderedDict()
        for transport in kept.values():
            transport.close()
