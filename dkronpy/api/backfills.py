"""Our own route that makes up for due times of the past: at once with an answer, or followed to its end."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import anyio
import anyio.to_thread
import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from dkronpy.api.answers import JSON, AnyRequest
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import opt_of
from dkronpy.api.services import Services, identity_of, note_of, services_of
from dkronpy.api.sse import QUIET, streamed
from dkronpy.client.backfill import Backfill, Plan, Progress
from dkronpy.clock import aware, to_ms
from dkronpy.errors import DkronpyError
from dkronpy.wire.backfill import BackfillOut, Window

_LOOK_SECONDS, _QUIET_LOOKS = 0.2, 5


async def backfill(
    request: AnyRequest,
    job: FromPath[str],
    data: JSONBody[Window],
    follow: Annotated[bool, QueryParameter(description="Server-Sent Events until all have ended.")] = False,
) -> Response[Any]:
    """Make up for due times that have no success, ``max_active`` at a time, while this server runs.

    A repeated request goes on where the last one stopped, and makes nothing twice. The runs have the trigger backfill.
    With ``follow`` the answer is a stream of events ``progress`` and, once, ``end``; it stops when its reader leaves.
    """
    services, identity = services_of(request), identity_of(request)
    work = Backfill(services.client.deployment, job, max_active=data.max_active, who=identity.name)
    plan = functools.partial(work.plan, *window_ms(data.start, data.end), forgotten=data.forgotten)
    found = await anyio.to_thread.run_sync(plan)
    if found.due and not data.dry_run:
        note_of(request).detail = f"{len(found.due)} due times are made up for"
    if follow and not data.dry_run:
        return streamed(request, _Followed(services, work, found).events(), _name(job))
    if found.due and not data.dry_run:
        services.works.start(_name(job), lambda stopping: work.run(found.due, lambda _: None, stopping))
    body = BackfillOut(job=job, due=len(found.due), done=found.done, running=found.running, notes=list(found.notes))
    return Response(msgspec.json.encode(body), status_code=202, media_type=JSON)


class _Followed:
    """A backfill that stops when its reader leaves. Raises ConflictError where one of this job is under way here."""

    def __init__(self, services: Services, work: Backfill, plan: Plan) -> None:
        self._work, self._plan, self._server_stops = work, plan, services.works.stopping
        self._leaving = threading.Event()
        self._seen: list[Progress] = []
        self._problem: str | None = None
        self._over = threading.Event()
        services.works.start(_name(plan.job), self._run)

    def _run(self, _: threading.Event) -> None:
        try:
            self._seen.append(self._work.run(self._plan.due, self._seen.append, self._leaving))
        except DkronpyError as error:
            self._problem = str(error)
        finally:
            self._over.set()

    async def events(self) -> AsyncIterator[bytes]:
        """How far it is, whenever that changes, and how it ended."""
        told, quiet = 0, 0
        try:
            while not self._server_stops.is_set():
                over, news = self._over.is_set(), self._seen[told:]
                told, quiet = told + len(news), 0 if news else quiet + 1
                if news:
                    yield _event("progress", news[-1])
                elif quiet % _QUIET_LOOKS == 0:
                    yield QUIET
                if over:
                    problem = self._problem
                    yield _event("end", self._seen[-1]) if problem is None else _event("problem", {"detail": problem})
                    return
                await anyio.sleep(_LOOK_SECONDS)
        finally:
            self._leaving.set()


def _event(kind: str, value: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode(value))


def _name(job: str) -> str:
    return f"backfill of {job}"


def window_ms(start: datetime, end: datetime) -> tuple[int, int]:
    """Both ends of a window. Raises ApiError (422) for one that ends before it begins."""
    start_ms, end_ms = to_ms(aware(start)), to_ms(aware(end))
    if end_ms <= start_ms:
        raise ApiError(422, "end: it has to be after start")
    return start_ms, end_ms


make_up = HTTPRouteHandler(
    "/api/v1/jobs/{job:str}/backfill", http_method=["POST"], status_code=202, opt=opt_of("operate"), tags=["jobs"]
)(backfill)

ROUTES = [make_up]
