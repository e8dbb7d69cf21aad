"""Our own routes about the deployment: status, the audit log, what was set aside, the description of the API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import anyio.to_thread
import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from dkronpy.api.answers import JSON, Answer, AnyRequest
from dkronpy.api.audit_log import Entry
from dkronpy.api.cursor import After, Limit, page_by_name
from dkronpy.api.description import describe
from dkronpy.api.handlers import opt_of, route
from dkronpy.api.pause import is_paused
from dkronpy.api.services import services_of
from dkronpy.wire.deployment import Quarantined, StatusOut, status_out


class AuditPage(msgspec.Struct, kw_only=True):
    """Entries of the audit log, the newest first. ``after`` asks for the page behind it; null at the end."""

    items: list[Entry]
    after: str | None = None


@route("GET", "/api/v1/status", action="read", tags=["deployment"])
def show_status(request: AnyRequest) -> StatusOut:
    """The deployment at a glance."""
    services = services_of(request)
    return status_out(services.client.status(), paused=is_paused(services.store))


@route("GET", "/api/v1/audit", action="govern", tags=["deployment"])
def list_audit(
    request: AnyRequest,
    outcome: Annotated[Literal["done", "denied"], QueryParameter(description="Changes, or denials.")] = "done",
    limit: Limit = 100,
    after: Annotated[str, QueryParameter(pattern=r"^([0-9]{1,18}-[0-9]{1,18})?$")] = "",
) -> AuditPage:
    """Who changed what, or who was denied what."""
    services = services_of(request)
    with services.store.errors():
        items = services.audit.entries(outcome=outcome, limit=limit, before=after or "+")
    return AuditPage(items=items, after=items[-1].id if len(items) == limit else None)


async def show_openapi(request: AnyRequest) -> Answer:
    """This API, described in OpenAPI 3.1."""
    state: Any = request.app.state
    async with state.describing:  # others wait here, not in the threads that serve everybody
        if "description" not in state:
            state["description"] = await anyio.to_thread.run_sync(_described, request.app)
    return Response(state["description"], media_type=JSON)


def _described(app: Litestar) -> bytes:
    return msgspec.json.encode(describe(app))


description = HTTPRouteHandler(
    "/api/v1/openapi.json", http_method=["GET"], opt=opt_of("read"), include_in_schema=False
)(show_openapi)


@route("GET", "/api/v1/quarantine", action="read", whole=True, tags=["deployment"])
def list_quarantine(request: AnyRequest, limit: Limit = 100, after: After = "") -> Quarantined:
    """Entries and messages that were set aside, by key, with what was wrong."""
    known = services_of(request).client.quarantined()
    page, following = page_by_name(sorted(known), str, limit, after)
    return Quarantined(items={key: known[key] for key in page}, after=following)


ROUTES = [show_status, list_audit, list_quarantine, description]
