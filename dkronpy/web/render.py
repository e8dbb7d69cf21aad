"""Turns a template and its values into a page, with the headers that keep strangers' script out of it."""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie
from markupsafe import Markup, escape

from dkronpy.execution import REASONS
from dkronpy.version import VERSION
from dkronpy.web import charts, moments, states
from dkronpy.web.door import AnyRequest
from dkronpy.web.places import BASE, job_place, node_place, place, run_place
from dkronpy.web.site import CSRF_COOKIE, THEME_COOKIE, THEMES, csrf_of, new_csrf, site_of, viewer_of

TEMPLATES = Path(__file__).parent / "templates"
_CODE = re.compile(r"`([^`]+)`")
HTML = "text/html"
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NAVIGATION = (
    ("overview", place("/"), "Overview", "o"),
    ("jobs", place("/jobs"), "Jobs", "j"),
    ("runs", place("/runs"), "Runs", "r"),
    ("timeline", place("/timeline"), "Timeline", "t"),
    ("schedule", place("/schedule"), "Schedule", "c"),
    ("graph", place("/graph"), "Graph", "g"),
    ("nodes", place("/nodes"), "Nodes", "n"),
    ("settings", place("/settings"), "Settings", "s"),
)
DONE = {
    "enabled": "The job is enabled again.",
    "disabled": "The job is disabled: nothing is due until it is enabled again.",
    "deleted": "Deleted.",
    "cancelled": "The nodes were told to end it.",
    "saved": "Saved.",
    "unchanged": "Nothing had changed.",
    "started": "Started.",
    "spread": "Spread: each of them starts at a minute of its own from now on.",
    "done": "Done.",
    "forgotten": "The node is forgotten.",
    "drained": "The node takes nothing new; what it runs it finishes.",
    "undrained": "The node takes executions again.",
    "paused": "Paused: due times are recorded as skipped until it is resumed.",
    "resumed": "Resumed.",
    "revoked": "Revoked: the token is worth nothing any more.",
    "sent": "The channel took the test message.",
    "preferences": "Kept in this browser.",
}
"""What a page says after a form, by the word in its address: texts from an address are never shown."""


def render(
    request: AnyRequest, name: str, status: int = 200, /, *, section: str = "", **values: Any
) -> Response[bytes]:
    """The page of a template."""
    viewer = viewer_of(request)
    done = DONE.get(request.query_params.get("done", ""), "")
    body = _template(name).render(
        viewer=viewer, section=section, navigation=NAVIGATION, done=done, assets=site_of(request).assets,
        moment=moments.Moments(viewer.zone, viewer.now_ms), version=VERSION, **values,
    )  # fmt: skip
    return respond(request, body.encode("utf-8", "replace"), status, viewer.csrf)


def plain_page(request: AnyRequest, status: int, title: str, text: str, *, hint: str = "") -> Response[bytes]:
    """A page that says one thing."""
    here = str(request.url.path) if status == 503 and request.method == "GET" else ""
    return render_plain(request, "plain.html", status, title=title, text=text, hint=hint, status=status, here=here)


def render_plain(request: AnyRequest, name: str, status: int = 200, /, **values: Any) -> Response[bytes]:
    """A page without navigation; it needs no store, and nobody has to be signed in."""
    csrf = csrf_of(request.cookies) or new_csrf()
    theme = request.cookies.get(THEME_COOKIE, "")
    body = _template(name).render(
        assets=site_of(request).assets, theme=theme if theme in THEMES else "system", csrf=csrf, **values
    )
    return respond(request, body.encode("utf-8", "replace"), status, csrf)


def respond(request: AnyRequest, body: bytes, status: int, csrf: str) -> Response[bytes]:
    """HTML with its headers, smaller where the browser can unpack it."""
    headers = {**HEADERS, "Vary": "Accept-Encoding, Cookie"}
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) > 1000:
        body, headers["Content-Encoding"] = gzip.compress(body, 5), "gzip"
    cookies = []
    if not csrf_of(request.cookies):
        secure = request.url.scheme == "https"
        cookies = [Cookie(CSRF_COOKIE, path=BASE, value=csrf, httponly=True, samesite="strict", secure=secure)]
    return Response(body, status_code=status, headers=headers, media_type=HTML, cookies=cookies)


def _ticked(text: str) -> Markup:
    """What stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals.update(
        state=states.look,
        reasons=REASONS,
        charts=charts,
        base=BASE,
        job_place=job_place,
        run_place=run_place,
        node_place=node_place,
        place=place,
    )
    environment.filters.update(span=moments.say_ms, ticked=_ticked)
    return environment


def _template(name: str) -> Any:
    return _environment().get_template(name)
