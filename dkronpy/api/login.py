"""Signing in with a provider: the way there, the way back, and the session that comes of it."""

from __future__ import annotations

import hmac
import html
import secrets

from litestar import Response
from litestar.datastructures import Cookie

from dkronpy.api.answers import AnyRequest
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import public
from dkronpy.api.provider import Provider
from dkronpy.api.services import Services, note_of, services_of
from dkronpy.api.sessions import LOGIN_SECONDS, Login, Session
from dkronpy.errors import DeniedError

PAGES = "/ui/"
SESSION_COOKIE = "dkronpy_token"
"""The cookie that the pages read a token from."""
_COOKIE_PATHS = ("/ui", "/flower")
"""The pages, and where `dkronpy flower` serves on the same host. Signing out forgets the cookies of these paths."""
_STATE_COOKIE = "dkronpy_login"
_PATH = "/oidc"
_LONGEST = 2000


@public(f"{_PATH}/login", include_in_schema=False)
def login(request: AnyRequest) -> Response[bytes]:
    """Send the browser to the provider."""
    services, provider = _of(request)
    back = request.query_params.get("next", "")
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    url = provider.login_url(redirect_of(request), state, nonce, verifier)
    with services.store.errors():
        services.sessions.begin_login(state, Login(nonce=nonce, verifier=verifier, back=local(back)))
    kept = _cookie(request, _STATE_COOKIE, state, _PATH, LOGIN_SECONDS, strict=False)
    return Response(b"", status_code=303, headers={"Location": url}, cookies=[kept])


@public(f"{_PATH}/callback", include_in_schema=False)
def callback(request: AnyRequest) -> Response[str]:
    """Take the provider's answer: a session for the browser, or a refusal."""
    services, provider = _of(request)
    asked, note = request.query_params, note_of(request)
    state = asked.get("state", "")[:_LONGEST]
    kept = str(request.cookies.get(_STATE_COOKIE, ""))
    if not state or not hmac.compare_digest(state.encode(), kept.encode()):
        raise DeniedError("this login was not begun in this browser", hint=f"begin again at {_PATH}/login")
    with services.store.errors():
        begun = services.sessions.take_login(state)
    if begun is None:
        raise DeniedError("this login took too long, or was used already", hint=f"begin again at {_PATH}/login")
    if "code" not in asked:
        raise DeniedError(f"{provider.name} says: {asked.get('error', 'nothing')[:100]}")
    claims = provider.claims(redirect_of(request), asked["code"][:_LONGEST], begun.nonce, begun.verifier)
    note.who, role = provider.who(claims), provider.role(claims)
    if not role:
        raise DeniedError(f"{note.who} has no role here", hint="oidc_roles says which groups have which")
    lifetime = provider.settings.oidc_session
    with services.store.errors():
        secret = services.sessions.create(Session(name=note.who, role=role), lifetime)
    note.signed_in, note.detail = True, f"signed in as {role}"
    # Not a redirect: a browser would send the new cookie, which is for this site only, not along on the way back from
    # another one.
    onward = f'<meta http-equiv="refresh" content="0;url={html.escape(begun.back)}">'
    page = f"<!doctype html><title>Signed in</title>{onward}"
    cookies = [
        *(
            _cookie(request, SESSION_COOKIE, secret, path, int(lifetime.total_seconds()), strict=True)
            for path in _COOKIE_PATHS
        ),
        _cookie(request, _STATE_COOKIE, "", _PATH, 0, strict=False),
    ]
    return Response(page, media_type="text/html", cookies=cookies)


def redirect_of(request: AnyRequest) -> str:
    """Where the provider sends people back to; it has to be registered there."""
    settings = services_of(request).client.deployment.settings
    base = settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.headers.get('host', '')}"
    return f"{base}{_PATH}/callback"


def local(path: str) -> str:
    """A path of our own pages; that of the first one for anything else."""
    good = path.startswith(PAGES) and "\\" not in path and "//" not in path and path.isprintable()
    return path[:_LONGEST] if good else PAGES


def _of(request: AnyRequest) -> tuple[Services, Provider]:
    services = services_of(request)
    if services.provider is None:
        raise ApiError(404, "nobody signs in here but with a token", hint="oidc_issuer names a provider")
    return services, services.provider


def _cookie(request: AnyRequest, name: str, value: str, path: str, age: int, *, strict: bool) -> Cookie:
    settings = services_of(request).client.deployment.settings
    return Cookie(
        name, path=path, value=value, httponly=True, samesite="strict" if strict else "lax", max_age=age,
        secure=settings.public_url.startswith("https://") or request.url.scheme == "https",
    )  # fmt: skip


ROUTES = [login, callback]
