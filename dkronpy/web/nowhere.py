"""Addresses that lead nowhere: a page says so, as of everything else that is not there."""

from __future__ import annotations

from typing import Any

from litestar import Response

from dkronpy.errors import NotFoundError
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page


@page("/{rest:path}")
def nowhere(request: AnyRequest) -> Response[Any]:
    """Whatever no other page answers."""
    raise NotFoundError(f"nothing is at {request.scope['path']}")


ROUTES = [nowhere]
