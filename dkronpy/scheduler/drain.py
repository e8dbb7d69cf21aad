"""Takes messages out of the queues of nodes that are down, once nobody waits for what they ring for."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dkronpy.node import BELOW, Node
from dkronpy.scheduler.backlog import rings_for
from dkronpy.store.connection import Store

log = logging.getLogger(__name__)

BUDGET = 200
"""The most messages one pass looks at."""
EVERY_MS = 60_000


class Drain:
    """One pass now and then. A node that never returns keeps no messages; one that does finds what is still open."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._next_ms = 0
        self._turn = 0

    def run(self, now_ms: int, nodes: Sequence[Node]) -> int:
        """Look at the queues of a few nodes that are down; how many messages were taken out. redis-py's errors pass."""
        if now_ms < self._next_ms:
            return 0
        self._next_ms = now_ms + EVERY_MS
        down = sorted(node.name for node in nodes if not node.alive)
        gone, left = 0, BUDGET
        for offset in range(len(down)):
            name = down[(self._turn + offset) % len(down)]
            for key in (self.store.keys.queue(name), self.store.keys.queue(name) + BELOW):
                looked, taken = self._look(key, left)
                gone, left = gone + taken, left - looked
            if left <= 0:
                # the rest of this queue comes next time, unless all of it is still waited for
                self._turn += offset if gone else offset + 1
                self._next_ms = now_ms if gone else self._next_ms
                break
        if gone:
            log.info("took %d messages out of the queues of nodes that are down: nobody waits for them", gone)
        return gone

    def _look(self, key: str, most: int) -> tuple[int, int]:
        """The oldest messages of a queue, which stand at its end: (looked at, taken out)."""
        client = self.store.client
        raw: list[bytes] = client.lrange(key, -max(1, most), -1)
        if not raw:
            return 0, 0
        with client.pipeline(transaction=False) as pipe:
            for message in raw:
                pipe.zscore(self.store.keys.open, rings_for(message))
            scores = pipe.execute()
            over = [message for message, score in zip(raw, scores, strict=True) if score is None and rings_for(message)]
            for message in over:
                pipe.lrem(key, -1, message)
            pipe.execute()
        return len(raw), len(over)
