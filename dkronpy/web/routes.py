"""All pages as one router, for the server that mounts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Router
from litestar.types import ASGIApp, Receive, Scope, Send

from dkronpy.client import Client
from dkronpy.web import (
    audit_log,
    coming_week,
    executors,
    files,
    first,
    graph,
    job,
    job_definition,
    job_due,
    job_edit,
    job_run,
    job_statistics,
    jobs,
    nodes,
    nowhere,
    overview,
    pauses,
    run,
    runs,
    settings,
    sign_in,
    spread,
    stream,
    timeline_page,
    tokens,
)
from dkronpy.web.door import Door, OpenDoor
from dkronpy.web.handlers import answer_error
from dkronpy.web.places import BASE
from dkronpy.web.registry import NoRegistry, Registry
from dkronpy.web.sign_in import with_token
from dkronpy.web.site import SITE, Site

_MODULES: tuple[Any, ...] = (
    overview, jobs, job, job_run, job_statistics, job_due, job_definition, job_edit, graph, runs, run, nodes,
    coming_week, spread, settings, executors, pauses, timeline_page, tokens, audit_log, first, stream, sign_in, files,
    nowhere,
)  # fmt: skip


def web_routes(client: Client, door: Door | None = None, registry: Registry | None = None) -> list[Router]:
    """The pages under ``/ui``. *door* answers what whoever looks may do; without one everybody may do everything.

    *registry* is what admins look after: tokens and audit log.
    """
    site = Site(client, door or OpenDoor(), registry or NoRegistry())
    router = Router(
        BASE,
        route_handlers=[route for module in _MODULES for route in module.ROUTES],
        middleware=[entrance(site)],
        exception_handlers={Exception: answer_error},
        include_in_schema=False,
    )
    return [router]


def entrance(site: Site) -> Callable[[ASGIApp], ASGIApp]:
    """What every request to a page passes first: it learns of its site, and its cookie becomes the guard's token."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def enter(scope: Scope, receive: Receive, send: Send) -> None:
            scope[SITE] = site  # type: ignore[literal-required]
            scope["headers"] = with_token(scope.get("headers", []))
            await app(scope, receive, send)

        return enter

    return wrap
