"""What is asked for twice under one ``Idempotency-Key`` is done once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from dkronpy.api.answers import AnyRequest
from dkronpy.api.failures import ApiError
from dkronpy.api.keys import keys_of
from dkronpy.api.services import identity_of, note_of, services_of
from dkronpy.client import RunView
from dkronpy.errors import DkronpyError

KEPT_SECONDS = 24 * 3600
_STARTING_SECONDS = 60
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

    Raises ApiError (409) while the first request is still under way, NotFoundError for an unknown job.
    """
    services, identity = services_of(request), identity_of(request)

    def start() -> str:
        made.append(services.client.run_job(job, by=identity.name, params=params))
        note_of(request).detail = made[0].run.id
        return made[0].run.id

    made: list[RunView] = []
    name = once(request, job, start)
    return made[0] if made else services.client.run(name)


def once(request: AnyRequest, what: str, make: Callable[[], str]) -> str:
    """What *make* returns, which is called once for each ``Idempotency-Key`` of this caller within a day.

    Raises ApiError (409) while the first request is still under way.
    """
    services, given = services_of(request), request.headers.get("idempotency-key", "")
    if len(given) > _LONGEST:
        raise ApiError(400, f"Idempotency-Key: {len(given)} characters; {_LONGEST} are enough")
    if not given:
        return make()
    seed = f"{identity_of(request).id}\0{what}\0{given}".encode("utf-8", "replace")
    key, client = keys_of(services.store).repeat(hashlib.sha256(seed).hexdigest()), services.store.client
    with services.store.errors():
        if not client.set(key, "", nx=True, ex=_STARTING_SECONDS):
            known = (client.get(key) or b"").decode()
            if not known:
                raise ApiError(409, "the first request with this Idempotency-Key is still under way")
            return known
        try:
            made = make()
        except DkronpyError:
            client.delete(key)
            raise
        client.set(key, made, ex=KEPT_SECONDS)
    return made
