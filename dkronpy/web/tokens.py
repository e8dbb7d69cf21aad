"""The page of tokens: who may use this server; make one, see its secret once, take one out of use."""

from __future__ import annotations

from typing import Any

from litestar import Response

from dkronpy.errors import ConflictError, DkronpyError, InvalidError, ScheduleError
from dkronpy.schedule.durations import DurationError, parse_duration
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, form, page, see_other, text_of
from dkronpy.web.places import place
from dkronpy.web.render import render
from dkronpy.web.sign_in import token_cookies
from dkronpy.web.site import site_of, viewer_of

LIFETIMES = (
    ("", "never"),
    ("24h", "in a day"),
    ("720h", "in 30 days"),
    ("2160h", "in 90 days"),
    ("8760h", "in a year"),
)
FIRST_ROLE = "admin"


@page("/tokens", action="govern")
def tokens(request: AnyRequest) -> Response[Any]:
    """Every token, those in use first."""
    return _page(request)


def _page(request: AnyRequest, status: int = 200, **values: Any) -> Response[bytes]:
    registry = site_of(request).registry
    found = registry.tokens()
    shown = sorted(found, key=lambda token: token.state != "active")
    values = {"made": "", "secret": "", "problem": "", "given": {}, **values}
    return render(
        request, "tokens.html", status, section="settings", tokens=shown, roles=registry.roles, lifetimes=LIFETIMES,
        first=not found, **values,
    )  # fmt: skip


@form("/tokens", action="govern")
def create(request: AnyRequest) -> Response[Any]:
    """Make a token and show its secret, once."""
    site, viewer = site_of(request), viewer_of(request)
    name, role, until = text_of(request, "name", 200), text_of(request, "role", 50), text_of(request, "expires", 20)
    jobs = text_of(request, "jobs", 2_000).replace(",", " ").split()
    given = {"name": name, "role": role, "expires": until, "jobs": " ".join(jobs)}
    first = not site.registry.tokens()
    if first and (role != FIRST_ROLE or jobs or until):
        problem = "The first token closes the server to everybody without one: it has to be an admin's, for all jobs."
        return _page(request, 422, problem=problem, given=given)
    try:
        lifetime = parse_duration(until, field="expires") if until else None
        secret = site.registry.create(name, role=role, jobs=jobs, lifetime=lifetime, by=viewer.who)
    except (InvalidError, ConflictError, DurationError, ScheduleError) as error:
        return _page(request, 422, problem=_said(error), given=given)
    viewer.door.note(request, f"token {name}, role {role}")
    answer = _page(request, made=name, secret=secret)
    if first:  # whoever makes it would be locked out of the very next page
        answer.cookies.extend(token_cookies(request, secret))
    return answer


def _said(error: Exception) -> str:
    if isinstance(error, InvalidError):
        return "; ".join(f"{one.message}: {one.hint}".rstrip(": ") for one in error.problems)
    hint = str(getattr(error, "hint", "")) if isinstance(error, DkronpyError) else ""
    return f"{error}: {hint}".rstrip(": ")


@form("/tokens/revoke", action="govern")
def revoke(request: AnyRequest) -> Response[Any]:
    """Take a token out of use; whoever means it types its name."""
    site, viewer = site_of(request), viewer_of(request)
    wanted = text_of(request, "id", 100)
    token = next((one for one in site.registry.tokens() if one.id == wanted), None)
    if token is None:
        raise PageError(404, "there is no such token")
    if text_of(request, "name", 200) != token.name:
        raise PageError(400, f"type {token.name} to revoke it", hint="nothing was revoked")
    site.registry.revoke(token.id)
    viewer.door.note(request, f"token {token.name}")
    return see_other(place("/tokens?done=revoked"))


ROUTES = [tokens, create, revoke]
