"""Sleeps until somebody calls: a saved job or a run by hand takes effect at once, not at the next tick."""

from __future__ import annotations

import threading
import time
from typing import Any

import redis

from dkronpy.store.connection import Store

SLICE_SECONDS = 0.5
"""How long a stop may go unnoticed."""


class WakeUp:
    """A subscription to the wake-up channel, renewed when the connection is lost."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.called = False
        self._subscription: Any = None

    def wait(self, seconds: float, stopping: threading.Event) -> None:
        """Return after *seconds*, or sooner when called or stopping; ``called`` says which."""
        self.called = False
        end = time.monotonic() + seconds
        while not stopping.is_set():
            left = end - time.monotonic()
            if left <= 0 or self._listen(min(left, SLICE_SECONDS), stopping):
                return

    def _listen(self, seconds: float, stopping: threading.Event) -> bool:
        try:
            if self._subscription is None:
                self._subscription = self.store.client.pubsub(ignore_subscribe_messages=True)
                self._subscription.subscribe(self.store.keys.wake)
            message = self._subscription.get_message(timeout=seconds)
        except (redis.RedisError, OSError):
            self.reset()
            stopping.wait(seconds)
            return False
        if message is None:
            return False
        self.called = True
        return True

    def reset(self) -> None:
        """Drop the subscription; the next wait makes a new one."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()

    close = reset
