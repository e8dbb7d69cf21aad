"""Changes of state as they come: a page of them at a time, which may wait for the first."""

from __future__ import annotations

import functools
from typing import Annotated

import anyio
import anyio.to_thread
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from dkronpy.api.access import Identity
from dkronpy.api.answers import AnyRequest
from dkronpy.api.handlers import opt_of
from dkronpy.api.services import Services, identity_of, services_of
from dkronpy.wire.deployment import EventList, event_out

_MOST = 2000
_LONGEST_MS = 30_000
_LOOK_SECONDS = 0.2


async def list_events(
    request: AnyRequest,
    after: Annotated[
        str, QueryParameter(pattern=r"^(\d{1,18}(-\d{1,18})?)?$", description="From where on; now unless said.")
    ] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=_MOST)] = 500,
    wait: Annotated[int, QueryParameter(ge=0, le=_LONGEST_MS, description="How many ms to wait for the first.")] = 0,
) -> EventList:
    """Changes of state since a position, the oldest first. Ask again from the ``position`` of the answer."""
    look = functools.partial(_look, services_of(request), identity_of(request), after, limit)
    page = await anyio.to_thread.run_sync(look)
    with anyio.move_on_after(wait / 1000):
        while not page.items and not page.missed and after:
            await anyio.sleep(_LOOK_SECONDS)
            page = await anyio.to_thread.run_sync(look)
    return page


def _look(services: Services, identity: Identity, after: str, limit: int) -> EventList:
    client = services.client
    if not after:
        return EventList(items=[], position=client.position(), missed=False)
    found = client.changes(after, limit)
    if found is None:
        return EventList(items=[], position=client.position(), missed=True)
    seen = [event_out(one) for one in found if not identity.jobs or identity.sees(one.fields.get("job", ""))]
    return EventList(items=seen, position=found[-1].id if found else after, missed=False)


follow_events = HTTPRouteHandler(
    "/api/v1/events", http_method=["GET"], opt=opt_of("read", listing=True), tags=["deployment"]
)(list_events)

ROUTES = [follow_events]
