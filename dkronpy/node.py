"""A node is a machine with a name and tags that owns a queue; a target says which nodes a job wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from dkronpy.node_expression import satisfies

QUEUE_PREFIX = "dkronpy.node."
Strategy = Literal["random", "least_busy", "sticky", "spread"]
BELOW = "\x06\x169"
"""What kombu puts behind a queue's key for the messages that are taken last."""
CLOCK_MAY_DIFFER_MS = 1000
"""A node whose clock differs from the store's by more is told of."""


def queue_name(node: str) -> str:
    """The Celery queue of a node."""
    return QUEUE_PREFIX + node


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node as its agent reports it. Times are milliseconds since the epoch.

    ``load`` is the load average of the last minute for each CPU, ``memory`` the share of memory in use (0 to 1).
    """

    name: str
    address: str = ""
    tags: dict[str, str] = {}
    version: str = ""
    python: str = ""
    pid: int = 0
    capacity: int = 0
    running: int = 0
    load: float = 0.0
    memory: float = 0.0
    executors: tuple[str, ...] = ()
    instance: str = ""
    started_ms: int = 0
    clock_ms: int = 0
    """What its own clock said when it reported; 0 if it did not say."""
    seen_ms: int = 0
    alive: bool = True
    leases_renewed: int = 0
    leases_missed: int = 0
    """How often its agent renewed its leases since it started, and how often it could not."""
    connections: dict[str, int] = {}
    """How many connections each executor keeps between attempts."""
    drained: bool = False
    """Whether somebody has told it to take nothing new; what it has, it finishes."""

    @property
    def open(self) -> bool:
        """Whether it takes new executions."""
        return self.alive and not self.drained

    @property
    def free(self) -> int:
        """How many more executions it has room for."""
        return max(0, self.capacity - self.running)

    @property
    def clock_offset_ms(self) -> int | None:
        """How far its clock is ahead of the store's, to within the way that a report takes; None if it is not known."""
        return self.clock_ms - self.seen_ms if self.clock_ms and self.seen_ms else None

    @property
    def clock_fault(self) -> str:
        """How its clock differs from the store's by more than it may: ``12.4 s ahead``; '' where it does not."""
        offset = self.clock_offset_ms or 0
        if not self.alive or abs(offset) <= CLOCK_MAY_DIFFER_MS:
            return ""
        return f"{abs(offset) / 1000:.1f} s {'ahead' if offset > 0 else 'behind'}"

    def fact(self, name: str) -> Any:
        """What it reports under a name of ``node_expression.FACTS``."""
        return getattr(self, name)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Which nodes run a job.

    ``tags`` has Dkron's form: every tag must be equal on the node, and a value may end in ``:n``, which
    limits the run to n nodes (the smallest n counts). ``count`` limits it likewise; None means every
    node that matches. ``nodes`` names nodes outright, ``exclude`` those that it never runs on, and ``where`` asks for
    more than equality: ``"role == 'web' and load < 0.7"``.

    ``strategy`` says which of more nodes than are wanted: ``random`` draws anew for each run, ``least_busy`` takes
    those with the most room, ``sticky`` the same ones as long as they live, ``spread`` takes turns.

    For every matching node: ``rolling`` is how many of them run at a time, the next ones only after a success;
    ``make_up`` keeps the run of a node that is down for the moment when it returns.
    """

    tags: dict[str, str] = {}
    count: int | None = None
    nodes: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    where: str = ""
    strategy: Strategy = "random"
    rolling: int | None = None
    make_up: bool = False

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

    def matching(self, nodes: Iterable[Node], *, down: bool = False) -> list[Node]:
        """The live nodes that qualify and take new executions, by name; with *down* the others as well."""
        plain, _ = self.wanted()
        found = [
            node
            for node in nodes
            if (node.open or down)
            and (not self.nodes or node.name in self.nodes)
            and node.name not in self.exclude
            and all(node.tags.get(tag) == value for tag, value in plain.items())
            and (not self.where or satisfies(node, self.where))
        ]
        return sorted(found, key=lambda node: node.name)

    @property
    def every(self) -> bool:
        """Whether it means every matching node, however many there are."""
        return self.wanted()[1] is None

    def words(self) -> str:
        """What it asks of a node, as people say it; empty where any will do."""
        plain, _ = self.wanted()
        parts = [f"{tag}={value}" for tag, value in sorted(plain.items())]
        parts += ["one of " + ", ".join(self.nodes)] if self.nodes else []
        parts += ["not " + ", ".join(self.exclude)] if self.exclude else []
        return " and ".join([*parts, self.where] if self.where else parts)


def any_node(
    count: int = 1,
    *,
    nodes: Iterable[str] = (),
    exclude: Iterable[str] = (),
    where: str = "",
    strategy: Strategy = "random",
    **tags: str,
) -> Target:
    """*count* nodes out of those with these tags, drawn anew for each run unless *strategy* says otherwise."""
    return Target(
        tags=tags, count=count, nodes=_names(nodes), exclude=_names(exclude), where=where, strategy=strategy
    )  # fmt: skip


def all_nodes(
    *,
    exclude: Iterable[str] = (),
    where: str = "",
    rolling: int | None = None,
    make_up: bool = False,
    **tags: str,
) -> Target:
    """Every node with these tags: a broadcast. *rolling* runs it on so many at a time and stops at a failure; with
    *make_up* a node that is down has its run when it returns.
    """
    return Target(tags=tags, exclude=_names(exclude), where=where, rolling=rolling, make_up=make_up)


def on_node(*names: str) -> Target:
    """The nodes with these names."""
    return Target(nodes=names)


def _names(given: Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
