"""What is asked for twice under one ``Idempotency-Key`` is done once."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from dkronpy.api.answers import AnyRequest
from dkronpy.api.failures import ApiError
from dkronpy.api.keys import keys_of
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.client import RunView
from dkronpy.errors import DkronpyError, NotFoundError, StoreUnavailableError

KEPT_SECONDS = 24 * 3600
PLANNED = b"?"
"""Stands before a plan, of which nobody knows yet whether it was carried out."""
_LONGEST = 255


def params_of(body: bytes) -> dict[str, Any]:
    """The parameters in the body of a request for a run; none in an empty one. Raises ApiError (422)."""
    if not body.strip():
        return {}
    try:
        asked = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ApiError(422, f"this is not JSON: {error}") from None
    params = asked.get("params", {}) if isinstance(asked, dict) else None
    if not isinstance(params, dict) or set(asked) - {"params"}:
        raise ApiError(422, 'a run takes {"params": {"name": value}}, and nothing else')
    return params


def run_once(request: AnyRequest, job: str, params: dict[str, Any] | None = None) -> RunView:
    """Start *job* by hand with *params*, unless this key started it before; then that run.

    Raises NotFoundError for an unknown job.
    """
    services, identity = services_of(request), identity_of(request)
    starts = services.client.starts

    def start(run: str) -> str:
        try:
            services.client.run(run)
        except NotFoundError:
            starts.start(run, by=identity.name, params=params or {})
            note_of(request).detail = run
        return run

    return services.client.run(once(request, job, start, functools.partial(starts.name, job)))


def once(request: AnyRequest, what: str, make: Callable[[str], str], plan: Callable[[], str]) -> str:
    """What *make* returns, which makes one thing for each ``Idempotency-Key`` of this caller within a day.

    It is handed what *plan* said when the key came first, such as the id of what is to be made: where nobody can tell
    whether the store has it, a repeated request hands it the same, and it has to make the same, unless that is there.
    """
    services, given = services_of(request), request.headers.get("idempotency-key", "")
    if len(given) > _LONGEST:
        raise ApiError(400, f"Idempotency-Key: {len(given)} characters; {_LONGEST} are enough")
    if not given:
        return make(plan())
    seed = f"{identity_of(request).id}\0{what}\0{given}".encode("utf-8", "replace")
    key, client = keys_of(services.store).repeat(hashlib.sha256(seed).hexdigest()), services.store.client
    with services.store.errors():
        known = client.get(key) or b""
        if not known:
            known = PLANNED + plan().encode()
            if not client.set(key, known, nx=True, ex=KEPT_SECONDS):  # by the same request at the same moment
                known = client.get(key) or known
        if not known.startswith(PLANNED):
            return str(known.decode())
        try:
            made = make(known[len(PLANNED) :].decode())
        except StoreUnavailableError:
            raise
        except DkronpyError:  # nothing was made
            if client.get(key) == known:
                client.delete(key)
            raise
        client.set(key, made, ex=KEPT_SECONDS)
    return made
