"""A deployment without processes: a client, a leader that sees runs off, nodes that end what a test tells them to."""

from __future__ import annotations

import random
from types import TracebackType
from typing import Any

from dkronpy.client import Client
from dkronpy.dispatch.courier import NoCourier
from dkronpy.dispatch.targets import Planner
from dkronpy.job import Job, Run
from dkronpy.node import Node
from dkronpy.results.keep import Keep
from dkronpy.scheduler.chains import Chains
from dkronpy.scheduler.farewell import Farewell
from dkronpy.scheduler.sweep import Sweep
from dkronpy.settings import Settings
from dkronpy.store.ledger import Claim

LEASE_MS = 60_000


class Site:
    """Everything is done by calls; what is open at the end is cancelled."""

    def __init__(self, url: str, *, results_url: str = "") -> None:
        self.client = Client(Settings(store_url=url, results_url=results_url), who="test")
        self.deployment = self.client.deployment
        planner = Planner(NoCourier(), random.Random(1), fired_by="test")
        parts = (self.deployment.store, self.deployment.ledger, self.deployment.jobs, self.deployment.results)
        self.farewell = Farewell(*parts, Chains(*parts, planner), keep_of=lambda _: Keep())
        self.epoch = self.deployment.ledger.lead("test", LEASE_MS).epoch
        self.nodes: list[Node] = []
        self.node("n1")

    def __enter__(self) -> Site:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        store = self.deployment.store
        waiting = [name.decode() for name in store.client.zrange(store.keys.open, 0, -1)]
        self.deployment.ledger.cancel(waiting, "the end of the test")
        self.client.close()

    def node(self, name: str, **fields: Any) -> None:
        """A node that reports once."""
        self.nodes.append(Node(name=name, instance=name, **fields))
        self.deployment.nodes.report(self.nodes[-1])

    def save(self, name: str, **fields: Any) -> None:
        """Store a job that runs when told to, or after others."""
        schedule = {} if "after" in fields else {"schedule": "@manually"}
        self.save_json(Job(name=name, run=Run("shell", {"command": "true"}), **{**schedule, **fields}))

    def save_json(self, job: Job) -> None:
        """Store a job as it is."""
        self.client.save_job(job)

    def claim(self, run_id: str, *, index: int = 0, delivery: int = 1) -> Claim:
        """The node of a run's execution takes it up."""
        name = f"{run_id}.{index}"
        execution = self.deployment.ledger.execution(name)
        assert execution is not None, f"{name} is not there"
        claim = self.deployment.ledger.claim(name, delivery, execution.node, execution.node, LEASE_MS)
        assert isinstance(claim, Claim), claim
        return claim

    def end(
        self,
        run_id: str,
        *,
        success: bool = True,
        result: str = "",
        index: int = 0,
        delivery: int = 1,
        pause_ms: int | None = None,
    ) -> None:
        """The node of a run's execution runs it, and reports; with a pause it may be tried again."""
        claim = self.claim(run_id, index=index, delivery=delivery)
        self.deployment.ledger.finish(
            claim.execution.id, claim.token, success=success, reason="" if success else "exit", result=result,
            pause_ms=pause_ms,
        )  # fmt: skip
        self.see_off()

    def retry_now(self, run_id: str) -> None:
        """The pause is over: the leader sends the next attempt."""
        self.reap(run_id)
        execution = self.deployment.ledger.execution(f"{run_id}.0")
        assert execution is not None
        send = (execution.id, execution.delivery, execution.node, "", b"", 5000)
        assert self.deployment.ledger.resend([send]) == [1]

    def lose(self, run_id: str) -> None:
        """The node takes a run up and is never heard of again."""
        self.claim(run_id)
        self.reap(run_id)
        self.see_off()

    def reap(self, run_id: str) -> None:
        """The leader looks at its execution now, whose lease may be long over."""
        store = self.deployment.store
        store.client.zadd(store.keys.open, {f"{run_id}.0": 0}, xx=True)
        self.deployment.ledger.reap(self.epoch, most=100, pause_ms=5000, window_ms=LEASE_MS)

    def sweep(self) -> None:
        """The leader looks at all that is open, at once, and sends what nobody has."""
        store = self.deployment.store
        store.client.zadd(store.keys.open, dict.fromkeys(store.client.zrange(store.keys.open, 0, -1), 0), xx=True)
        Sweep(store, self.deployment.ledger, NoCourier(), self.farewell, random.Random(1)).run(self.epoch, self.nodes)

    def see_off(self) -> None:
        """The leader looks at what has ended, until nothing more comes of it."""
        for _ in range(5):
            self.farewell.run(self.deployment.store.now_ms() + 60_000, self.nodes)

    def states(self, tail: str, *names: str) -> dict[str, str]:
        """What became of jobs in a chain; of those that have a run in it."""
        found = {name: self.deployment.ledger.run(f"{name}@{tail}") for name in names}
        return {name: f"{run.state} {run.reason}".strip() for name, run in found.items() if run is not None}
