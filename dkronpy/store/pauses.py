"""The pauses in the store: one hash, that beat reads together with what is due."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dkronpy.errors import ConflictError
from dkronpy.pause import Pause
from dkronpy.store.connection import Store
from dkronpy.store.redbeat import ms_of

MOST = 1000
DROPPED = 100
"""So many that have ended make room at once, the oldest of them, where there are MOST."""
KEPT_MS = 7 * 24 * 3600 * 1000
"""How long a pause that has ended stays known: due times of its time may still wait for beat."""
_decoder = msgspec.json.Decoder(Pause)


class Pauses:
    """Pauses in and out of the store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def all(self) -> list[Pause]:
        """Every pause that is known, also those that have ended."""
        return read_pauses(self.store.client.hgetall(self.store.keys.pauses))

    def put(self, pause: Pause, *, run: str = "", times: int = 0) -> None:
        """Write a pause, new or changed. *run* and *times* say of one that dkronpy made by itself what led to it.

        Where there are too many, those that ended first and that no due time falls into any more make room. Raises
        ConflictError where there is none of these.
        """
        what = ["id", pause.id, "state", "resumed" if pause.resumed_by else "paused", "by", pause.by]
        if pause.job:
            what += ["job", pause.job]
        if pause.tag:
            what += ["tag", pause.tag]
        if times:
            what += ["run", run, "times", str(times)]
        given = pause.id, msgspec.json.encode(pause), MOST, pause.counts_anew_ms, *what
        while not self.store.scripts.call("pause", *given):
            if self._make_room():
                continue
            raise ConflictError(f"there are {MOST} pauses already", hint="`dkronpy pauses` lists them")

    def _make_room(self) -> int:
        """Drop some that have ended; how many. Those stay into which a due time falls that beat has yet to come to."""
        needed_ms = self._owed_since_ms()
        over = sorted((one for one in self.all() if one.over(needed_ms)), key=lambda one: (one.until_ms, one.id))
        names = [one.id for one in over[:DROPPED]]
        return int(self.store.client.hdel(self.store.keys.pauses, *names)) if names else 0

    def _owed_since_ms(self) -> int:
        """The first due time that is owed and not dispatched; now, where there is none."""
        shards = max(self.store.read_shards(), self.store.former_shards())
        with self.store.client.pipeline(transaction=False) as pipe:
            for shard in range(shards):
                pipe.zrange(self.store.keys.schedule_of(shard), 0, 0, withscores=True)
            heads = pipe.execute()
        return min([self.store.now_ms(), *(ms_of(score) for head in heads for _, score in head)])

    def forget(self, now_ms: int) -> int:
        """Drop those that ended long ago; how many."""
        old = [one.id for one in self.all() if one.over(now_ms - KEPT_MS)]
        return int(self.store.client.hdel(self.store.keys.pauses, *old)) if old else 0


def read_pauses(rows: Mapping[bytes, bytes]) -> list[Pause]:
    """The pauses of the hash; one that cannot be read pauses nothing."""
    found = []
    for row in rows.values():
        try:
            found.append(_decoder.decode(row))
        except msgspec.DecodeError:
            continue
    return sorted(found, key=lambda pause: (pause.from_ms, pause.id))
