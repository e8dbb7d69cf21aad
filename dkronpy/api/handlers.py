"""How routes are declared: a method, a path, the action it takes, and a plain function that runs beside the loop."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import anyio.to_thread
from litestar.handlers import HTTPRouteHandler

from dkronpy.api.narrow import QUERY, narrowed

Handler = Callable[[Callable[..., Any]], HTTPRouteHandler]


def route(
    methods: str | list[str],
    path: str | list[str],
    *,
    action: str,
    status: int = 200,
    listing: bool = False,
    whole: bool = False,
    **options: Any,
) -> Handler:
    """A route whose function may block: it runs in a thread, so that the store's answers hold up nobody else.

    *action* is what ``dkronpy.api.access`` decides about; *listing* and *whole* are explained there.
    """
    opt = opt_of(action, listing=listing, whole=whole)
    verbs: Any = [methods] if isinstance(methods, str) else methods
    narrows = methods == "GET" and isinstance(path, str) and path.startswith("/api/v1/")

    def decorate(function: Callable[..., Any]) -> HTTPRouteHandler:
        # Litestar's own sync_to_thread wraps a handler twice when a path has several of them.
        @functools.wraps(function)
        async def run(*args: Any, **arguments: Any) -> Any:
            answer = await anyio.to_thread.run_sync(functools.partial(function, *args, **arguments))
            fields = narrows and arguments["request"].query_params.get(QUERY)
            return narrowed(answer, fields) if fields else answer

        return HTTPRouteHandler(path, http_method=verbs, status_code=status, opt=opt, **options)(run)

    return decorate


def opt_of(action: str, *, listing: bool = False, whole: bool = False) -> dict[str, Any]:
    """What the guard has to know of a route."""
    return {"action": action, "listing": listing, "whole": whole}


def public(path: str, **options: Any) -> Handler:
    """A GET that needs no token. Its function may block."""

    def decorate(function: Callable[..., Any]) -> HTTPRouteHandler:
        @functools.wraps(function)
        async def run(*args: Any, **arguments: Any) -> Any:
            return await anyio.to_thread.run_sync(functools.partial(function, *args, **arguments))

        return HTTPRouteHandler(path, http_method=["GET"], opt={"public": True}, **options)(run)

    return decorate
