"""Says in one line what went wrong with an HTTP request: requests and urllib3 nest their errors deep."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from http.client import RemoteDisconnected

import requests
from urllib3.exceptions import DecodeError, HTTPError, IncompleteRead


def explain(error: requests.RequestException | HTTPError, where: str) -> str:
    """One line on why there is no answer from *where*, a host with its port."""
    causes = list(_causes(error))
    lines = (_line(cause, where) for cause in causes)
    return next(filter(None, lines), f"no answer from {where}: {causes[0]}")


def _line(cause: BaseException, where: str) -> str | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {where} cannot be trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS with {where} failed: {str(cause.reason or cause).replace('_', ' ').lower()}"
    if isinstance(cause, socket.gaierror):
        return f"cannot find {where}: {cause.strerror}"
    if isinstance(cause, RemoteDisconnected):
        return f"{where} closed the connection without an answer"
    if isinstance(cause, IncompleteRead):
        return f"the answer of {where} broke off after {cause.partial} bytes"
    if isinstance(cause, DecodeError):
        return f"the answer of {where} is not compressed as it says"
    if isinstance(cause, TimeoutError):
        return f"{where} did not answer in time"
    if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
        verb = "lost the connection to" if isinstance(cause, ConnectionResetError) else "cannot connect to"
        return f"{verb} {where}: {cause.strerror}"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error that everything began with first, then what was made of it."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__ or getattr(at, "reason", None)
        if not isinstance(at, BaseException):
            break
    yield from reversed(chain)
