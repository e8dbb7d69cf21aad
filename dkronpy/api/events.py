"""Changes of state as they come: a page of them at a time, which may wait for the first, or Server-Sent Events."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated

import anyio
import anyio.to_thread
import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from dkronpy.api.access import Identity
from dkronpy.api.answers import AnyRequest
from dkronpy.api.handlers import opt_of
from dkronpy.api.services import Services, identity_of, services_of
from dkronpy.api.sse import QUIET, entries, streamed
from dkronpy.client.client import events_of
from dkronpy.store.events import changes_of
from dkronpy.wire.deployment import EventList, event_out

_MOST = 2000
_LONGEST_MS = 30_000
_LOOK_SECONDS = 0.2
_PASSED = 100
_POSITION = re.compile(r"\d{1,18}(-\d{1,18})?", re.ASCII)
_Position = Annotated[
    str, QueryParameter(pattern=rf"^({_POSITION.pattern})?$", description="From where on; now unless said.")
]


async def list_events(
    request: AnyRequest,
    after: _Position = "",
    limit: Annotated[int, QueryParameter(ge=1, le=_MOST)] = 500,
    wait: Annotated[int, QueryParameter(ge=0, le=_LONGEST_MS, description="How many ms to wait for the first.")] = 0,
) -> EventList:
    """Changes of state since a position, the oldest first. Ask again from the ``position`` of the answer."""
    look = functools.partial(_look, services_of(request), identity_of(request), limit)
    page = await anyio.to_thread.run_sync(look, after)
    with anyio.move_on_after(wait / 1000):
        while not page.items and not page.missed and after:
            if page.position == after:
                await anyio.sleep(_LOOK_SECONDS)
            after = page.position  # behind what is none of one's business
            page = await anyio.to_thread.run_sync(look, after)
    return page


def _look(services: Services, identity: Identity, limit: int, after: str) -> EventList:
    """What came after a position, of at most *limit* entries. Only where that one is known no more was some missed."""
    if not after:
        return EventList(items=[], position=services.client.position(), missed=False)
    store = services.store
    with store.errors():
        rows = store.client.xrange(store.keys.events, min=after, count=limit + 1)
    if after != "0" and (not rows or rows[0][0].decode() != after):
        return EventList(items=[], position=services.client.position(), missed=True)
    rows = [row for row in rows if row[0].decode() != after][:limit]
    found = [event for row in rows for event in events_of(*row)]
    seen = [event_out(one) for one in found if not identity.jobs or identity.sees(one.fields.get("job", ""))]
    return EventList(items=seen, position=rows[-1][0].decode() if rows else after, missed=False)


follow_events = HTTPRouteHandler(
    "/api/v1/events", http_method=["GET"], opt=opt_of("read", listing=True), tags=["deployment"]
)(list_events)


async def stream_events(
    request: AnyRequest,
    after: _Position = "",
    of: Annotated[str, QueryParameter(name="job", description="Only those of this job.")] = "",
    last: Annotated[str, HeaderParameter(name="Last-Event-ID", description="The id to go on from.")] = "",
) -> Stream:
    """Changes of state as Server-Sent Events: ``event`` is their kind, ``data`` their fields, ``id`` where to go on.

    An event ``missed`` says that what came directly after that id is known no more.
    """
    services, identity = services_of(request), identity_of(request)
    if of:
        identity.require(of)

    def shown(change: Mapping[str, str]) -> bool:
        job = change.get("job", "")
        return (not of or job == of) and (not identity.jobs or identity.sees(job))

    start = last if _POSITION.fullmatch(last) else after
    newest = await anyio.to_thread.run_sync(services.client.position)
    return streamed(request, _told(services, start or newest, shown), f"the events after {start or newest}")


async def _told(services: Services, start: str, shown: Callable[[Mapping[str, str]], bool]) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    if start != "0" and await anyio.to_thread.run_sync(_is_gone, services, start):
        yield b"event: missed\ndata: {}\n\n"
    passed = 0
    async for position, fields in entries(services, services.store.keys.events, start):
        changes = [change for change in changes_of(fields) if shown(change)] if fields else []
        passed = 0 if changes or not fields else passed + 1
        if changes:
            yield b"".join(map(_event, changes))[:-1] + b"id: %s\n\n" % position
        elif passed % _PASSED == 0:  # a proxy takes a long silence for the end
            yield QUIET


def _event(change: dict[str, str]) -> bytes:
    """One of an entry's changes; the id follows the last of them, so that a reader comes back for all or for none."""
    kind = change.pop("event", "")
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode(change))


def _is_gone(services: Services, position: str) -> bool:
    with services.store.errors():
        return not services.store.client.xrange(services.store.keys.events, min=position, max=position)


stream_changes = HTTPRouteHandler(
    "/api/v1/events/follow", http_method=["GET"], opt=opt_of("read", listing=True), tags=["deployment"]
)(stream_events)

ROUTES = [follow_events, stream_changes]
