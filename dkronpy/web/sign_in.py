"""Signing in: a token that the browser keeps in a cookie that no script can read and no other site can use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from litestar import Response
from litestar.datastructures import Cookie

from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import form, page, see_other, text_of
from dkronpy.web.places import BASE, FLOWER, TOKEN_COOKIE, local_place, place
from dkronpy.web.render import render_plain
from dkronpy.web.site import site_of

LONGEST = 500


@page("/sign-in", public=True)
def sign_in(request: AnyRequest) -> Response[Any]:
    """The form for the token."""
    back = local_place(request.query_params.get("next", ""))
    provider = site_of(request).door.provider()
    return render_plain(request, "sign_in.html", back=back, stale="stale" in request.query_params, provider=provider)


@form("/sign-in", action="", public=True)
def take_token(request: AnyRequest) -> Response[Any]:
    """Keep the token; whether it is any good shows at the next page."""
    token = text_of(request, "token", LONGEST)
    answer = see_other(local_place(text_of(request, "next")))
    if token.isascii() and token.isprintable() and ";" not in token:
        answer.cookies.extend(token_cookies(request, token))
    return answer


@form("/sign-out", action="", public=True)
def sign_out(request: AnyRequest) -> Response[Any]:
    """Forget the token, and end the session of one that a provider vouched for."""
    token = str(request.cookies.get(TOKEN_COOKIE, ""))
    if token:
        site_of(request).door.leave(token[:LONGEST])
    answer = see_other(place("/sign-in"))
    answer.cookies.extend(token_cookies(request, "", age=0))
    return answer


def token_cookies(request: AnyRequest, token: str, age: int | None = None) -> list[Cookie]:
    """What the browser keeps of a token, for the pages and for Flower: until it is closed, or *age* seconds."""
    secure = request.url.scheme == "https"
    return [
        Cookie(TOKEN_COOKIE, path=path, value=token, httponly=True, samesite="strict", secure=secure, max_age=age)
        for path in (BASE, FLOWER)
    ]


def with_token(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """*headers* with the cookie's token as the Authorization that the guard reads; for pages, the API takes none."""
    known = list(headers)
    if any(name.lower() == b"authorization" for name, _ in known):
        return known
    token = _token([value for name, value in known if name.lower() == b"cookie"])
    return [*known, (b"authorization", b"Bearer " + token)] if token else known


def _token(cookies: list[bytes]) -> bytes:
    for line in cookies:
        for part in line.split(b";"):
            name, _, value = part.strip().partition(b"=")
            if name == TOKEN_COOKIE.encode():
                return value.strip(b'"')[:LONGEST]
    return b""


ROUTES = [sign_in, take_token, sign_out]
