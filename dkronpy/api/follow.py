"""An attempt's output as Server-Sent Events: replayed, then followed to its end; ids are byte offsets."""

from __future__ import annotations

import base64
import codecs
import functools
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Literal

import anyio
import anyio.to_thread
import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream

from dkronpy.api.answers import AnyRequest
from dkronpy.api.handlers import opt_of
from dkronpy.api.runs import find_execution
from dkronpy.api.services import Services, services_of
from dkronpy.api.sse import QUIET, entries, streamed
from dkronpy.execution import Execution, Output
from dkronpy.marks import Marks, between
from dkronpy.store.output import ASK_MS, Piece
from dkronpy.wire.runs import marks_out


class Events:
    """Turns bytes at offsets into events, from the offset that the reader has seen: text, or *raw* as base64."""

    def __init__(self, seen: int, *, raw: bool = False) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._seen, self._held = seen, 0

    def marks(self, marks: Marks, offset: int, end: int) -> bytes:
        """The event of the marks of a chunk, as far as that was not seen before; none where there are none."""
        found = between(marks.marks, max(offset, self._seen + self._held), end)
        rows = msgspec.json.encode(marks_out(Marks(tuple(found)))).decode()
        return _event("marks", rows, self._seen) if found else b""

    def chunk(self, offset: int, data: bytes) -> bytes:
        """The event of a chunk; what was seen before is left out, and a gap is told."""
        position = self._seen + self._held
        skipped = max(0, position - offset)
        data, told = data[skipped:], b""
        if offset > position:
            told = _event("gap", json.dumps({"omitted": offset - position}), offset)
            self._decoder.reset()
            self._seen, self._held = offset, 0
        if not data:
            return told
        if self._raw:
            self._seen += len(data)
            return told + _event("output", base64.b64encode(data).decode(), self._seen)
        text = self._decoder.decode(data)
        held = len(self._decoder.getstate()[0])
        self._seen, self._held = self._seen + self._held + len(data) - held, held
        return told + (_event("output", text, self._seen) if text else b"")

    def end(self, execution: Execution) -> bytes:
        """What is left, and how it ended."""
        rest = self._decoder.decode(b"", final=True)
        self._seen, self._held = self._seen + self._held, 0
        told = _event("output", rest, self._seen) if rest else b""
        facts = {"state": execution.state, "reason": execution.reason, "attempt": execution.attempt}
        return told + _event("end", json.dumps(facts), self._seen)


def _event(kind: str, text: str, offset: int) -> bytes:
    # A carriage return would end a line of the event, too: it is told as one that JSON cannot lose.
    data = json.dumps(text, ensure_ascii=False) if kind == "output" else text
    return f"id: {offset}\nevent: {kind}\ndata: {data}\n\n".encode("utf-8", "replace")


async def follow(
    request: AnyRequest,
    execution: FromPath[str],
    attempt: Annotated[int | None, QueryParameter(ge=1, description="Which attempt; the last one unless said.")] = None,
    encoding: Annotated[
        Literal["text", "base64"], QueryParameter(description="What ``data`` is: text, or bytes in base64.")
    ] = "text",
    marks: Annotated[
        bool, QueryParameter(description="Tell by events ``marks``, each before its output, when what of it came.")
    ] = False,
    last: Annotated[str, HeaderParameter(name="Last-Event-ID", description="The offset to go on from.")] = "",
) -> Stream:
    """Events ``output`` (data: a JSON string), ``gap`` (bytes that were not kept) and, once, ``end`` (the state)."""
    services = services_of(request)
    await anyio.to_thread.run_sync(find_execution, request, execution)
    seen = int(last) if last.isascii() and last.isdecimal() and len(last) < 16 else 0
    told = _follow(services, execution, attempt, Events(seen, raw=encoding == "base64"), marks=marks)
    return streamed(request, told, f"the output of {execution}")


async def _follow(
    services: Services, name: str, attempt: int | None, events: Events, *, marks: bool
) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    execution = await _execution(services, name)
    while execution is not None and not (attempt or execution.attempt) and not execution.terminal:
        await anyio.sleep(ASK_MS / 1000)
        yield QUIET
        execution = await _execution(services, name)
    if execution is None:
        return
    number = attempt or execution.attempt
    if not execution.terminal and number == execution.attempt:
        async for piece in _live(services, name, number):
            yield QUIET if piece is None else _told(events, piece, marks=marks)
        execution = await _settled(services, name, number) or execution
    output: Output = await anyio.to_thread.run_sync(services.client.output, execution, number)
    for offset, data in output.pieces():
        if data or not offset:
            yield _told(events, Piece(offset, data, output.marks), marks=marks)
    yield events.end(execution)


def _told(events: Events, piece: Piece, *, marks: bool) -> bytes:
    told = b""
    if marks:
        told = events.marks(Marks.decode(piece.marks), piece.offset, piece.offset + len(piece.data))
    return told + events.chunk(piece.offset, piece.data)


async def _live(services: Services, name: str, attempt: int) -> AsyncIterator[Piece | None]:
    """Pieces as they come; None whenever nothing did. Ends with the output or with the attempt."""
    async with aclosing(entries(services, services.store.keys.output(name, attempt), block_ms=ASK_MS)) as rows:
        async for _, fields in rows:
            if b"end" in fields:
                return
            if fields:
                yield Piece(int(fields[b"o"]), fields[b"d"], fields.get(b"m", b""))
                continue
            yield None
            execution = await _execution(services, name)
            if execution is None or execution.terminal or execution.attempt != attempt:
                return


async def _settled(services: Services, name: str, attempt: int) -> Execution | None:
    """The execution once the end of this attempt is recorded; its output ends a moment before."""
    execution = await _execution(services, name)
    for _ in range(20):
        if execution is None or execution.terminal or execution.attempt != attempt or execution.state != "running":
            break
        await anyio.sleep(0.1)
        execution = await _execution(services, name)
    return execution


async def _execution(services: Services, name: str) -> Execution | None:
    return await anyio.to_thread.run_sync(functools.partial(_find, services, name))


def _find(services: Services, name: str) -> Execution | None:
    deployment = services.client.deployment
    with deployment.store.errors():
        found = deployment.ledger.execution(name)
    return found or deployment.results.execution(name, output=False)


follow_output = HTTPRouteHandler(
    "/api/v1/executions/{execution:str}/follow",
    http_method=["GET"],
    opt=opt_of("read"),
    tags=["runs"],
)(follow)

ROUTES = [follow_output]
