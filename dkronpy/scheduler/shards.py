"""Shards: several sorted sets of due times, each with a leader and epochs of its own, shared by all beats alike.

The store says how many there are (``settings.shards``, written by whoever leads shard 0); a job belongs to the one that
its name hashes to. Every beat says at each tick that it is there. Those that are there, in the order of their names,
have an equal share of the shards each: who leads more gives up the rest, who leads fewer takes what is free. One that
dies is no longer there when its leads run out, and the others share what it had. Nothing depends on the shares being
right at every moment: a lead is taken for each shard by itself, under the rules of ``leader``.

While jobs are moved after a change of their number, whoever saves or deletes one moves it first, and whoever leads next
goes on where a dead leader stopped: the store says how many shards there were.

Shard 0 is RedBeat's own sorted set; the entries of the user's own tasks stay there, and its leader does the upkeep.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import msgspec

from dkronpy.clock import Clock
from dkronpy.scheduler.leader import Leadership
from dkronpy.store.keys import shard_of
from dkronpy.store.ledger import Lead, Ledger

log = logging.getLogger(__name__)

SHARED_TTL_MS = 3_000
"""With several shards a lead is short: the others go on within 5 s of a beat's death."""
MOVED_AT_ONCE = 1_000


class Led(msgspec.Struct, frozen=True, kw_only=True):
    """What this beat leads: shard → lead; ``wait_ms`` is when to ask again at the latest where that is nothing."""

    leads: dict[int, Lead]
    wait_ms: int = 0


def share(holder: str, beats: Sequence[str], shards: int) -> int:
    """How many of the shards a beat should lead."""
    there = sorted({holder, *beats})
    least, more = divmod(shards, len(there))
    return least + (1 if there.index(holder) < more else 0)


class Shards:
    """One beat's part of the shards."""

    def __init__(self, ledger: Ledger, clock: Clock, *, holder: str, ttl_ms: int, wanted: int) -> None:
        self.ledger = ledger
        self.clock = clock
        self.holder = holder
        self.ttl_ms = ttl_ms
        self.wanted = wanted
        self._leaderships: dict[int, Leadership] = {}
        self._settled_epoch: int | None = None

    @property
    def steady(self) -> bool:
        """Whether the store's clock can be trusted to fire by."""
        return all(leadership.steady for leadership in self._leaderships.values())

    def ask(self) -> Led:
        """Keep, take and give up leads as is our share now."""
        shards, beats = self.ledger.attend(self.holder, self._ttl_ms(self.ledger.store.shards))
        ttl_ms = self._ttl_ms(shards)  # a beat that has just come knows only now how many there are
        for shard in [shard for shard in self._leaderships if shard >= shards]:
            self._leaderships.pop(shard).release()
        mine = [shard for shard in range(shards) if self._at(shard).epoch is not None]
        most = 1 if shards == 1 else share(self.holder, beats, shards)  # the only lead goes to nobody while it is kept
        for shard in mine[most:]:
            log.info("giving up shard %d: %d beats share %d shards", shard, len(beats), shards)
            self._at(shard).release()
        leads: dict[int, Lead] = {}
        wait_ms = ttl_ms
        for shard in (*mine[:most], *(shard for shard in range(shards) if shard not in mine)):
            if len(leads) >= most:
                break
            leadership = self._at(shard)
            leadership.ttl_ms = ttl_ms
            lead = leadership.ask()
            if lead.leading:
                leads[shard] = lead
            else:
                wait_ms = min(wait_ms, lead.ttl_ms)
        self._settle(leads)
        return Led(leads=leads, wait_ms=wait_ms)

    def upkeep_epoch(self) -> int | None:
        """The epoch under which this beat does the upkeep, as far as it knows; None where it does not."""
        leadership = self._leaderships.get(0)
        return None if leadership is None else leadership.epoch

    def forget(self) -> None:
        """The store is out of reach: whatever we held may be somebody else's by now."""
        for leadership in self._leaderships.values():
            leadership.forget()

    def release(self) -> None:
        """Give everything up, so that other beats take it within a second."""
        for leadership in self._leaderships.values():
            leadership.release()
        self.ledger.leave(self.holder)

    def _ttl_ms(self, shards: int) -> int:
        return self.ttl_ms if shards == 1 else min(self.ttl_ms, SHARED_TTL_MS)

    def _at(self, shard: int) -> Leadership:
        if shard not in self._leaderships:
            self._leaderships[shard] = Leadership(
                self.ledger, self.clock, holder=self.holder, ttl_ms=self.ttl_ms, shard=shard
            )
        return self._leaderships[shard]

    def _settle(self, leads: dict[int, Lead]) -> None:
        """Who has taken shard 0 sees to it that there are as many shards as the settings want."""
        lead = leads.get(0)
        if lead is None or lead.epoch == self._settled_epoch:
            return
        before = self.ledger.store.shards
        if before != self.wanted:
            log.warning("there are %d shards of due times now, there were %d: moving jobs", self.wanted, before)
            self.ledger.store.set_shards(self.wanted)
        self._move_all()
        self._settled_epoch = lead.epoch

    def _move_all(self) -> None:
        """Bring the jobs to their shards; who led before may have died in the middle of it."""
        former = self.ledger.store.former_shards()
        for shard in range(former):
            for names in self._misplaced(shard):
                self.ledger.move(shard, names)
                self._leaderships[0].ask()  # a million jobs take their time
        if former:
            self.ledger.store.shards_settled()

    def _misplaced(self, shard: int) -> Iterator[list[str]]:
        store = self.ledger.store
        names: list[str] = []
        for entry, _ in store.client.zscan_iter(store.keys.schedule_of(shard), count=MOVED_AT_ONCE):
            name = store.keys.job_of(entry.decode())
            if shard_of(name, self.wanted) != shard:
                names.append(name)
            if len(names) >= MOVED_AT_ONCE:
                yield names
                names = []
        if names:
            yield names
