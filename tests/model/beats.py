"""The beats of the model: production code, with a ledger that holds a commit back until what it rests on is stale."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from dkronpy.dispatch.targets import Planner
from dkronpy.node import Node
from dkronpy.scheduler.due import DueReader
from dkronpy.scheduler.farewell import Farewell
from dkronpy.scheduler.sweep import Sweep
from dkronpy.store.commits import Answer, Commits
from dkronpy.store.connection import Store
from dkronpy.store.ledger import Firing, Ledger
from dkronpy.store.quarantine import Quarantine

LEADER_TTL_MS = 600_000
"""The expiry of the leadership counts in the server's time: long, so that only the model ends it."""
BEATS_TTL_MS = LEADER_TTL_MS
BATCH = 100
MOST_SHARDS = 3
AHEAD_MS = 60_000
"""How far a beat makes ready: long, so that a lot happens between that and the due time."""
Epochs = dict[int, int]
"""The epochs under which somebody leads, by shard."""


class RecordingCourier:
    """Encloses a message that the model can read; the commit pushes it to the node's queue."""

    def enclose(self, execution_id: str, delivery: int, job: str, node: str) -> tuple[str, bytes]:
        return f"dkronpy.node.{node}", f"{execution_id} {delivery} {node}".encode()

    def deliver(self, sends: Iterable[tuple[str, int, str, str]]) -> None:
        return None


HeldFire = tuple[Sequence[Firing], int, int]
"""A commit that is on its way: what it writes, under which epoch, in which shard."""


class _Held(Commits):
    """Commits that are held back: each is told that its due times are others by now, and so none is read again."""

    def __init__(self, fires: list[HeldFire], epoch: int, shard: int) -> None:
        self._fires, self._epoch, self._shard = fires, epoch, shard
        self._answers: list[Answer] = []

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def full(self) -> bool:
        return False

    def send(self, firings: Sequence[Firing]) -> None:
        self._fires.append((firings, self._epoch, self._shard))
        self._answers.append(Answer(firings, [0] * len(firings), 0))

    def receive(self) -> Answer | None:
        return self._answers.pop(0) if self._answers else None


class HoldingLedger(Ledger):
    """Holds ``fire`` and ``resend`` back while asked to, as a beat does that is paused before its commit arrives."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.holding = False
        self.fires: list[HeldFire] = []
        self.resends: list[list[tuple[str, int, str, str, bytes, int]]] = []
        self.widenings: list[tuple[str, int, Sequence[str]]] = []

    def commits(self, *, epoch: int, shard: int = 0) -> Commits:
        return _Held(self.fires, epoch, shard) if self.holding else super().commits(epoch=epoch, shard=shard)

    def resend(self, sends: Iterable[tuple[str, int, str, str, bytes, int]]) -> list[int]:
        if not self.holding:
            return super().resend(sends)
        self.resends.append(list(sends))
        return [0] * len(self.resends[-1])

    def widen(self, execution_id: str, delivery: int, nodes: Sequence[str], *, rolling: int, held: str) -> bool:
        if not self.holding:
            return super().widen(execution_id, delivery, nodes, rolling=rolling, held=held)
        self.widenings.append((execution_id, delivery, nodes))
        return False

    def commit(self) -> None:
        """Let everything that was held back arrive, in order."""
        fires, self.fires = self.fires, []
        resends, self.resends = self.resends, []
        widenings, self.widenings = self.widenings, []
        for execution_id, delivery, nodes in widenings:
            super().widen(execution_id, delivery, nodes, rolling=0, held="")
        for firings, epoch, shard in fires:
            super().fire(firings, epoch=epoch, shard=shard)
        for sends in resends:
            super().resend(sends)


class _NoFarewell(Farewell):
    """Nobody sees ended runs off: the model wants to look at them."""

    def __init__(self) -> None:
        pass

    def run(self, now_ms: int, nodes: Sequence[Node], epoch: int | None = None) -> bool:
        return False

    def forget(self, now_ms: int) -> None:
        return None


class Beat:
    """One scheduler process. Each of its calls reads at once; what it writes may be held back."""

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self.ledger = HoldingLedger(store)
        courier, rng = RecordingCourier(), random.Random(name)
        planner = Planner(courier, rng, fired_by=name)
        self._reader = DueReader(
            store, self.ledger, courier, planner, Quarantine(store), batch=BATCH, ahead_ms=AHEAD_MS
        )  # fmt: skip
        self._sweep = Sweep(store, self.ledger, courier, _NoFarewell(), rng)

    def attend(self) -> list[str]:
        """Say that it is there; who is."""
        return self.ledger.attend(self.name, BEATS_TTL_MS)[1]

    def tick(self, nodes: Sequence[Node], *, hold: bool = False) -> Epochs:
        """Ask for the lead of each shard, fire what is due there and make ready for what is next; its epochs."""
        epochs: Epochs = {}
        self.ledger.holding = hold
        try:
            for shard in range(self.ledger.store.read_shards()):
                lead = self.ledger.lead(self.name, LEADER_TTL_MS, shard=shard)
                if lead.leading:
                    epochs[shard] = lead.epoch
                    self._reader.fire(lead.epoch, lead.now_ms, nodes, shard)
                    self._reader.prepare(lead.now_ms, nodes, lambda: True, shard)
        finally:
            self.ledger.holding = False
        return epochs

    def sweep(self, nodes: Sequence[Node], *, hold: bool = False) -> Epochs:
        """Ask for the lead, reap, and send again; the epoch, where it has it."""
        lead = self.ledger.lead(self.name, LEADER_TTL_MS)
        if not lead.leading:
            return {}
        self.ledger.holding = hold
        try:
            self._sweep.run(lead.epoch, nodes)
        finally:
            self.ledger.holding = False
        return {0: lead.epoch}

    def commit(self) -> None:
        """What was held back arrives now."""
        self.ledger.commit()

    @property
    def held(self) -> bool:
        """Whether anything is held back."""
        return bool(self.ledger.fires or self.ledger.resends or self.ledger.widenings)

    def release(self) -> None:
        """Give every lead up."""
        for shard in range(MOST_SHARDS):
            self.ledger.lead(self.name, LEADER_TTL_MS, release=True, shard=shard)
