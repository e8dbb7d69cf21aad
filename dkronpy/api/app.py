"""Puts the routes together into one ASGI application behind guard and gate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from litestar import Litestar, Router
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp

from dkronpy.api import (
    acl,
    backfills,
    backups,
    calendars,
    chains,
    deployment,
    dkron_page,
    events,
    executions,
    fleet,
    follow,
    health,
    job_saves,
    jobs,
    login,
    maintenance,
    members,
    metrics,
    nodes,
    notices,
    outside,
    own_jobs,
    pause,
    ping,
    pools,
    questions,
    restore,
    revisions,
    runs,
    starts,
    token_routes,
)
from dkronpy.api.failures import answer_error
from dkronpy.api.gate import Gate
from dkronpy.api.guard import authorize
from dkronpy.api.metrics import Exporter
from dkronpy.api.services import Services
from dkronpy.api.tally import Tally
from dkronpy.api.traffic import Traffic
from dkronpy.version import VERSION

_MODULES: tuple[Any, ...] = (
    jobs, job_saves, executions, members, pause, restore, health, metrics, acl, runs, follow, own_jobs, deployment,
    nodes, events, login, ping, chains, maintenance, fleet, questions, pools, revisions,
    token_routes, calendars, notices, backfills, backups, starts, outside,
    dkron_page,
)  # fmt: skip
LARGEST_BODY = 4 * 1024 * 1024
_ABOUT = """Jobs, runs and nodes of a dkronpy deployment. The routes under `/v1` are Dkron's, for Dkron's clients; those
under `/api/v1` are ours. Errors of ours are `application/problem+json`."""


def routes() -> list[Any]:
    """Every route of the API."""
    return [one for module in _MODULES for one in module.ROUTES]


def make_litestar(services: Services, traffic: Traffic, *, pages: Sequence[Any] = ()) -> Litestar:
    """The application without its gate. *pages* are further routes; one without an ``action`` in ``opt`` is closed."""

    @asynccontextmanager
    async def counting(_: Litestar) -> AsyncIterator[None]:
        tally = Tally(services.client)
        tally.start()
        try:
            yield
        finally:
            services.works.stopping.set()
            await anyio.to_thread.run_sync(tally.stop)

    return Litestar(
        [*routes(), *pages],
        guards=[authorize],
        exception_handlers={Exception: answer_error},
        state=State(
            {
                "services": services,
                "exporter": Exporter(services, traffic),
                "followers": 0,
                "describing": anyio.Lock(),
            }
        ),
        lifespan=[counting],
        openapi_config=_openapi(),
        request_max_body_size=LARGEST_BODY,
        on_app_init=[_quiet],
    )


def make_api(
    services: Services, *, hosts: Sequence[str] = (), origins: Sequence[str] = (), pages: Sequence[Any] = ()
) -> ASGIApp:
    """The whole ASGI application; see ``Gate`` for *hosts* and *origins*."""
    traffic = Traffic()
    app: Any = make_litestar(services, traffic, pages=pages)
    return Gate(app, services, traffic, hosts=hosts, origins=origins)


def _openapi() -> OpenAPIConfig:
    bearer = SecurityScheme(type="http", scheme="bearer", description="A token of `dkronpy token create`.")
    # Its own routes have no action, so that the guard keeps them closed: ours serves the description.
    closed = Router("/api/v1/closed", route_handlers=[], include_in_schema=False)
    return OpenAPIConfig(
        title="dkronpy",
        version=VERSION,
        description=_ABOUT,
        openapi_router=closed,
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(security_schemes={"token": bearer}),
        security=[{"token": []}],
    )


def _quiet(config: AppConfig) -> AppConfig:
    config.logging_config = None
    return config
