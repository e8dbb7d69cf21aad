"""Sets a malformed entry aside, so that one bad definition never stops the others."""

from __future__ import annotations

import json
import logging
import zlib

from dkronpy.store.connection import Store

log = logging.getLogger(__name__)

KEPT = 1000


class Quarantine:
    """The entries and messages that could not be read, with what was wrong; `dkronpy doctor` shows them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def entry(self, key: str, error: Exception) -> None:
        """Take an entry off the schedule. Saving it anew puts it back."""
        log.error("entry %s cannot be read and is set aside: %s: %s", key, type(error).__name__, error)
        self._keep(key, f"{type(error).__name__}: {error}")
        for shard in range(self.store.read_shards()):
            self.store.client.zrem(self.store.keys.schedule_of(shard), key)

    def message(self, queue: str, raw: bytes, error: str) -> None:
        """Keep a message that no agent could read."""
        log.error("a message in queue %s cannot be read and is set aside: %s", queue, error)
        self._keep(
            f"message:{queue}:{zlib.crc32(raw):08x}",
            json.dumps({"error": error, "message": raw[:2000].decode("utf-8", "replace")}),
        )

    def all(self) -> dict[str, str]:
        """What is set aside, by key."""
        rows = self.store.client.hgetall(self.store.keys.quarantine)
        return {key.decode(): value.decode("utf-8", "replace") for key, value in rows.items()}

    def __json__(self) -> str:
        """How kombu writes it where a worker tells of its transport's options: `celery inspect stats`, and Flower."""
        return "quarantine"

    def _keep(self, key: str, text: str) -> None:
        client, name = self.store.client, self.store.keys.quarantine
        if client.hlen(name) < KEPT or client.hexists(name, key):
            client.hset(name, key, text)
