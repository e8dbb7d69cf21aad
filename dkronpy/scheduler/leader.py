"""Leadership: one beat at a time fires and sweeps, under an epoch that only rises.

The protocol. The store holds one record with an expiry: who leads, and the epoch. A beat asks for it at every tick;
whoever holds it extends it, and where it has expired the first to ask gets it with the next epoch. A beat that stops
gives it up, which wakes the others. Nothing depends on the leader being the only one: each commit carries the epoch
and is refused under an old one, and each due time is compared before it is advanced, so that a beat that slept through
the end of its leadership writes nothing. Losing the leadership is no error: one stands by.

Time is the store's. When it runs ahead of this machine's own monotonic clock by more than ``JUMP_MS`` between two
questions, asked as leader or as stand-by, somebody moved the clock: such a jump also ends the leader's record and every
lease. Nothing is fired or swept then, and that is said, until the clock was steady for ``STEADY_SECONDS``.
"""

from __future__ import annotations

import logging

from dkronpy.clock import Clock
from dkronpy.store.ledger import Lead, Ledger

log = logging.getLogger(__name__)

JUMP_MS = 5_000
STEADY_SECONDS = 10.0


class Leadership:
    """One beat's part in the protocol."""

    def __init__(self, ledger: Ledger, clock: Clock, *, holder: str, ttl_ms: int, shard: int = 0) -> None:
        self.ledger = ledger
        self.clock = clock
        self.holder = holder
        self.ttl_ms = ttl_ms
        self.shard = shard
        self._where = f" shard {shard}" if shard else ""
        self.epoch: int | None = None
        self._asked: tuple[int, float] | None = None
        self._held_since: float | None = None

    def ask(self) -> Lead:
        """Take or keep the lead; says in the log when it changes hands."""
        before = self.clock.monotonic()
        lead = self.ledger.lead(self.holder, self.ttl_ms, shard=self.shard)
        self._watch(lead.now_ms, before, self.clock.monotonic())
        if lead.leading and self.epoch != lead.epoch:
            log.info("leading%s, epoch %d", self._where, lead.epoch)
        elif not lead.leading and self.epoch is not None:
            log.warning(
                "no longer leading%s: %s leads with epoch %d; standing by", self._where, lead.holder, lead.epoch
            )
        self.epoch = lead.epoch if lead.leading else None
        return lead

    def forget(self) -> None:
        """The store is out of reach: whatever we held may be somebody else's by now."""
        self.epoch = None

    def release(self) -> None:
        """Give the lead up, so that another beat takes it within a second."""
        if self.epoch is not None:
            self.ledger.lead(self.holder, self.ttl_ms, release=True, shard=self.shard)
            self.epoch = None

    @property
    def steady(self) -> bool:
        """Whether the store's clock can be trusted to fire by."""
        return self._held_since is None

    def _watch(self, now_ms: int, before: float, after: float) -> None:
        """Compare the store's time, which it told between two moments of our own, with what it told last."""
        if self._asked is not None:
            at_least = (now_ms - self._asked[0]) - (after - self._asked[1]) * 1000
            if at_least > JUMP_MS:
                log.error(
                    "the store's clock jumped ahead by %.0f s; nothing is fired until it is steady", at_least / 1000
                )
                self._held_since = after
        self._asked = (now_ms, before)
        if self._held_since is not None and after - self._held_since >= STEADY_SECONDS:
            log.warning("the store's clock has been steady for %.0f s; firing again", STEADY_SECONDS)
            self._held_since = None
