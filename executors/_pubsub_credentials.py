"""Who a Pub/Sub message is from: a service account's key, or the node's own credentials; and the token for it."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google.auth
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from dkronpy.plugins.executor import ExecutorError

from ._deadline import Watch

if TYPE_CHECKING:
    from .gcppubsub import PubSub

_SCOPES = ("https://www.googleapis.com/auth/pubsub",)
_MOST = 16


class Credentials:
    """The credentials of a node's jobs, kept as long as their files do not change; the least recently used goes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def headers(self, options: PubSub, url: str, watch: Watch) -> dict[str, str]:
        """The headers that say who it is, with a token that is fetched when there is none that is good.

        Raises ExecutorError.
        """
        key = _key(options)
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            # To find the node's own credentials may mean to ask a server that is not there.
            found = watch.call(lambda: _load(options)) if key[0] == "default" else _load(options)
        with self._lock:
            self._kept[key] = found
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return self._headers(found, url, watch)

    def forget(self, options: PubSub) -> None:
        """Load them anew the next time: the service has refused them."""
        with self._lock:
            self._kept.pop(_key(options), None)

    def _headers(self, found: Any, url: str, watch: Watch) -> dict[str, str]:
        headers: dict[str, str] = {}

        def fill() -> None:
            found.before_request(_request(), "POST", url, headers)

        try:
            if found.valid:
                fill()
            else:
                watch.call(fill)
        except (RefreshError, TransportError) as error:
            raise ExecutorError(f"no token for {_name(found)}: {_reason(error)}", retryable=_retryable(error)) from None
        except GoogleAuthError as error:
            raise ExecutorError(f"no token for {_name(found)}: {_reason(error)}") from None
        return {name.lower(): value for name, value in headers.items()}


def _request() -> Any:
    return Request()


def _key(options: PubSub) -> tuple[Hashable, ...]:
    if options.credentials:
        return ("given", hashlib.sha256(str(options.credentials).encode()).hexdigest())
    path = options.credentials_file
    if path:
        return ("file", path, *_state(path, "credentials_file"))
    path = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    return ("default", path, *(_state(path, "GOOGLE_APPLICATION_CREDENTIALS") if path else ()))


def _state(path: str, name: str) -> tuple[int, ...]:
    try:
        state = os.stat(path)  # noqa: PTH116 - a plain stat, at each attempt
    except OSError as error:
        raise ExecutorError(f"{name}: cannot read {path}: {error.strerror}") from None
    return (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size)


def _load(options: PubSub) -> Any:
    if options.credentials:
        return _service_account(str(options.credentials), "credentials")
    if path := options.credentials_file:
        return _service_account(Path(path).read_text(errors="replace"), f"credentials_file {path}")
    try:
        return google.auth.default(scopes=_SCOPES)[0]
    except DefaultCredentialsError as error:
        hint = "set credentials or credentials_file, or the node's GOOGLE_APPLICATION_CREDENTIALS"
        raise ExecutorError(f"the node has no Google credentials of its own: {_reason(error)} {hint}") from None


def _service_account(text: str, where: str) -> Any:
    try:
        info = json.loads(text)
        return service_account.Credentials.from_service_account_info(info, scopes=_SCOPES)
    except (ValueError, AttributeError, TypeError, GoogleAuthError) as error:
        why = "not JSON" if isinstance(error, json.JSONDecodeError) else _reason(error)
        raise ExecutorError(f"{where}: not the key of a service account: {why}", retryable=False) from None


def _name(found: Any) -> str:
    return str(getattr(found, "service_account_email", "") or "the node's own credentials")


def _retryable(error: Any) -> bool:
    """Whether a token may be had another time: the network failed, or the server of tokens says so of itself."""
    return isinstance(error, TransportError) or bool(getattr(error, "retryable", False))


def _reason(error: BaseException) -> str:
    text = str(error.args[0] if error.args else error)
    return " ".join(text.split())
