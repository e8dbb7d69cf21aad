"""What is pushed to browsers: what has changed, and the output of an attempt while it grows."""

from __future__ import annotations

import codecs
import functools
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.to_thread
import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from dkronpy.client import Client
from dkronpy.execution import Execution
from dkronpy.web.ansi import Ansi
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, number_of
from dkronpy.web.render import HEADERS
from dkronpy.web.site import site_of

_EVENTS = {**HEADERS, "X-Accel-Buffering": "no"}
_KIND = "text/event-stream"
_SETTLED_TRIES, _SETTLED_SECONDS = 30, 0.1


async def events(request: AnyRequest) -> Response[Any]:
    """What has changed, as lists of topics, a few times a second at most."""
    site = site_of(request)
    if site.pulse.full:
        raise PageError(503, "too many browsers listen already")
    # Before the browser learns that it is connected, and asks for what it may have missed.
    await anyio.to_thread.run_sync(site.pulse.begin)
    resumed = "last-event-id" in request.headers
    told = site.pulse.listen(functools.partial(site.door.sees, request), resumed=resumed)
    return Stream(told, media_type=_KIND, headers=_EVENTS)


async def follow(
    request: AnyRequest, run: FromPath[str], index: FromPath[int], attempt: FromPath[int]
) -> Response[Any]:
    """The output of an attempt from a byte on, as HTML; ids are byte offsets, so that nothing is lost or doubled."""
    site = site_of(request)
    view = await anyio.to_thread.run_sync(site.client.run, run)
    if not 0 <= index < len(view.executions) or attempt < 1:
        raise PageError(404, f"run {run!r} has no attempt {attempt} of execution {index}")
    asked = str(request.headers.get("last-event-id") or request.query_params.get("from", ""))
    seen = number_of(asked)
    return Stream(_follow(site.client, view.executions[index], attempt, seen), media_type=_KIND, headers=_EVENTS)


async def _follow(client: Client, execution: Execution, attempt: int, seen: int) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    output = _Html(seen)
    if execution.terminal or attempt != execution.attempt:
        kept = await anyio.to_thread.run_sync(client.output, execution, attempt)
        yield output.piece(0, kept.head) + output.piece(kept.size - len(kept.tail), kept.tail) + output.end()
        return
    chunks = client.follow(execution.id, attempt)
    limiter = anyio.CapacityLimiter(1)
    while True:
        chunk: Any = await anyio.to_thread.run_sync(next, chunks, "end", limiter=limiter, abandon_on_cancel=True)
        if chunk == "end":
            break
        if chunk is not None:
            yield output.piece(*chunk)
            continue
        yield b": nothing new\n\n"
        if not await anyio.to_thread.run_sync(_goes_on, client, execution, attempt):
            break
    for _ in range(_SETTLED_TRIES):  # the output ends a moment before the record of the attempt does
        if not await anyio.to_thread.run_sync(_goes_on, client, execution, attempt):
            break
        await anyio.sleep(_SETTLED_SECONDS)
    yield output.end()


def _goes_on(client: Client, execution: Execution, attempt: int) -> bool:
    """Whether the attempt is still running."""
    found = client.some_executions([execution.id])
    return bool(found) and found[0].state == "running" and found[0].attempt == attempt


class _Html:
    """Bytes at offsets as messages of HTML, from the offset on that the reader has seen."""

    def __init__(self, seen: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ansi, self._seen = Ansi(), seen

    def piece(self, offset: int, data: bytes) -> bytes:
        """The message of a chunk; b'' for what was seen already."""
        data = data[max(0, self._seen - offset) :]
        if not data:
            return b""
        left_out = ""
        if offset > self._seen:
            left_out = f"\n[... {offset - self._seen:,} bytes left out ...]\n"
        self._seen = max(self._seen, offset) + len(data)
        return self._message("output", self._ansi.feed(left_out + self._decoder.decode(data)))

    def end(self) -> bytes:
        """The message that there is no more."""
        rest = self._ansi.feed(self._decoder.decode(b"", final=True)) + self._ansi.end()
        return (self._message("output", rest) if rest else b"") + self._message("end", "")

    def _message(self, kind: str, html: str) -> bytes:
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self._seen, kind.encode(), msgspec.json.encode(html))


def _route(path: str, function: Any) -> HTTPRouteHandler:
    opt = {"action": "read", "listing": False, "whole": False}
    return HTTPRouteHandler([path], http_method=["GET"], opt=opt, include_in_schema=False)(function)


ROUTES = [_route("/events", events), _route("/runs/{run:str}/follow/{index:int}/{attempt:int}", follow)]
