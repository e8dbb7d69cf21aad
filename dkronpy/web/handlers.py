"""How a page becomes a route: its function may block, its forms need the browser's token, its errors are pages."""

from __future__ import annotations

import functools
import hmac
import logging
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import anyio.to_thread
import redis
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from dkronpy.errors import ConflictError, DkronpyError, NotFoundError, StoreRefusedError, StoreUnavailableError
from dkronpy.web.door import AnyRequest
from dkronpy.web.places import TOKEN_COOKIE, place
from dkronpy.web.render import plain_page
from dkronpy.web.site import csrf_of

log = logging.getLogger(__name__)

Handler = Callable[[Callable[..., Any]], HTTPRouteHandler]
_STATUS: tuple[tuple[type[DkronpyError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (StoreUnavailableError, 503),
    (StoreRefusedError, 503),
)
_DENIED = 7
"""The exit status of the error that a server raises for what somebody may not do."""
_TITLES = {
    400: "That cannot be done", 401: "A token is needed", 403: "Not allowed", 404: "There is no such page",
    405: "That cannot be done here", 409: "It changed meanwhile", 413: "Too much", 429: "Too many failures",
    500: "Something went wrong", 502: "It was not taken",
    503: "The store does not answer",
}  # fmt: skip


class PageError(DkronpyError):
    """An answer that a page wants to give instead of itself."""

    def __init__(self, status: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


def page(path: str | Sequence[str], *, action: str = "read", listing: bool = False, public: bool = False) -> Handler:
    """A page: GET, and HEAD with it."""
    opt = {"public": True} if public else {"action": action, "listing": listing, "whole": False}

    def decorate(function: Callable[..., Any]) -> HTTPRouteHandler:
        @functools.wraps(function)
        async def run(*args: Any, **arguments: Any) -> Any:
            return await anyio.to_thread.run_sync(functools.partial(function, *args, **arguments))

        return HTTPRouteHandler(_paths(path), http_method=["GET"], opt=opt, include_in_schema=False)(run)

    return decorate


def form(path: str, *, action: str, public: bool = False, whole: bool = False) -> Handler:
    """What a form is sent to: POST with the browser's token; the fields are in ``fields_of(request)``.

    *whole* is one that is about every job at once, and hence nothing for who may touch some only.
    """
    opt = {"public": True} if public else {"action": action, "listing": False, "whole": whole}

    def decorate(function: Callable[..., Any]) -> HTTPRouteHandler:
        @functools.wraps(function)
        async def run(*args: Any, **arguments: Any) -> Any:
            request = arguments["request"]
            fields = await request.form()
            request.state.fields = fields
            _check_token(request, fields.get("csrf"))
            return await anyio.to_thread.run_sync(functools.partial(function, *args, **arguments))

        return HTTPRouteHandler(_paths(path), http_method=["POST"], status_code=303, opt=opt, include_in_schema=False)(
            run
        )

    return decorate


def _paths(path: str | Sequence[str]) -> list[str]:
    return [path] if isinstance(path, str) else list(path)


def fields_of(request: AnyRequest) -> Any:
    """The fields of the form that was sent: ``get`` and ``getall``."""
    return request.state.fields


def text_of(request: AnyRequest, name: str, most: int = 10_000) -> str:
    """One field as text, tidied; '' where it is not there."""
    value = fields_of(request).get(name)
    return value.strip()[:most] if isinstance(value, str) else ""


def number_of(text: str, otherwise: int = 0) -> int:
    """A number out of an address; *otherwise* for what is none, or is longer than any that we write there."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else otherwise


def see_other(path: str) -> Redirect:
    """Go and look there."""
    return Redirect(path, status_code=303)


def _check_token(request: AnyRequest, given: Any) -> None:
    kept = csrf_of(request.cookies)
    if not kept or not isinstance(given, str) or not hmac.compare_digest(kept.encode(), given.encode()):
        raise PageError(
            403,
            "this form does not carry the token of your browser, so nothing was done",
            hint="go back, reload the page and send it again; cookies have to be allowed for this server",
        )


def answer_error(request: AnyRequest, error: Exception) -> Response[Any]:
    """Whatever a page, the guard or the framework raised, as a page."""
    status = _status(error)
    if status == 401:
        here = quote(request.scope["path"] if request.method == "GET" else place(), safe="/@:")
        stale = "&stale=1" if request.cookies.get(TOKEN_COOKIE) else ""
        return Redirect(place(f"/sign-in?next={here}{stale}"), status_code=303)
    said = str(error.detail) if isinstance(error, HTTPException) else str(error)
    if status == 500 or isinstance(error, redis.RedisError):
        said = "The server's log says more."
    return plain_page(
        request, status, _TITLES.get(status, _TITLES[500]), said, hint=str(getattr(error, "hint", "") or "")
    )


def _status(error: Exception) -> int:
    if isinstance(error, PageError):
        return error.status
    if isinstance(error, DkronpyError):
        if error.exit_code == _DENIED:
            return 403
        return next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, redis.RedisError):
        log.error("the store refused: %s", error)
        return 503
    log.error("%s", type(error).__name__, exc_info=error)
    return 500
