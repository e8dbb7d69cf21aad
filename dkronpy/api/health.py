"""What probes and dashboards ask: health, statistics, variables."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from litestar import Response

from dkronpy.api.answers import Answer, AnyRequest, json_answer
from dkronpy.api.handlers import public, route
from dkronpy.api.job_list import whole
from dkronpy.api.keys import keys_of
from dkronpy.api.services import identity_of, services_of
from dkronpy.clock import from_ms
from dkronpy.errors import DkronpyError

DAYS, MOST_DAYS = 30, 365


@public("/health")
def health(request: AnyRequest) -> Answer:
    """Whether jobs are being fired: 503 while the store is away or no beat leads."""
    try:
        leader = services_of(request).client.status().leader
    except DkronpyError as error:
        text = "the store is away" if error.exit_code == 4 else type(error).__name__
        return json_answer(request, {"status": "unhealthy", "issues": [text], "leader": False}, 503)
    if leader is None:
        return json_answer(request, {"status": "unhealthy", "issues": ["no beat leads"], "leader": False}, 503)
    return json_answer(request, {"status": "healthy", "leader": True})


@public("/")
def root(request: AnyRequest) -> Answer:
    """People are sent to the pages."""
    accepts = request.headers.get("accept", "*/*")
    if "text/html" in accepts or "*/*" in accepts:
        return Response(b"", status_code=303, headers={"Location": "/ui/"})
    return Response(b"404 page not found", status_code=404, media_type="text/plain")


@route("GET", "/v1/stats", action="read", whole=True)
def stats(request: AnyRequest) -> Answer:
    """How many attempts ended well and badly on each of the last days, UTC, the oldest first."""
    asked = whole(request.query_params.get("days", ""))
    days = min(asked, MOST_DAYS) if asked > 0 else DAYS
    store = services_of(request).store
    with store.errors():
        today = from_ms(store.now_ms()).date()
        dates = [today - timedelta(days=back) for back in reversed(range(days))]
        fields = [f"{date.isoformat()}:{outcome}" for date in dates for outcome in ("success", "failed")]
        counts = [max(0, int(value or 0)) for value in store.client.hmget(keys_of(store).days, fields)]
    rows = [
        {"date": f"{date.isoformat()}T00:00:00Z", "success_count": good, "failed_count": bad}
        for date, good, bad in zip(dates, counts[::2], counts[1::2], strict=True)
    ]
    return json_answer(request, {"stats": rows})


@route("GET", "/debug/vars", action="read")
def variables(request: AnyRequest) -> Answer:
    """Dkron's variables: the command line's program only, since arguments may hold what is nobody's business."""
    services, identity = services_of(request), identity_of(request)
    with services.store.errors():
        names = [name for name in services.client.deployment.jobs.names() if identity.sees(name)]
    found: dict[str, Any] = {
        "cmdline": sys.argv[:1],
        "memstats": {},
        "node": services.node,
        "cron_entries": {name: name for name in names},
        "scheduler_started": int(services.client.status().leader is not None),
    }
    return json_answer(request, found)


ROUTES = [health, root, stats, variables]
