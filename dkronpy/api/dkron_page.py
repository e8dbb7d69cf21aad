"""What Dkron's own page finds in its window: seven values, so that the page runs against this server from elsewhere."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from litestar import Response

from dkronpy.api.access import Asked, Identity, decide
from dkronpy.api.answers import Answer, AnyRequest
from dkronpy.api.guard import identify
from dkronpy.api.handlers import public
from dkronpy.api.members import leading_member
from dkronpy.api.peer import ends_of
from dkronpy.api.services import Services, note_of, services_of

KIND = "text/javascript"
_LISTING = Asked(action="read", method="GET", path="/v1/jobs", listing=True)
_COUNTED = {"TOTAL": None, "SUCCESSFUL": "success", "FAILED": "failed", "UNTRIGGERED": ""}


@public("/dkron.js")
def window(request: AnyRequest) -> Answer:
    """Dkron's page, hosted elsewhere, takes its values from here. Who may not read jobs learns where the API is.

    Pages of `http_origins` only can load it: with ``crossorigin``, since browsers give it to no other page without.
    """
    services = services_of(request)
    given = request.headers.get("authorization", "")
    with services.store.errors():
        asks = services.asks(ends_of(request.scope))
    identity = identify(services, request, note_of(request)) if given or not asks else None
    values: dict[str, Any] = {
        "DKRON_API_URL": f"//{request.headers.get('host', '')}/v1", "DKRON_LEADER": "no leader",
        **{f"DKRON_{name}_JOBS": 0 for name in _COUNTED}, "DKRON_ACL_ENABLED": asks,
    }  # fmt: skip
    if identity is not None and decide(identity, _LISTING):
        values |= _known(services, identity)
    lines = "".join(f"window.{name} = {msgspec.json.encode(value).decode()};\n" for name, value in values.items())
    headers = {"Cross-Origin-Resource-Policy": "same-origin"}
    return Response(lines.encode(), media_type=KIND, headers=headers)


def _known(services: Services, identity: Identity) -> dict[str, Any]:
    status = services.client.status()
    leader = "no leader" if status.leader is None else leading_member(status, status.leader)["Name"]
    views = [view for view in services.catalogue.views() if identity.sees(view.job.name)]
    states = Counter(view.state.status for view in views)
    counts = {f"DKRON_{name}_JOBS": len(views) if state is None else states[state] for name, state in _COUNTED.items()}
    return {"DKRON_LEADER": leader, **counts}


ROUTES = [window]
