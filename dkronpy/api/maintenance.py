"""Our own routes for pauses and maintenance windows: of a job, of every job with a tag, of everything."""

from __future__ import annotations

import functools
import secrets
from typing import Annotated

import msgspec
from litestar.params import JSONBody, QueryParameter

from dkronpy.api.answers import AnyRequest
from dkronpy.api.cursor import After, Limit, page_by_place
from dkronpy.api.handlers import route
from dkronpy.api.repeats import once
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.clock import aware, from_ms, to_ms
from dkronpy.errors import DeniedError
from dkronpy.schedule.durations import parse_duration
from dkronpy.wire.pauses import PauseAsked, PauseList, PauseOut, pause_out

_PATH = "/api/v1/pauses"


@route("GET", _PATH, action="read", listing=True, tags=["pauses"])
def list_pauses(
    request: AnyRequest,
    ended: Annotated[bool, QueryParameter(description="Those of the last days that are over, too.")] = False,
    limit: Limit = 100,
    after: After = "",
) -> PauseList:
    """The pauses that hold or will hold. Those of jobs that are none of one's business are left out."""
    identity = identity_of(request)
    found = services_of(request).client.maintenance.pauses(ended=ended)
    mine = [one for one in found if not one.job or identity.sees(one.job)]
    page, following = page_by_place(mine, lambda one: one.id, limit, after)
    return PauseList(items=[pause_out(one) for one in page], after=following)


@route("POST", _PATH, action="operate", status=201, tags=["pauses"])
def pause(request: AnyRequest, data: JSONBody[PauseAsked]) -> PauseOut:
    """Pause a job, every job with a tag, or, with neither, everything. Due times meanwhile are skipped: ``paused``.

    Requests with the same ``Idempotency-Key`` are one pause.
    """
    services, identity = services_of(request), identity_of(request)
    _require(request, data.job)
    start = None if data.start is None else aware(data.start)
    until = None if data.until is None else aware(data.until)
    if data.duration:
        with services.store.errors():
            begin = services.store.now_ms() if start is None else to_ms(start)
        until = from_ms(begin) + parse_duration(data.duration, field="duration")

    def make(name: str) -> str:
        made = services.client.maintenance.pause_as(
            name, job=data.job, tag=data.tag, reason=data.reason, start=start, until=until, by=identity.name
        )
        note_of(request).job, note_of(request).detail = data.job, made.sentence()
        return msgspec.json.encode(pause_out(made)).decode()

    return msgspec.json.decode(once(request, "pause", make, functools.partial(secrets.token_hex, 4)), type=PauseOut)


@route("DELETE", _PATH, action="operate", status=200, tags=["pauses"])
def resume(
    request: AnyRequest,
    of: Annotated[str, QueryParameter(name="job", description="The pauses of this job.")] = "",
    tag: Annotated[str, QueryParameter(description="The pauses of this tag.")] = "",
    name: Annotated[str, QueryParameter(name="id", description="This one.")] = "",
) -> PauseList:
    """End pauses: of exactly this job, tag or id, or, with none of them, of everything. Those that ended."""
    client, identity = services_of(request).client, identity_of(request)
    if name:
        for one in client.maintenance.pauses():
            if one.id == name:
                _require(request, one.job)
    else:
        _require(request, of)
    ended = client.maintenance.resume(job=of, tag=tag, id=name, by=identity.name)
    note_of(request).job, note_of(request).detail = of, f"resumed: {', '.join(one.scope for one in ended)}"
    return PauseList(items=[pause_out(one) for one in ended])


def _require(request: AnyRequest, job: str) -> None:
    """Raises DeniedError: who may touch some jobs only pauses those by name."""
    identity = identity_of(request)
    if job:
        identity.require(job)
    elif identity.jobs:
        raise DeniedError(f"{identity.name} may not pause or resume more than jobs by name")


ROUTES = [list_pauses, pause, resume]
