"""Answers as Dkron writes them: compact JSON, or indented with ``pretty``, its texts and its empty bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response

JSON = "application/json; charset=utf-8"
TEXT = "text/plain"
# As Go escapes what HTML could misread; inside JSON these bytes stand in texts only.
_ESCAPES = {
    b"<": b"\\u003c", b">": b"\\u003e", b"&": b"\\u0026",
    b"\xe2\x80\xa8": b"\\u2028", b"\xe2\x80\xa9": b"\\u2029",
}  # fmt: skip

AnyRequest = Request[Any, Any, Any]
Answer = Response[bytes]


def json_answer(
    request: AnyRequest, value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """*value* as Dkron would write it."""
    body = msgspec.json.encode(value)
    for plain, escaped in _ESCAPES.items():
        if plain in body:
            body = body.replace(plain, escaped)
    if "pretty" in request.query_params:
        body = msgspec.json.format(body, indent=4)
    return Response(body, status_code=status, headers=dict(headers or {}), media_type=JSON)


def list_answer(request: AnyRequest, values: list[Any], total: int | None = None) -> Response[bytes]:
    """A list, with how many there are in ``X-Total-Count``."""
    count = len(values) if total is None else total
    return json_answer(request, values, headers={"X-Total-Count": str(count)})


def text_answer(text: str, status: int) -> Response[bytes]:
    """An error as Dkron tells it on create and update."""
    return Response(text.encode(), status_code=status, media_type=TEXT)


def message_answer(request: AnyRequest, text: str, status: int) -> Response[bytes]:
    """An error where Dkron sends no body; its page shows ``message``."""
    return json_answer(request, {"message": text}, status)


def location(request: AnyRequest, name: str = "") -> dict[str, str]:
    """The header that Dkron sends after a change: the request's own URI, with the name of what was made."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope.get("query_string", b"")
    uri = raw.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    return {"Location": f"{uri}/{name}".encode().decode("latin-1") if name else uri}
