"""Our own routes for pools: named sets of slots that runs of several jobs share."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.params import FromPath, JSONBody

from dkronpy.api.answers import AnyRequest
from dkronpy.api.cursor import After, Limit, page_by_name
from dkronpy.api.handlers import route
from dkronpy.api.services import note_of, services_of
from dkronpy.wire.deployment import PoolList

_ALL = "/api/v1/pools"
_PATH = f"{_ALL}/{{name:str}}"


class PoolSize(msgspec.Struct, kw_only=True):
    """How many slots a pool has."""

    slots: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


@route("GET", _ALL, action="read", whole=True, listing=True, tags=["pools"])
def list_pools(request: AnyRequest, limit: Limit = 100, after: After = "") -> PoolList:
    """Pools by name, each with what holds its slots and what waits for them."""
    page, following = page_by_name(services_of(request).client.pools.all(), lambda pool: pool.name, limit, after)
    return PoolList(items=page, after=following)


@route("PUT", _PATH, action="administer", status=204, tags=["pools"])
def set_pool(request: AnyRequest, name: FromPath[str], data: JSONBody[PoolSize]) -> None:
    """Make a pool or change its size; who has room now is let in."""
    services_of(request).client.pools.set(name, data.slots)
    note_of(request).detail = f"pool {name}: {data.slots} slots"


@route("DELETE", _PATH, action="administer", status=204, tags=["pools"])
def delete_pool(request: AnyRequest, name: FromPath[str]) -> None:
    """Take a pool away that no job needs."""
    services_of(request).client.pools.delete(name)
    note_of(request).detail = f"pool {name} deleted"


ROUTES = [list_pools, set_pool, delete_pool]
