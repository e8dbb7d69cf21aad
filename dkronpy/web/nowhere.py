"""Addresses that lead nowhere: a page says so, as of everything else that is not there."""

from __future__ import annotations

from typing import Any

from litestar import Response

from dkronpy.errors import NotFoundError
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page

BELOW = ("", "/jobs/{job:str}", "/runs/{run:str}", "/nodes/{node:str}", "/schedule")
"""Where further addresses would be taken for somebody else's: the router looks no further than to the longest match."""


@page([f"{one}/{{rest:path}}" for one in BELOW])
def nowhere(request: AnyRequest) -> Response[Any]:
    """Whatever no other page answers."""
    raise NotFoundError(f"nothing is at {request.scope['path']}")


ROUTES = [nowhere]
