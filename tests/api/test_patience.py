"""Who holds a connection and does nothing with it loses it; who is slow and goes on keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from dkronpy.api.patience import PatientProtocol
from tests.support import run_apart

BIG = 20_000_000


class Impatient(PatientProtocol):
    """The same, for a test that does not wait long."""

    headers_within, body_goes_on_within, reads_within, look_every = 3.0, 3.0, 3.0, 0.05


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body; ``/big`` with a lot, ``/slow`` after longer than anybody is waited for."""
    length, more = 0, True
    if scope["path"] == "/slow":
        await asyncio.sleep(6)
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    body = b"x" * BIG if scope["path"] == "/big" else str(length).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """The app on a port of the system's choice."""
    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_keep_alive=60)
    config.load()
    state = ServerState()

    def connection() -> Impatient:
        return Impatient(config=config, server_state=state, app_state={})

    async with await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for one in list(state.connections):
            one.transport.abort()


async def ended(port: int, said: bytes) -> bytes:
    """What comes back until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
     b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
)  # fmt: skip
def test_who_stops_in_the_middle_loses_the_connection(said: bytes) -> None:
    async def run() -> bytes:
        async with serving() as port:
            return await ended(port, said)

    assert run_apart(run()) == b""


def test_so_does_who_was_answered_once_and_begins_again() -> None:
    async def run() -> bytes:
        async with serving() as port:
            return await ended(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHos")

    answer = run_apart(run())
    assert (answer.count(b"HTTP/1.1 200"), answer[-1:]) == (1, b"0")


def test_who_does_not_read_loses_it_as_well() -> None:
    async def run() -> int:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
            writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(6)  # reading nothing meanwhile is what is tried
            try:
                found = len(await asyncio.wait_for(reader.read(), 30))
            except ConnectionResetError:
                found = 0
            writer.close()
            return found

    assert run_apart(run()) < BIG


def test_who_is_slow_and_goes_on_is_served_and_so_is_who_waits_for_us() -> None:
    async def run() -> tuple[bytes, bytes]:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 20\r\n\r\n")
            for _ in range(10):
                await asyncio.sleep(0.5)
                writer.write(b"xx")
            slow = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            close = b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            return slow, await ended(port, close)

    slow, waiting = run_apart(run())
    assert slow.endswith(b"\r\n\r\n20")
    assert waiting.endswith(b"\r\n\r\n0")
