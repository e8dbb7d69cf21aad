"""Our own routes for tokens: make one, list what there are, take one out of use."""

from __future__ import annotations

from typing import Annotated

from litestar.params import FromPath, JSONBody, QueryParameter

from dkronpy.api.answers import AnyRequest
from dkronpy.api.cursor import After, Limit, page_by_place
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import route
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.api.tokens import Token
from dkronpy.schedule.durations import parse_duration
from dkronpy.wire.runs import time_out
from dkronpy.wire.tokens import TokenAsked, TokenList, TokenMade, TokenOut

_PATH = "/api/v1/tokens"


@route("GET", _PATH, action="govern", listing=True, tags=["tokens"])
def list_tokens(
    request: AnyRequest,
    everything: Annotated[bool, QueryParameter(name="all", description="Expired and revoked ones, too.")] = False,
    limit: Limit = 100,
    after: After = "",
) -> TokenList:
    """Tokens with what each may do and when it was last used (to the minute), the newest first."""
    services = services_of(request)
    with services.store.errors():
        now_ms, known = services.store.now_ms(), services.tokens.all()
    found = [one for one in known if everything or one.state(now_ms) == "active"]
    page, following = page_by_place(found, lambda one: one.id, limit, after)
    return TokenList(items=[_out(one, now_ms) for one in page], after=following)


@route("POST", _PATH, action="govern", status=201, tags=["tokens"])
def create_token(request: AnyRequest, data: JSONBody[TokenAsked]) -> TokenMade:
    """Make a token. Its secret is in this answer and nowhere else; the first one has to be an admin's."""
    services = services_of(request)
    lifetime = parse_duration(data.expires, field="expires") if data.expires else None
    with services.store.errors():
        if not services.tokens.any() and (data.role != "admin" or data.jobs or lifetime):
            hint = "it closes the server to everybody without one: role admin, for all jobs, without an end"
            raise ApiError(422, "role: the first token has to be an admin's", hint=hint)
        made, secret = services.tokens.create(
            data.name, role=data.role, jobs=data.jobs, policies=data.policies, lifetime=lifetime,
            by=identity_of(request).name,
        )  # fmt: skip
        note_of(request).detail = f"token {made.name} ({made.id})"
        return TokenMade(token=_out(made, services.store.now_ms()), secret=secret)


@route("DELETE", f"{_PATH}/{{name:str}}", action="govern", status=200, tags=["tokens"])
def revoke_token(request: AnyRequest, name: FromPath[str]) -> TokenOut:
    """Take a token out of use at once, by its name or its id. The server stays closed to those without one."""
    services = services_of(request)
    with services.store.errors():
        gone = services.tokens.revoke(name)
        note_of(request).detail = f"token {gone.name} ({gone.id}) revoked"
        return _out(gone, services.store.now_ms())


def _out(one: Token, now_ms: int) -> TokenOut:
    return TokenOut(
        id=one.id, name=one.name, state=one.state(now_ms), role=one.role, jobs=list(one.jobs),
        policies=list(one.policies), created_at=time_out(one.created_ms), created_by=one.created_by,
        expires_at=time_out(one.expires_ms), used_at=time_out(one.used_ms),
    )  # fmt: skip


ROUTES = [list_tokens, create_token, revoke_token]
