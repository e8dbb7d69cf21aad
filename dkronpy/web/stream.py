"""What is pushed to browsers: what has changed, and the output of an attempt while it grows."""

from __future__ import annotations

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
from dkronpy.marks import Marks
from dkronpy.store.output import Piece
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, number_of
from dkronpy.web.log_html import LogHtml
from dkronpy.web.render import HEADERS
from dkronpy.web.site import site_of, viewer_of

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
    html = LogHtml(number_of(asked), viewer_of(request).zone)
    return Stream(_follow(site.client, view.executions[index], attempt, html), media_type=_KIND, headers=_EVENTS)


async def _follow(client: Client, execution: Execution, attempt: int, html: LogHtml) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    output = _Html(html)
    if execution.terminal or attempt != execution.attempt:
        kept = await anyio.to_thread.run_sync(client.output, execution, attempt)
        pieces = (Piece(offset, data, kept.marks) for offset, data in kept.pieces())
        yield b"".join(map(output.piece, pieces)) + output.end()
        return
    chunks = client.follow(execution.id, attempt)
    limiter = anyio.CapacityLimiter(1)
    while True:
        chunk: Any = await anyio.to_thread.run_sync(next, chunks, "end", limiter=limiter, abandon_on_cancel=True)
        if chunk == "end":
            break
        if chunk is not None:
            yield output.piece(chunk)
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
    """The output as messages."""

    def __init__(self, html: LogHtml) -> None:
        self._html = html

    def piece(self, piece: Piece) -> bytes:
        """The message of a chunk; b'' for what was seen already."""
        before = self._html.seen
        html = self._html.piece(piece.offset, piece.data, Marks.decode(piece.marks))
        return self._message("output", html) if self._html.seen > before else b""

    def end(self) -> bytes:
        """The message that there is no more."""
        rest = self._html.end()
        return (self._message("output", rest) if rest else b"") + self._message("end", "")

    def _message(self, kind: str, html: str) -> bytes:
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self._html.seen, kind.encode(), msgspec.json.encode(html))


def _route(path: str, function: Any) -> HTTPRouteHandler:
    opt = {"action": "read", "listing": False, "whole": False}
    return HTTPRouteHandler([path], http_method=["GET"], opt=opt, include_in_schema=False)(function)


ROUTES = [_route("/events", events), _route("/runs/{run:str}/follow/{index:int}/{attempt:int}", follow)]
