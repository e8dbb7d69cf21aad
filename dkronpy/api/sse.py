"""Server-Sent Events: how a stream of the store is read for a reader that stays, and how many may stay."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import anyio.to_thread
import redis.asyncio
from litestar.response import Stream

from dkronpy.api.answers import AnyRequest
from dkronpy.api.failures import ApiError
from dkronpy.api.services import Services
from dkronpy.errors import DkronpyError

log = logging.getLogger(__name__)

MOST_FOLLOWERS = 500
QUIET = b": nothing new\n\n"
KIND = "text/event-stream"
_BLOCK_MS = 1000
Fields = Mapping[bytes, bytes]


def streamed(request: AnyRequest, events: AsyncIterator[bytes], what: str) -> Stream:
    """*events* as an answer; they end where the store is away, and the reader comes back to where it was.

    Raises ApiError (503) for one reader too many.
    """
    state: Any = request.app.state
    if state.followers >= MOST_FOLLOWERS:
        raise ApiError(503, f"{MOST_FOLLOWERS} follow already", hint="ask for it as it is now")

    async def counted() -> AsyncIterator[bytes]:
        state.followers += 1
        try:
            async for piece in events:
                yield piece
        except (redis.RedisError, DkronpyError) as error:
            log.warning("%s cannot be followed now: %s", what, error)
        finally:
            state.followers -= 1

    return Stream(counted(), media_type=KIND, headers={"X-Accel-Buffering": "no"})


async def entries(
    services: Services, key: str, after: str = "0", *, block_ms: int = _BLOCK_MS
) -> AsyncGenerator[tuple[bytes, Fields], None]:
    """The entries of a stream behind a position as they come; (b"", {}) whenever none did for so long."""
    url = await anyio.to_thread.run_sync(services.store.server_url)
    client: Any = redis.asyncio.Redis.from_url(url, socket_timeout=block_ms / 1000 + 5)
    position: str | bytes = after
    try:
        while not services.works.stopping.is_set():
            answer = await client.xread({key: position}, count=200, block=block_ms)
            rows = [] if not answer else answer[0][1] if isinstance(answer, list) else next(iter(answer.values()))[0]
            for name, fields in rows:
                position = name
                yield name, fields
            if not rows:
                yield b"", {}
    finally:
        await client.aclose()
