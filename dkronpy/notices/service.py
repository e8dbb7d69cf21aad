"""The notifier's office: one of all beats follows the events and sends; the others ask now and then whether it is free.

It has threads of its own beside beat's and never holds up a run: whatever goes wrong here is said in the log, and
tried again.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from contextlib import suppress

import redis

from dkronpy.clock import Clock, SystemClock
from dkronpy.deployment import Deployment
from dkronpy.errors import DkronpyError
from dkronpy.notices.channel import Channels
from dkronpy.notices.follower import Follower
from dkronpy.notices.outbox import LostError, Outbox
from dkronpy.notices.sender import Courier, Sender
from dkronpy.secrets import SecretResolver

log = logging.getLogger(__name__)

OFFICE_SECONDS = 5.0
"""How often the office is renewed, and asked for by those who do not have it."""
BLOCK_MS = 500
PING_SECONDS = 60.0
PAUSE_SECONDS = 0.2
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0)
OUTAGES = (redis.RedisError, OSError, DkronpyError)


class NotifierService:
    """Two threads, while there is anything to tell and anybody to tell it to."""

    def __init__(self, deployment: Deployment, *, clock: Clock | None = None) -> None:
        # a store of its own: its calls block, and beat's must not wait for them
        self.deployment = Deployment(deployment.settings)
        self.clock = clock or SystemClock()
        self.channels = Channels(deployment.settings)
        self.outbox = Outbox(self.deployment.store, holder=_holder())
        self.follower = Follower(self.deployment, self.channels, self.outbox)
        self.sender = Sender(
            self.deployment, self.channels, self.outbox, Courier(SecretResolver.of(deployment.settings))
        )
        self.holding = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._started = False
        self._pinged = float("-inf")

    def start(self) -> None:
        """Start the threads, once, if there is anybody to tell; says what is wrong with the channels."""
        if self._started:
            return
        self._started = True
        for problem in self.channels.problems:
            log.error("settings: %s", problem)
        if not self.channels and not self.deployment.settings.beat_ping_url:
            return
        for target in (self._follow, self._send):
            thread = threading.Thread(target=target, name=f"notifier{target.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop the threads and give the office up."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(15)
        if self._threads:
            with suppress(*OUTAGES):
                self.outbox.release()
            self.sender.close()
        self.deployment.close()

    def _follow(self) -> None:
        failures, asked = 0, float("-inf")
        while not self._stopping.is_set():
            try:
                if self.clock.monotonic() - asked >= OFFICE_SECONDS:
                    self._ask()
                    asked = self.clock.monotonic()
                if self.holding.is_set():
                    self.follower.step(BLOCK_MS)
                else:
                    self._stopping.wait(PAUSE_SECONDS)
                failures = 0
            except LostError:
                self._lost()
            except Exception as error:  # noqa: BLE001 - whatever it is, a notifier that ends tells nobody anything
                self._failed(error, failures)
                failures += 1
                self.holding.clear()
                asked = float("-inf")

    def _ask(self) -> None:
        if not self.outbox.hold():
            if self.holding.is_set():
                self._lost()
        elif not self.holding.is_set():
            self.follower.begin()
            log.info("this process notifies: %s", ", ".join(channel.name for channel in self.channels) or "by mail")
            self.holding.set()

    def _lost(self) -> None:
        log.warning("another process notifies now")
        self.holding.clear()

    def _send(self) -> None:
        failures = 0
        while not self._stopping.wait(PAUSE_SECONDS):
            if not self.holding.is_set():
                continue
            try:
                self.sender.step()
                self._ping()
                failures = 0
            except LostError:
                self._lost()
            except Exception as error:  # noqa: BLE001 - as above
                self._failed(error, failures)
                failures += 1

    def _ping(self) -> None:
        """Show the watcher from outside that a beat leads and that this one notifies: silence is what it tells of."""
        url, now = self.deployment.settings.beat_ping_url, self.clock.monotonic()
        if url and now - self._pinged >= PING_SECONDS and self.deployment.store.client.exists(self._leader):
            self._pinged = now
            self.sender.visit(url)

    @property
    def _leader(self) -> str:
        return self.deployment.store.keys.leader

    def _failed(self, error: Exception, failures: int) -> None:
        if isinstance(error, OUTAGES):
            if not failures:
                log.warning("nothing can be told while the store is away: %s", error)
        else:
            log.error("notifying failed", exc_info=error)
        self._stopping.wait(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
