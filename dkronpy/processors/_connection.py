"""Connections of processors: TLS options with the names they have everywhere, a deadline, errors in one line."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import ClassVar
from urllib.parse import urlsplit

from dkronpy.errors import Problem
from dkronpy.plugins.executor import ExecutorError
from dkronpy.plugins.processor import ProcessorError, ProcessorOptions
from dkronpy.plugins.tls import TlsCa, TlsCert, TlsKey, TlsNoVerify, client_context, key_problem
from dkronpy.plugins.values import as_timedelta
from dkronpy.version import VERSION

_SHOWN = 300


class TlsOptions(ProcessorOptions, frozen=True, kw_only=True):
    """Whom to trust, and who we are. The files are read on the node."""

    plugin: ClassVar[str] = ""

    tls_ca: TlsCa = ""
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_no_verify: TlsNoVerify = False

    def check(self) -> Iterator[Problem]:
        """A key is nothing without its certificate."""
        yield from super().check()
        if message := key_problem(self):
            yield self.problem("tls_key", message)


def seconds(options: ProcessorOptions) -> float | None:
    """The limit for a single wait of a socket; None without one."""
    limit = as_timedelta(options.timeout)
    return None if limit is None else limit.total_seconds()


def tls_context(options: TlsOptions) -> ssl.SSLContext:
    """The TLS context of a client. Raises ProcessorError for files that cannot be used."""
    try:
        return client_context(options)
    except ExecutorError as error:
        raise ProcessorError(str(error)) from None


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Turn what goes wrong with a connection to *where* into one line that names it."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise ProcessorError(f"the certificate of {where} cannot be trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise ProcessorError(f"TLS with {where} failed: {_words(error.reason or str(error))}") from None
    except socket.gaierror as error:
        raise ProcessorError(f"cannot find {where}: {error.strerror}") from None
    except TimeoutError:
        raise ProcessorError(f"{where} did not answer in time") from None
    except OSError as error:
        raise ProcessorError(f"cannot reach {where}: {error.strerror or error}") from None


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower()


def connect(host: str, port: int, options: TlsOptions, *, tls: bool) -> socket.socket:
    """A connected socket. Raises OSError; call it under ``naming``."""
    began = time.monotonic()
    limit = seconds(options)
    raw = socket.create_connection((host, port), timeout=limit)
    if not tls:
        return raw
    try:
        if limit is not None:
            raw.settimeout(max(0.1, limit - (time.monotonic() - began)))
        return tls_context(options).wrap_socket(raw, server_hostname=host)
    except BaseException:
        raw.close()
        raise


def send_json(
    method: str, url: str, body: bytes, options: TlsOptions, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """The status and the body of the answer to one request. Raises ProcessorError when there is no answer.

    Errors name the host only: the path of a webhook is as good as a password.
    """
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    connection = (
        HTTPSConnection(where, timeout=seconds(options), context=tls_context(options))
        if parts.scheme == "https"
        else HTTPConnection(where, timeout=seconds(options))
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {"Content-Type": "application/json", "User-Agent": f"dkronpy/{VERSION}", **(headers or {})}
    with naming(where):
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            return answer.status, answer.read(1_000_000)
        except (HTTPException, ValueError) as error:
            if isinstance(error, OSError):  # some are both, and say more as such
                raise
            raise ProcessorError(f"no usable answer from {where}: {type(error).__name__}") from None
        finally:
            connection.close()


def refused(where: str, status: int, body: bytes) -> ProcessorError:
    """The error for an answer that is no success."""
    said = " ".join(body.decode("utf-8", "replace").split())[:_SHOWN]
    return ProcessorError(f"{where} answered {status}: {said}".rstrip(": "))


def host_of(url: str) -> str:
    """Host and port of a URL, without credentials and path."""
    return urlsplit(url).netloc.rpartition("@")[2]


def url_problem(url: object) -> str:
    """What is wrong with a URL that is no reference to a secret, or nothing."""
    if not isinstance(url, str):
        return ""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    return "" if good else f"{url!r} is not a URL; the form is https://host[:port]/path"
