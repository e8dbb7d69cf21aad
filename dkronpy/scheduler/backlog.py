"""Tells whether an execution's message is still on its way in its node's queue: another would only stand behind it."""

from __future__ import annotations

import json
from typing import Any

from dkronpy.store.connection import Store
from dkronpy.store.ledger import Due


def rings_for(message: bytes) -> str:
    """The execution that a message of Celery's rings for; '' where it is not one."""
    try:
        found: Any = json.loads(message)["headers"]["id"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(found)


class Backlog:
    """How far agents have come with their queues, asked once for each queue.

    A queue is taken from its end, in the order in which it was filled. As long as what stands there was queued no later
    than an execution, so does that one's own message; when the queue has come past it, the message was taken, or lost.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._oldest_ms: dict[str, int] = {}

    def holds(self, item: Due, queue: str) -> bool:
        """Whether the queue has not come to *item* yet."""
        if not item.delivery or not queue:
            return False
        oldest = self._oldest_ms.get(queue)
        if oldest is None:
            oldest = self._oldest_ms[queue] = self._look(queue)
        return 0 < oldest <= item.queued_ms

    def _look(self, queue: str) -> int:
        """When what the next message rings for was queued; 0 where nothing is known of it."""
        client, keys = self._store.client, self._store.keys
        message = client.lindex(queue, -1)
        return 0 if message is None else int(client.hget(keys.execution(rings_for(message)), "queued_ms") or 0)
