"""The nodes as their agents report them, and which of them are alive by the store's clock."""

from __future__ import annotations

import msgspec

from dkronpy.node import BELOW, Node
from dkronpy.store.connection import Store

ALIVE_MS = 10_000
"""A node that was not heard of for so long counts as down: five heartbeats."""
FORGET_MS = 7 * 24 * 3600 * 1000
EVENTS_KEPT = 10_000


class Nodes:
    """The register of nodes."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def report(self, node: Node, *, take_over: bool = False) -> tuple[bool, str]:
        """One heartbeat. Returns whether the name is ours, and which instance holds it otherwise."""
        fields = msgspec.json.encode(node)
        accepted, _, holder, _ = self.store.scripts.call(
            "register", node.name, node.instance, FORGET_MS, ALIVE_MS, "1" if take_over else "0", "report", fields
        )
        return bool(accepted), holder.decode()

    def leave(self, name: str, instance: str) -> None:
        """An agent that stops says so; its node shows as down at once, unless another has taken the name."""
        key = self.store.keys.node(name)
        if self.store.client.hget(key, "instance") != instance.encode():
            return
        with self.store.client.pipeline() as pipe:
            pipe.hset(key, "seen_ms", 0)
            pipe.pexpire(key, FORGET_MS)  # it may have been forgotten meanwhile
            pipe.execute()

    def all(self) -> list[Node]:
        """Every node that is known, by name, with ``alive``, ``seen_ms`` (by the store's clock) and ``drained``."""
        keys = self.store.keys
        names = sorted(name.decode() for name in self.store.client.zrange(keys.nodes, 0, -1))
        with self.store.client.pipeline(transaction=False) as pipe:
            pipe.time()
            for name in names:
                pipe.hmget(keys.node(name), "report", "seen_ms", "drained")
            (seconds, micros), *rows = pipe.execute()
        now = seconds * 1000 + micros // 1000
        found = []
        for report, seen, drained in rows:
            if report:
                node = msgspec.json.decode(report, type=Node)
                seen_ms, alive = int(seen), now - int(seen) < ALIVE_MS
                found.append(msgspec.structs.replace(node, seen_ms=seen_ms, alive=alive, drained=bool(drained)))
        return found

    def drain(self, name: str, by: str) -> bool:
        """Let a node take nothing new, until ``undrain``; a restart of its agent changes nothing. False: unknown."""
        return self._mark(name, "drained", by=by)

    def undrain(self, name: str) -> bool:
        """Let a node take executions again, and tell beat. False: unknown."""
        return self._mark(name, "up", by="")

    def _mark(self, name: str, state: str, *, by: str) -> bool:
        keys, key = self.store.keys, self.store.keys.node(name)
        if self.store.client.zscore(keys.nodes, name) is None:
            return False
        with self.store.client.pipeline() as pipe:
            pipe.hset(key, "drained", by or "somebody") if state == "drained" else pipe.hdel(key, "drained")
            pipe.pexpire(key, FORGET_MS)  # it may have been forgotten meanwhile
            event = {"event": "node", "node": name, "state": state}
            pipe.xadd(keys.events, event, maxlen=EVENTS_KEPT, approximate=True)
            pipe.publish(keys.wake, "node")
            pipe.execute()
        return True

    def forget(self, name: str) -> bool:
        """Drop a node that is gone for good, with what waits in its queue."""
        keys = self.store.keys
        with self.store.client.pipeline() as pipe:
            pipe.zrem(keys.nodes, name)
            pipe.delete(keys.node(name), keys.queue(name), keys.queue(name) + BELOW)
            removed, _ = pipe.execute()
        return bool(removed)
