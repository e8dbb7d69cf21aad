"""How the options of a gRPC call are read: the URL, messages as JSON, metadata, status codes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from dkronpy.plugins.executor import ExecutionContext
from dkronpy.plugins.values import Rejected, did_you_mean, read_text, shown
from dkronpy.secret import Secret

from ._http_values import read_headers

STATUSES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""The names of gRPC's statuses; a status's number is its place."""
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):\d{1,5}")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_KEY = re.compile(r"[0-9a-z_.-]+", re.ASCII)
_VALUE = re.compile(r"[\x20-\x7e]*")


class Target(NamedTuple):
    """Whom to ask for what: ``host:port``, ``package.Service``, ``Method``."""

    address: str
    service: str
    method: str


def read_target(url: str) -> Target:
    """The parts of ``host:port/package.Service/Method``; a dot before the method will do, as in Dkron.

    Raises Rejected.
    """
    form = "the form is host:port/package.Service/Method"
    if "://" in url:
        raise Rejected(f"{shown(url)} has a scheme; {form}")
    address, slash, path = url.partition("/")
    if not slash:
        raise Rejected(f"we require at least a url and a path to do a proto request; {form}")
    service, slash, method = path.rpartition("/") if "/" in path else path.rpartition(".")
    if not _ADDRESS.fullmatch(address):
        raise Rejected(f"{shown(address)} is not a host with a port; {form}")
    if not (slash and _NAME.fullmatch(service) and _NAME.fullmatch(method)):
        raise Rejected(f"{shown(path)} names no method; {form}")
    return Target(address, service, method)


def read_messages(text: str) -> list[Any]:
    """The JSON values in *text*, one after the other; nothing is one empty message. Raises Rejected."""
    decoder = json.JSONDecoder()
    messages, rest = [], text.strip()
    while rest:
        try:
            message, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError) as error:
            raise Rejected(f"{shown(rest)} is not JSON: {error}") from None
        messages.append(message)
        rest = rest[end:].lstrip()
    return messages or [{}]


def read_metadata(value: Any) -> dict[str, str | Secret]:
    """Metadata from a table, from a list of ``"name: value"``, or from Dkron's JSON text of such a list."""
    metadata: dict[str, str | Secret] = {}
    for name, content in read_headers(value).items():
        key = name.lower()
        if not _KEY.fullmatch(key):
            raise Rejected(f"{shown(name)} cannot be the name of metadata; accepted: a-z 0-9 _ . -")
        if key.startswith("grpc-"):
            raise Rejected(f"{shown(name)} cannot be set: names that begin with grpc- are gRPC's own")
        if isinstance(content, str):
            encoded(key, content)
        metadata[key] = content
    return metadata


def encoded(key: str, content: str) -> str | bytes:
    """The value of *key* as it is sent: bytes, given as base64, for a name that ends in -bin. Raises Rejected."""
    if key.endswith("-bin"):
        try:
            return base64.b64decode(content, validate=True)
        except ValueError as error:
            raise Rejected(f"the value of {key} is not base64: {error}") from None
    if not _VALUE.fullmatch(content):
        raise Rejected(f"the value of {key} is not plain ASCII", "a name that ends in -bin takes base64 of any bytes")
    return content


def identity(context: ExecutionContext) -> dict[str, str]:
    """What tells a server a repetition, and a late one: ASCII, so other letters of a job's name are percent-encoded."""
    key = quote(context.execution_id, safe="!#$&'()*+,/:;=?@[]~ ")
    return {"idempotency-key": key, "dkronpy-fencing-token": str(context.token), **context.trace}


def read_statuses(value: Any) -> str:
    """Statuses as numbers or names, several with commas or as a list; their numbers, with commas."""
    if isinstance(value, (bool, Mapping)):
        raise Rejected(f"{shown(value)} is not a gRPC status; accepted: 0 to 16, or names such as NOT_FOUND")
    items = value if isinstance(value, (list, tuple)) else str(value).split(",")
    return ",".join(dict.fromkeys(str(_status(str(item).strip())) for item in items if str(item).strip()))


def _status(text: str) -> int:
    if re.fullmatch(r"\d{1,2}", text, re.ASCII) and int(text) < len(STATUSES):
        return int(text)
    name = text.upper()
    if name not in STATUSES:
        message = f"{shown(read_text(text))} is not a gRPC status; accepted: 0 to 16, or names such as NOT_FOUND"
        raise Rejected(message, did_you_mean(name, STATUSES))
    return STATUSES.index(name)


def status_text(number: int) -> str:
    """A status as people know it: ``5 (NOT_FOUND)``."""
    return f"{number} ({STATUSES[number]})" if number < len(STATUSES) else str(number)
