"""Pausing submissions: a flag in the store, so that every server knows, and it outlives each of them."""

from __future__ import annotations

from dkronpy.api.answers import Answer, AnyRequest, json_answer
from dkronpy.api.handlers import route
from dkronpy.api.keys import keys_of
from dkronpy.api.services import identity_of, services_of
from dkronpy.store.connection import Store


def is_paused(store: Store) -> bool:
    """Whether nobody may save jobs over the API at present."""
    with store.errors():
        return bool(store.client.exists(keys_of(store).paused))


@route("GET", "/v1/pause", action="read")
def show_pause(request: AnyRequest) -> Answer:
    """Whether submissions are paused."""
    return json_answer(request, {"paused": is_paused(services_of(request).store)})


@route("POST", "/v1/pause", action="administer")
def pause(request: AnyRequest) -> Answer:
    """Pause submissions: creating and updating jobs answers 503; everything else goes on."""
    store = services_of(request).store
    with store.errors():
        store.client.set(keys_of(store).paused, identity_of(request).name)
    return json_answer(request, {"paused": True})


@route("POST", "/v1/unpause", action="administer")
def unpause(request: AnyRequest) -> Answer:
    """Let submissions in again."""
    store = services_of(request).store
    with store.errors():
        store.client.delete(keys_of(store).paused)
    return json_answer(request, {"paused": False})


ROUTES = [show_pause, pause, unpause]
