"""The nodes as their agents report them, and which of them are alive by the store's clock."""

from __future__ import annotations

import msgspec

from dkronpy.node import Node
from dkronpy.store.connection import Store

ALIVE_MS = 10_000
"""A node that was not heard of for so long counts as down: five heartbeats."""
FORGET_MS = 7 * 24 * 3600 * 1000


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
        """Every node that is known, by name, with ``alive`` and ``seen_ms`` by the store's clock."""
        keys = self.store.keys
        names = sorted(name.decode() for name in self.store.client.zrange(keys.nodes, 0, -1))
        with self.store.client.pipeline(transaction=False) as pipe:
            pipe.time()
            for name in names:
                pipe.hmget(keys.node(name), "report", "seen_ms")
            (seconds, micros), *rows = pipe.execute()
        now = seconds * 1000 + micros // 1000
        found = []
        for report, seen in rows:
            if report:
                node = msgspec.json.decode(report, type=Node)
                seen_ms = int(seen)
                found.append(msgspec.structs.replace(node, seen_ms=seen_ms, alive=now - seen_ms < ALIVE_MS))
        return found

    def forget(self, name: str) -> bool:
        """Drop a node that is gone for good, with what waits in its queue."""
        keys = self.store.keys
        with self.store.client.pipeline() as pipe:
            pipe.zrem(keys.nodes, name)
            pipe.delete(keys.node(name), keys.queue(name))
            removed, _ = pipe.execute()
        return bool(removed)
