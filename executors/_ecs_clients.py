"""Clients of AWS that are kept between attempts, and what a refusal of AWS means."""

from __future__ import annotations

import hashlib
import json
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - AWS's own
    HTTPClientError,
    SSLError,
)
from urllib3.exceptions import InsecureRequestWarning

from dkronpy.plugins.executor import ExecutorError
from dkronpy.plugins.tls import fingerprint

if TYPE_CHECKING:
    from .ecs import Ecs

T = TypeVar("T")

_SETS = 8
_AGAIN = ("Throttl", "TooManyRequests", "RequestLimit", "LimitExceeded", "ServerException", "ServiceUnavailable")
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


class Aws:
    """The clients for one set of credentials: of ECS, and of CloudWatch logs by region.

    ``registered`` holds the definitions that were registered already, by their content.
    """

    def __init__(self, options: Ecs) -> None:
        self._lock = threading.Lock()
        self._session = boto3.session.Session(
            aws_access_key_id=str(options.access_key) or None,
            aws_secret_access_key=str(options.secret_key) or None,
            aws_session_token=str(options.session_token) or None,
            region_name=options.region or None,
        )
        certificate = (options.tls_cert, options.tls_key) if options.tls_key else options.tls_cert or None
        self._settings: dict[str, Any] = {
            "endpoint_url": options.endpoint or None,
            "verify": False if options.tls_no_verify else options.tls_ca or None,
            "config": Config(
                connect_timeout=5,
                read_timeout=20,
                retries={"mode": "standard", "total_max_attempts": 4},
                client_cert=certificate,
            ),
        }
        if options.tls_no_verify:  # it was asked for; one line on every request would not make it safer
            warnings.filterwarnings("ignore", category=InsecureRequestWarning)
        self.ecs: Any = self._session.client("ecs", **self._settings)
        self.region: str = self.ecs.meta.region_name
        self._logs: dict[str, Any] = {}
        self.registered: dict[str, dict[str, Any]] = {}

    def logs(self, region: str) -> Any:
        """The client of CloudWatch logs in *region*."""
        with self._lock:
            if region not in self._logs:
                self._logs[region] = self._session.client("logs", region_name=region, **self._settings)
            return self._logs[region]

    def close(self) -> None:
        """Close every connection."""
        for client in [self.ecs, *self._logs.values()]:
            client.close()


class Clients:
    """The clients of a node, the least recently used closed when there are too many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Aws] = OrderedDict()

    def get(self, options: Ecs) -> Aws:
        """The clients for these options. Raises ExecutorError where there is no region, or a file is missing."""
        names = ("access_key", "secret_key", "session_token", "region", "endpoint")
        told = [str(getattr(options, name)) for name in names]
        key = hashlib.sha256(json.dumps([told, repr(fingerprint(options))]).encode()).hexdigest()
        with self._lock:  # making a session is not safe from several threads
            if key not in self._kept:
                self._kept[key] = asked(lambda: Aws(options))
            self._kept.move_to_end(key)
            dropped = [self._kept.popitem(last=False)[1] for _ in range(len(self._kept) - _SETS)]
            found = self._kept[key]
        for aws in dropped:
            aws.close()
        return found

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            kept, self._kept = self._kept, OrderedDict()
        for aws in kept.values():
            aws.close()


def asked(call: Callable[[], T]) -> T:
    """The answer of AWS to *call*; what it refuses becomes an ExecutorError in its own words."""
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        raise failure(error) from error


def failure(error: Exception) -> ExecutorError:
    """Why AWS did not do what it was asked, and whether another try makes sense."""
    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        code, message = str(told.get("Code", "")), " ".join(str(told.get("Message") or error).split())
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        retryable = status >= 500 or code in _EXPIRED or any(word in code for word in _AGAIN)
        return ExecutorError(f"AWS says: {code}: {message}", retryable=retryable)
    line = " ".join(str(error).split())
    if isinstance(error, SSLError):
        return ExecutorError(f"TLS with AWS failed: {line}", retryable=False)
    if isinstance(error, (ConnectionError, HTTPClientError)):
        return ExecutorError(f"AWS cannot be reached: {line}")
    return ExecutorError(f"AWS cannot be asked: {line}", retryable=False)
