"""A node is a machine with a name and tags that owns a queue; a target says which nodes a job wants."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import msgspec

QUEUE_PREFIX = "dkronpy.node."


def queue_name(node: str) -> str:
    """The Celery queue of a node."""
    return QUEUE_PREFIX + node


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node as its agent reports it. Times are milliseconds since the epoch."""

    name: str
    address: str = ""
    tags: dict[str, str] = {}
    version: str = ""
    python: str = ""
    pid: int = 0
    capacity: int = 0
    running: int = 0
    executors: tuple[str, ...] = ()
    instance: str = ""
    started_ms: int = 0
    seen_ms: int = 0
    alive: bool = True
    drained: bool = False
    """Whether somebody has told it to take nothing new; what it has, it finishes."""

    @property
    def open(self) -> bool:
        """Whether it takes new executions."""
        return self.alive and not self.drained


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Which nodes run a job.

    ``tags`` has Dkron's form: every tag must be equal on the node, and a value may end in ``:n``, which
    limits the run to n nodes (the smallest n counts). ``count`` limits it likewise; None means every
    node that matches. ``nodes`` names nodes outright.
    """

    tags: dict[str, str] = {}
    count: int | None = None
    nodes: tuple[str, ...] = ()

    def wanted(self) -> tuple[dict[str, str], int | None]:
        """The tags without their counts, and how many nodes are wanted (None: all)."""
        plain: dict[str, str] = {}
        counts = [] if self.count is None else [self.count]
        for tag, value in self.tags.items():
            parts = value.split(":")
            plain[tag] = parts[0] if len(parts) == 2 else value
            if len(parts) == 2:
                counts.append(int(parts[1]) if parts[1].isdecimal() else 0)
        return plain, min(counts) if counts else None

    def matching(self, nodes: Iterable[Node]) -> list[Node]:
        """The live nodes that qualify and take new executions, by name."""
        plain, _ = self.wanted()
        found = [
            node
            for node in nodes
            if node.open
            and (not self.nodes or node.name in self.nodes)
            and all(node.tags.get(tag) == value for tag, value in plain.items())
        ]
        return sorted(found, key=lambda node: node.name)

    def choose(self, nodes: Sequence[Node], rng: random.Random) -> list[Node]:
        """The nodes of one run: all that match, or a uniform draw of as many as are wanted."""
        found = self.matching(nodes)
        _, count = self.wanted()
        if count is None or len(found) <= count:
            return found
        return sorted(rng.sample(found, max(0, count)), key=lambda node: node.name)

    @property
    def every(self) -> bool:
        """Whether it means every matching node, however many there are."""
        return self.wanted()[1] is None


def any_node(count: int = 1, **tags: str) -> Target:
    """*count* nodes out of those with these tags, drawn anew for each run."""
    return Target(tags=tags, count=count)


def all_nodes(**tags: str) -> Target:
    """Every node with these tags: a broadcast."""
    return Target(tags=tags)


def on_node(*names: str) -> Target:
    """The nodes with these names."""
    return Target(nodes=names)
