"""Which of the matching nodes a run takes, where more match than are wanted."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

from dkronpy.node import Node, Strategy

REMEMBERED = 20_000
"""Of so many jobs that take turns it is known where they are; one that was forgotten begins anywhere."""


class Chooser:
    """Chooses nodes. It remembers whose turn it is, and what it gave to each node since that last reported."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._turns: OrderedDict[str, int] = OrderedDict()
        self._given: dict[str, tuple[int, int]] = {}

    def choose(self, job: str, strategy: Strategy, nodes: Sequence[Node], count: int) -> list[str]:
        """The names of *count* of the *nodes*, of which there are more."""
        names = [node.name for node in nodes]
        if count <= 0:
            return []
        if strategy == "sticky":
            return sticky(job, names)[:count]
        if strategy == "spread":
            return self._in_turn(job, names, count)
        if strategy == "least_busy":
            return self._least_busy(nodes, count)
        return [self.rng.choice(names)] if count == 1 else sorted(self.rng.sample(names, count))

    def _in_turn(self, job: str, names: Sequence[str], count: int) -> list[str]:
        start = self._turns.pop(job, None)
        if start is None:
            start = self.rng.randrange(len(names))
        self._turns[job] = (start + count) % len(names)
        if len(self._turns) > REMEMBERED:
            self._turns.popitem(last=False)
        return [names[(start + step) % len(names)] for step in range(count)]

    def _least_busy(self, nodes: Sequence[Node], count: int) -> list[str]:
        chosen = sorted(nodes, key=lambda node: (self._share(node), node.load, self.rng.random()))[:count]
        for node in chosen:
            self._given[node.name] = (node.seen_ms, self._since_report(node) + 1)
        return [node.name for node in chosen]

    def _share(self, node: Node) -> float:
        """How full a node is, with what it was given since it said so."""
        return (node.running + self._since_report(node)) / max(1, node.capacity)

    def _since_report(self, node: Node) -> int:
        seen_ms, given = self._given.get(node.name, (0, 0))
        return given if seen_ms == node.seen_ms else 0


def sticky(job: str, names: Sequence[str]) -> list[str]:
    """The *names* in the order in which *job* prefers them: the highest hash of both first (rendezvous hashing).

    A node that goes takes only its own jobs along, and gets them back when it returns.
    """
    return sorted(names, key=lambda name: blake2b(f"{job}\0{name}".encode(), digest_size=8).digest(), reverse=True)
