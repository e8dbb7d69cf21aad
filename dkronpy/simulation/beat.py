"""The beat of a simulation: the production code that decides, commits and sweeps, on the virtual store."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from dkronpy.dispatch.targets import Planner
from dkronpy.execution import Run
from dkronpy.node import Node
from dkronpy.results.keep import Keep
from dkronpy.scheduler.chains import Chains
from dkronpy.scheduler.due import DueReader
from dkronpy.scheduler.farewell import Farewell
from dkronpy.scheduler.pacing import Pace, Pacer
from dkronpy.scheduler.sweep import Sweep
from dkronpy.simulation.agents import RECORD_TTL_MS, Courier
from dkronpy.simulation.virtual_store import VirtualStore
from dkronpy.store.ended import read_ended
from dkronpy.store.jobs import Jobs
from dkronpy.store.ledger import Ledger
from dkronpy.store.quarantine import Quarantine

NAME = "simulation"
LEADER_TTL_MS = 3_600_000
BATCH = 500
SEEN_OFF = 5_000

Filed = Callable[[Run], None]


class Ended:
    """As much of a results backend as chains ask for: the runs that something may follow."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}

    def run(self, run_id: str) -> Run | None:
        return self.runs.get(run_id)


class Registrar(Farewell):
    """Sees ended runs off into the simulation's own list. What follows a run or deletes its job is production code."""

    def __init__(self, store: VirtualStore, ledger: Ledger, jobs: Jobs, planner: Planner, filed: Filed) -> None:
        results: Any = Ended()
        self.known: dict[str, Run] = results.runs
        chains = Chains(store, ledger, jobs, results, planner)
        super().__init__(store, ledger, jobs, results, chains, keep_of=lambda _: Keep())
        self.filed = filed
        self.followed: frozenset[str] = frozenset()

    def run(self, now_ms: int, nodes: Sequence[Node], epoch: int | None = None) -> bool:
        keys, client = self.store.keys, self.store.client
        ids = [raw.decode() for raw in client.zrange(keys.done, "-inf", now_ms, byscore=True, offset=0, num=SEEN_OFF)]
        if not ids:
            return False
        ended = {one.id: one for one in read_ended(self.store, now_ms, SEEN_OFF)} if self.followed else {}
        for run in self.ledger.runs(ids):
            if run.job in self.followed:
                self.known[run.id] = run
                self._settle(ended[run.id], run, now_ms, nodes, epoch)
            self.filed(run)
        client.zrem(keys.done, *ids)
        return len(ids) == SEEN_OFF

    def forget(self, now_ms: int) -> None:
        return None


class Beat:
    """One beat that may be down for a while."""

    def __init__(self, store: VirtualStore, jobs: Jobs, pace: Pace, seed: int, filed: Filed) -> None:
        ledger, courier, rng = Ledger(store, record_ttl_ms=RECORD_TTL_MS), Courier(), random.Random(seed)  # noqa: S311 - chance, no secret
        planner = Planner(courier, rng, fired_by=NAME)
        self.store = store
        self.ledger = ledger
        self.epoch: int | None = None
        self.registrar = Registrar(store, ledger, jobs, planner, filed)
        self._reader = DueReader(store, ledger, courier, planner, Quarantine(store), batch=BATCH, pacer=Pacer(pace))
        self._sweep = Sweep(store, ledger, courier, self.registrar, rng)

    def start(self) -> None:
        """Take the lead."""
        self.epoch = self.ledger.lead(NAME, LEADER_TTL_MS).epoch

    def stop(self) -> None:
        """Go down, and lose it."""
        self.ledger.lead(NAME, LEADER_TTL_MS, release=True)
        self.epoch = None

    def tick(self, now_ms: int, nodes: Sequence[Node], *, sweep: bool) -> None:
        """Fire everything that is due, and sweep; nothing while it is down."""
        if self.epoch is None:
            return
        while self._reader.fire(self.epoch, now_ms, nodes).again:
            pass
        more = sweep
        while more:
            more = self._sweep.run(self.epoch, nodes)
