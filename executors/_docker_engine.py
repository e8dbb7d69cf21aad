"""Clients of Docker engines that are kept between attempts, and what an engine's refusal means."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from docker import APIClient
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import APIError, DockerException
from docker.utils import version_lt
from urllib3.exceptions import HTTPError

from dkronpy.plugins.executor import ExecutorError
from dkronpy.plugins.tls import TlsOptions, client_context, fingerprint

from ._docker_unix import UnixAdapter
from ._http_failures import explain
from ._transport import Transport

if TYPE_CHECKING:
    from .docker import Docker

TIMEOUT = 30
"""Seconds for one answer of an engine."""

_ENGINES = 8
_SOCKET = "unix:///var/run/docker.sock"
_AGAIN = frozenset({408, 409, 425, 429})
_LOST = (requests.ConnectionError, requests.Timeout, HTTPError)
# Some mistakes in a definition are answered with 500, as if the engine had failed.
_HOPELESS = re.compile(r"invalid|unable to find (user|group)|unauthorized|denied|manifest unknown", re.IGNORECASE)
_UNTRUSTED = re.compile(r"certificate|TLS", re.IGNORECASE)


class Engine:
    """A client of the engine at *where*. *swept* holds the nodes whose leftovers were removed from it."""

    def __init__(self, api: APIClient, where: str) -> None:
        self.api: Any = api
        self.where = where
        self.swept: set[str] = set()


class Engines:
    """The engines that a node talks to, the least recently used closed when there are too many.

    ``running`` holds the names of the containers that attempts of this process have now.
    """

    def __init__(self) -> None:
        self.running: set[str] = set()
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], Engine] = OrderedDict()

    @contextmanager
    def use(self, options: Docker) -> Iterator[Engine]:
        """The engine that *options* name; what goes wrong with it becomes an ExecutorError of one line."""
        host, tls = _address(options)
        where = host.removesuffix("/")
        key = (host, None if tls is None else fingerprint(tls))
        try:
            yield self._get(key, host, tls)
        except (requests.RequestException, HTTPError, DockerException, TimeoutError) as error:
            if isinstance(error, _LOST) and not isinstance(error, APIError):
                self._forget(key)  # it may come back as another version
            raise failure(error, where) from error

    def sweep_again(self, node: str) -> None:
        """Something of *node* may have stayed behind: its next attempt on each engine looks for it first."""
        with self._lock:
            for engine in self._kept.values():
                engine.swept.discard(node)

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            kept, self._kept = self._kept, OrderedDict()
        for engine in kept.values():
            engine.api.close()

    def _get(self, key: tuple[object, ...], host: str, tls: TlsOptions | None) -> Engine:
        with self._lock:
            if (found := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return found
        made = Engine(_client(host, tls), host)
        with self._lock:
            found = self._kept.setdefault(key, made)
            dropped = [self._kept.popitem(last=False)[1] for _ in range(len(self._kept) - _ENGINES)]
        for engine in [*dropped, *([made] if found is not made else [])]:
            engine.api.close()
        return found

    def _forget(self, key: tuple[object, ...]) -> None:
        with self._lock:
            engine = self._kept.pop(key, None)
        if engine is not None:
            engine.api.close()


def failure(error: Exception, where: str) -> ExecutorError:
    """Why the engine at *where* did not do what it was asked, in its own words."""
    if isinstance(error, APIError):
        said = " ".join((error.explanation or str(error)).split())
        status = error.status_code or 500
        hopeless = (400 <= status < 500 and status not in _AGAIN) or bool(_HOPELESS.search(said))
        return ExecutorError(f"the Docker engine says: {said}", retryable=not hopeless)
    if isinstance(error, (requests.RequestException, HTTPError)):
        line = explain(error, f"the Docker engine at {where}")
        return ExecutorError(line, retryable=not _UNTRUSTED.search(line))
    return ExecutorError(f"the Docker engine at {where}: {error}", retryable=isinstance(error, TimeoutError))


def _address(options: Docker) -> tuple[str, TlsOptions | None]:
    """Host and TLS files: the options', or what the ``docker`` command would take from the environment."""
    if options.host:
        given = bool(options.tls_ca or options.tls_cert or options.tls_no_verify)
        tls: TlsOptions | None = options if given or options.host.startswith("https:") else None
        return options.host, tls
    host = os.environ.get("DOCKER_HOST") or _SOCKET
    if not os.environ.get("DOCKER_TLS_VERIFY") or host.startswith("unix:"):
        return host, None
    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    ca, cert, key = (str(folder / f"{name}.pem") for name in ("ca", "cert", "key"))
    return host, TlsOptions(tls_ca=ca, tls_cert=cert, tls_key=key)


def _client(host: str, tls: TlsOptions | None) -> APIClient:
    """A client that speaks the newest version of the API that both sides know."""
    client = _connect(host, tls, DEFAULT_DOCKER_API_VERSION)
    try:
        newest: str = client.version(api_version=False)["ApiVersion"]
    except BaseException:
        client.close()
        raise
    if not version_lt(newest, DEFAULT_DOCKER_API_VERSION):
        return client
    client.close()
    return _connect(host, tls, newest)


def _connect(host: str, tls: TlsOptions | None, version: str) -> APIClient:
    client = APIClient(base_url=host, version=version, timeout=TIMEOUT, tls=tls is not None)
    # REQUESTS_CA_BUNDLE would replace the authorities that were asked for, and proxies the engine's address.
    client.trust_env = False
    if host.startswith("unix://"):
        client.get_adapter(client.base_url).close()
        client.mount("http+docker://", UnixAdapter(host.removeprefix("unix://")))
    if tls is not None:
        client.mount("https://", Transport(client_context(tls)))
    return client
