"""Our own route that starts a run, and waits for its end where that is wanted."""

from __future__ import annotations

from typing import Annotated

import anyio
import anyio.to_thread
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter, RawBody

from dkronpy.api.answers import AnyRequest
from dkronpy.api.handlers import opt_of
from dkronpy.api.repeats import params_of, run_once
from dkronpy.api.services import services_of
from dkronpy.client import RunView
from dkronpy.wire.runs import RunOut, view_out

LONGEST_WAIT = 300
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


async def run_own(
    request: AnyRequest,
    job: FromPath[str],
    body: RawBody,
    wait: Annotated[
        int, QueryParameter(ge=0, le=LONGEST_WAIT, description="How many seconds to wait for its end, such as 30.")
    ] = 0,
) -> Response[RunOut]:
    """Start a job now, with ``{"params": {"days": 30}}`` where it takes parameters.

    Requests with the same ``Idempotency-Key`` are one run. With ``wait`` the answer is 200 and the run as it ended, or
    202 and the run as it stands where that took longer.
    """
    view = await anyio.to_thread.run_sync(run_once, request, job, params_of(body))
    view = await _ended(request, view, wait) if wait else view
    headers = {"Location": f"/api/v1/runs/{view.run.id}".encode().decode("latin-1")}
    return Response(view_out(view), status_code=200 if wait and view.run.terminal else 202, headers=headers)


async def _ended(request: AnyRequest, view: RunView, seconds: int) -> RunView:
    """The run at its end, or as it stands when the time is over or the server stops."""
    services, pause = services_of(request), _FIRST_PAUSE
    with anyio.move_on_after(seconds):
        while not view.run.terminal and not services.works.stopping.is_set():
            await anyio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)
            view = await anyio.to_thread.run_sync(services.client.run, view.run.id)
    return view


start = HTTPRouteHandler(
    "/api/v1/jobs/{job:str}/run", http_method=["POST"], status_code=202, opt=opt_of("operate"), tags=["jobs"]
)(run_own)

ROUTES = [start]
