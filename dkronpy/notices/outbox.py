"""What the notifier keeps in the store: its position in the events, conditions, timers, and what is to be sent.

One process at a time holds the office of notifier: a key with an expiry that its holder renews. Everything that is
written while following events is written in one transaction that is only good while the office is ours, so that what
was read is told once: the position moves together with what it led to. A message is taken out of the outbox after it
was delivered; who dies in between delivers it a second time, under the same id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec
import redis

from dkronpy.job.notify import Happening
from dkronpy.notices.condition import Condition
from dkronpy.store.connection import Store

OFFICE_MS = 15_000
KEPT = 1000
"""The most notices that wait for one channel, and messages that are remembered; the oldest go."""
_happening = msgspec.json.Decoder(Happening)
_condition = msgspec.json.Decoder(Condition)


class LostError(Exception):
    """Another process holds the office."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was sent, or could not be: what ``dkronpy notify list`` shows. ``error`` is empty for success."""

    at_ms: int
    channel: str
    subject: str
    notices: int = 1
    tries: int = 1
    error: str = ""


class Post(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a channel stands: when it was last served, how often in a row that failed, and when to try again."""

    sent_ms: int = 0
    failures: int = 0
    retry_ms: int = 0
    error: str = ""
    dropped: int = 0


class Batch:
    """What following a few events led to; written as one."""

    def __init__(self) -> None:
        self.conditions: dict[str, Condition | None] = {}
        self.timers: dict[str, int | None] = {}
        self.told: dict[str, list[Happening]] = {}

    def tell(self, channel: str, happening: Happening) -> None:
        """Put a happening into a channel's outbox."""
        self.told.setdefault(channel, []).append(happening)

    def __bool__(self) -> bool:
        return bool(self.conditions or self.timers or self.told)


class Outbox:
    """The notifier's part of the store. redis-py's errors pass through."""

    def __init__(self, store: Store, *, holder: str) -> None:
        self.store = store
        self.holder = holder
        self._prefix = store.keys.notify

    def hold(self) -> bool:
        """Take or keep the office; False while another process has it."""
        client, key = self.store.client, self._key("office")
        if client.set(key, self.holder, nx=True, px=OFFICE_MS):
            return True
        if client.get(key) != self.holder.encode():
            return False
        return bool(client.pexpire(key, OFFICE_MS))

    def release(self) -> None:
        """Give the office up."""
        if self.store.client.get(self._key("office")) == self.holder.encode():
            self.store.client.delete(self._key("office"))

    @contextmanager
    def _ours(self) -> Iterator[redis.client.Pipeline]:
        """A transaction that is only carried out while the office is ours. Raises LostError."""
        with self.store.client.pipeline() as pipe:
            pipe.watch(self._key("office"))
            if pipe.get(self._key("office")) != self.holder.encode():
                raise LostError
            pipe.multi()
            yield pipe
            try:
                pipe.execute()
            except redis.WatchError:
                raise LostError from None

    def position(self) -> str | None:
        """How far the events were followed; None where nobody ever did."""
        found = self.store.client.get(self._key("position"))
        return None if found is None else found.decode()

    def commit(self, batch: Batch, position: str) -> None:
        """Write what a batch of events led to, and that they were followed. Raises LostError."""
        with self._ours() as pipe:
            pipe.set(self._key("position"), position)
            conditions, timers = self._key("conditions"), self._key("timers")
            for job, condition in batch.conditions.items():
                if condition is None or condition == Condition():
                    pipe.hdel(conditions, job)
                else:
                    pipe.hset(conditions, job, msgspec.json.encode(condition))
            for name, at_ms in batch.timers.items():
                if at_ms is None:
                    pipe.zrem(timers, name)
                else:
                    pipe.zadd(timers, {name: at_ms})
            for channel, happenings in batch.told.items():
                key = self._key("out:" + channel)
                pipe.rpush(key, *map(msgspec.json.encode, happenings))
                pipe.ltrim(key, -KEPT, -1)
                pipe.sadd(self._key("waiting"), channel)

    def conditions(self) -> dict[str, Condition]:
        """Every condition that is not the ordinary one, by job."""
        rows: Mapping[bytes, bytes] = self.store.client.hgetall(self._key("conditions"))
        return {name.decode(): _condition.decode(row) for name, row in rows.items()}

    def due_timers(self, now_ms: int, most: int) -> list[str]:
        """The names of timers that have run out."""
        rows = self.store.client.zrange(self._key("timers"), "-inf", now_ms, byscore=True, offset=0, num=most)
        return [row.decode() for row in rows]

    def waiting(self, channel: str, most: int = KEPT) -> list[Happening]:
        """What waits to be sent to a channel, the oldest first."""
        return [_happening.decode(row) for row in self.store.client.lrange(self._key("out:" + channel), 0, most - 1)]

    def channels(self) -> list[str]:
        """The names of the channels that something waits for."""
        return sorted(name.decode() for name in self.store.client.smembers(self._key("waiting")))

    def size(self, channel: str) -> int:
        """How many wait for a channel."""
        return int(self.store.client.llen(self._key("out:" + channel)))

    def post(self, channel: str) -> Post:
        """Where a channel stands."""
        row = self.store.client.hget(self._key("posts"), channel)
        return Post() if row is None else msgspec.json.decode(row, type=Post)

    def settle(
        self, channel: str, post: Post, delivery: Delivery | None, *, taken: int = 0, emptied: bool = False
    ) -> None:
        """Write how a channel's message went; *taken* notices leave its outbox. Raises LostError."""
        with self._ours() as pipe:
            if taken:
                pipe.ltrim(self._key("out:" + channel), taken, -1)
            if emptied:
                pipe.srem(self._key("waiting"), channel)
            pipe.hset(self._key("posts"), channel, msgspec.json.encode(post))
            if delivery is not None:
                pipe.lpush(self._key("sent"), msgspec.json.encode(delivery))
                pipe.ltrim(self._key("sent"), 0, KEPT - 1)

    def deliveries(self, limit: int) -> list[Delivery]:
        """The last messages, the newest first."""
        rows: Sequence[bytes] = self.store.client.lrange(self._key("sent"), 0, limit - 1)
        return [msgspec.json.decode(row, type=Delivery) for row in rows]

    def _key(self, name: str) -> str:
        return self._prefix + name
