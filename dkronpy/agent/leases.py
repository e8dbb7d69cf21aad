"""Keeps the leases of what runs here: renews them all in one call, and ends what can no longer be vouched for."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

import redis

from dkronpy.agent.context import AttemptContext
from dkronpy.store.ledger import Ledger

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
SELF_KILL = 0.8
"""The share of a lease after which work that could not be renewed is ended, well before another may start it."""
VOUCHED = 0.9
"""The share for which the shim of such work is told that it may go on; an agent that stands still can end nothing."""
GO_ON, CANCEL, END_AT_ONCE = 1, 2, 3
Key = tuple[str, int]
"""An attempt: its execution and its token. The next may begin here while one goes on that has lost its lease."""


@dataclass
class Held:
    """One running attempt: its token, its context, and when its lease was last known to be good (monotonic seconds)."""

    token: int
    context: AttemptContext
    kill_on_loss: bool
    renewed: float = field(default_factory=time.monotonic)


class Leases:
    """One thread for all attempts of the agent."""

    def __init__(self, ledger: Ledger, *, lease_seconds: float, renew_seconds: float) -> None:
        self.ledger = ledger
        self.lease_seconds = lease_seconds
        self.renew_seconds = renew_seconds
        self._held: dict[Key, Held] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._next = 0.0
        self._away = False
        self.renewed = self.missed = 0
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    @property
    def lease_ms(self) -> int:
        """The length of a lease."""
        return int(self.lease_seconds * 1000)

    def vouched(self, renewed: float) -> float:
        """Until when work may go on whose lease was good at *renewed*, both in seconds of the monotonic clock."""
        return renewed + VOUCHED * self.lease_seconds

    def over(self, renewed: float) -> bool:
        """Whether a lease that was good at *renewed*, in seconds of the monotonic clock, is over."""
        return time.monotonic() >= renewed + self.lease_seconds

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def add(self, execution_id: str, held: Held) -> None:
        """An attempt has begun."""
        with self._lock:
            self._held[execution_id, held.token] = held
            if time.monotonic() > held.renewed + self.renew_seconds:  # it has waited for a thread meanwhile
                self._next = 0.0

    def remove(self, execution_id: str, token: int) -> None:
        """It has ended."""
        with self._lock:
            self._held.pop((execution_id, token), None)

    def running(self) -> int:
        """How many attempts run here."""
        return len(self._held)

    def cancel(self, execution_id: str, reason: str, *, at_once: bool = False) -> bool:
        """End the attempts of one execution early, *at_once* without a grace; False when none runs here."""
        with self._lock:
            held = [one for (name, _), one in self._held.items() if name == execution_id]
        for one in held:
            one.context.cancel(reason, at_once=at_once)
        return bool(held)

    def cancel_all(self, reason: str) -> int:
        """End every attempt early; returns how many there were."""
        with self._lock:
            held = list(self._held.values())
        for one in held:
            one.context.cancel(reason)
        return len(held)

    def _run(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            try:
                self._see_to_them()
            except Exception:
                log.exception("the leases could not be seen to; going on")

    def _see_to_them(self) -> None:
        now = time.monotonic()
        with self._lock:
            held, due = dict(self._held), now >= self._next
            if due:
                self._next = now + self.renew_seconds
        for one in held.values():
            if one.context.remaining() == 0.0:
                one.context.cancel("timeout")
        try:
            if due:
                self._renew(held)
        finally:
            self._give_up(held)

    def _renew(self, held: dict[Key, Held]) -> None:
        asked = time.monotonic()
        try:
            codes = self.ledger.renew(list(held), self.lease_ms)
        except (redis.RedisError, OSError) as error:
            if not self._away:
                log.warning("leases cannot be renewed: %s; trying again every second", error)
            self._away, self._next = True, asked + 1.0
            self.missed += 1
            return
        self.renewed += bool(held)
        if self._away:
            log.warning("leases are renewed again")
        self._away = False
        for (key, one), code in zip(held.items(), codes, strict=True):
            if code in {GO_ON, CANCEL, END_AT_ONCE}:
                one.renewed = asked
                if one.kill_on_loss:
                    one.context.vouch(self.vouched(asked))
            if code in {CANCEL, END_AT_ONCE}:
                one.context.cancel("cancelled", at_once=code == END_AT_ONCE)
            elif code != GO_ON and key in self._held and one.kill_on_loss:
                log.error("execution %s is no longer ours: ending it", key[0])
                one.context.cancel("lease_lost_killed")

    def _give_up(self, held: dict[Key, Held]) -> None:
        limit = time.monotonic() - SELF_KILL * self.lease_seconds
        for (name, _), one in held.items():
            if one.kill_on_loss and one.renewed < limit and not one.context.cancelled.is_set():
                log.error(
                    "execution %s could not be renewed for %.0f s: ending it", name, SELF_KILL * self.lease_seconds
                )
                one.context.cancel("lease_lost_killed")
