"""Short ways to write down jobs and runs for the tests of the ledger's steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dkronpy.execution import execution_id, run_id
from dkronpy.job import Job, Run
from dkronpy.store.connection import Store
from dkronpy.store.jobs import Jobs, StoredJob
from dkronpy.store.ledger import Claim, ExecutionPlan, Firing, Ledger, RunPlan
from dkronpy.store.redbeat import score_of

SECOND = 1000
LEASE = 60 * SECOND
QUEUE = "dkronpy.node.web1"


def backup(**fields: Any) -> Job:
    """A job that is due every hour."""
    given: dict[str, Any] = {"name": "backup", "run": Run("shell", {"command": "true"}), "schedule": "@every 1h"}
    return Job(**{**given, **fields})


def scheduled_run(store: Store, due_ms: int, *nodes: str, job: str = "backup", **execution: Any) -> RunPlan:
    """A run with an execution on each of the nodes, each with a message for its queue."""
    now = store.now_ms()
    planned: dict[str, Any] = {"start_by_ms": now + LEASE, "look_ms": now + 5 * SECOND, "message": b"bell", **execution}
    name = run_id(job, due_ms)
    executions = tuple(
        ExecutionPlan(id=execution_id(name, index), node=node, queue=f"dkronpy.node.{node}", **planned)
        for index, node in enumerate(nodes)
    )
    return RunPlan(id=name, due_ms=due_ms, executions=executions, fired_by="test")


def skipped_run(due_ms: int, reason: str, *, job: str = "backup", **fields: Any) -> RunPlan:
    """A run that does not take place."""
    return RunPlan(id=run_id(job, due_ms), due_ms=due_ms, decision="skip", reason=reason, **fields)


@dataclass
class Desk:
    """A store with its services, and the leader's epoch."""

    store: Store
    ledger: Ledger = field(init=False)
    jobs: Jobs = field(init=False)
    epoch: int = 0

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.store)
        self.jobs = Jobs(self.store)

    @classmethod
    def on(cls, url: str) -> Desk:
        """The services on a store by its URL."""
        return cls(Store(url))

    def lead(self, holder: str = "beat-a") -> int:
        """Take the lead."""
        lead = self.ledger.lead(holder, 10 * SECOND)
        assert lead.leading
        self.epoch = lead.epoch
        return self.epoch

    def owed(self, **fields: Any) -> StoredJob:
        """Save a job, and make its next due time one that has just passed."""
        self.jobs.save(backup(**fields))
        due = self.store.now_ms() - 500
        self.store.client.zadd(self.store.keys.schedule, {self.store.keys.entry("backup"): score_of(due)})
        return self.jobs.get("backup")

    def fire(self, *runs: RunPlan, epoch: int | None = None, **fields: Any) -> int:
        """Fire runs of the stored job as a run by hand does, unless told otherwise; the code."""
        given: dict[str, Any] = {"job": "backup", "runs": runs, **fields}
        given.setdefault("revision", self.jobs.get("backup").revision)
        _, (code,) = self.ledger.fire([Firing(**given)], epoch=epoch)
        return code

    def queued(self, *nodes: str, due_ms: int = 60 * SECOND, **execution: Any) -> list[str]:
        """Fire a run of the stored job on the nodes; the ids of its executions."""
        if not self.jobs.many(["backup"]):
            self.jobs.save(backup())
        run = scheduled_run(self.store, due_ms, *(nodes or ("web1",)), **execution)
        assert self.fire(run) == 1
        return [one.id for one in run.executions]

    def claimed(self, *, lease_ms: int = LEASE, **execution: Any) -> Claim:
        """Fire a run on one node, and claim its execution."""
        (name,) = self.queued(**execution)
        return self.claim(name, lease_ms=lease_ms)

    def claim(self, name: str, *, node: str = "web1", delivery: int = 1, lease_ms: int = LEASE) -> Claim:
        """Claim; it has to be granted."""
        claim = self.ledger.claim(name, delivery, node, "web1:42", lease_ms)
        assert isinstance(claim, Claim), claim
        return claim

    def state(self, name: str) -> tuple[str, str]:
        """State and reason of an execution."""
        found = self.ledger.execution(name)
        assert found is not None, f"{name} is not there"
        return found.state, found.reason

    def counters(self) -> dict[str, int]:
        """The counters of the job, without those at 0."""
        row = self.store.client.hgetall(self.store.keys.job_state("backup"))
        found = {name.decode(): int(value) for name, value in row.items() if name.endswith(b"_count")}
        return {name.removesuffix("_count"): count for name, count in found.items() if count}

    def look_now(self, *names: str) -> None:
        """Let the moment of open executions come at which the leader looks at them."""
        self.store.client.zadd(self.store.keys.open, dict.fromkeys(names, 0), xx=True)

    def reap(self, *, window_ms: int = LEASE) -> tuple[list[str], int]:
        """Reap as the leader; what has to be sent, and how many were closed."""
        _, due, closed = self.ledger.reap(self.epoch, most=100, pause_ms=5 * SECOND, window_ms=window_ms)
        return [item.id for item in due], closed

    def settle(self) -> None:
        """End everything that is open, so that nothing without an expiry is left."""
        for raw in self.store.client.zrange(self.store.keys.open, 0, -1):
            name = raw.decode()
            if self.ledger.cancel([name], "the test")[0] == "told":
                found = self.ledger.execution(name)
                assert found is not None
                self.ledger.finish(name, found.attempts[-1].token, success=False, reason="cancelled")
