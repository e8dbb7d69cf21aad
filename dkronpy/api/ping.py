"""Pings: a job that something else runs says that it starts, and how it ended; each is a run in the ledger."""

from __future__ import annotations

import re

from litestar.params import FromPath, RawBody

from dkronpy.api.answers import AnyRequest
from dkronpy.api.failures import ApiError
from dkronpy.api.handlers import route
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.client.outside import PING_STATES, PingState
from dkronpy.wire.runs import RunOut, view_out

_MOST = 128_000
"""Bytes of a body that are kept as the run's output."""


@route(["GET", "POST"], "/ping/{job:str}", action="operate", tags=["jobs"])
def ping(request: AnyRequest, job: FromPath[str], body: RawBody) -> RunOut:
    """Say that a job has succeeded."""
    return _ping(request, job, "success", body)


@route(["GET", "POST"], "/ping/{job:str}/{said:str}", action="operate", tags=["jobs"])
def ping_state(request: AnyRequest, job: FromPath[str], said: FromPath[str], body: RawBody) -> RunOut:
    """Say that a job starts (``start``), that it has failed (``fail``), or its exit status (``0`` is a success)."""
    return _ping(request, job, said, body)


def _ping(request: AnyRequest, job: str, said: str, body: bytes) -> RunOut:
    code = int(said) if re.fullmatch(r"[0-9]{1,3}", said) and int(said) < 256 else None
    states: dict[str, PingState] = {state: state for state in PING_STATES}
    state = ("fail" if code else "success") if code is not None else states.get(said)
    if state is None:
        raise ApiError(404, f"{said!r} is no state of a ping", hint="start, success, fail, or an exit status")
    note_of(request).detail = f"{state}" if code is None else f"exit status {code}"
    who = identity_of(request).name
    return view_out(services_of(request).client.ping_job(job, state, output=body[-_MOST:], exit_code=code, by=who))


ROUTES = [ping, ping_state]
