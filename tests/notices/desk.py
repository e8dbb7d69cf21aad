"""Runs of jobs by the ledger's own steps, without beat and agents: fired, claimed, printed and finished by the test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dkronpy.deployment import Deployment
from dkronpy.execution import execution_id, run_id
from dkronpy.job import Job, Run
from dkronpy.notices.channel import Channels
from dkronpy.notices.follower import Follower
from dkronpy.notices.outbox import Outbox
from dkronpy.notices.sender import Courier, Sender
from dkronpy.secrets import SecretResolver
from dkronpy.settings import load_settings
from dkronpy.store.ledger import Claim, ExecutionPlan, Firing, RunPlan
from dkronpy.store.output import OutputWriter
from tests.support import wait_until

NODE = "web1"


class Desk:
    """A deployment with a notifier that the test moves on by hand."""

    def __init__(self, url: str, channels: Mapping[str, Any], holder: str = "a", **settings: Any) -> None:
        given = {"store_url": url, "channels": dict(channels), "notify_wait": "0", "notify_interval": "0", **settings}
        self.deployment = Deployment(load_settings(None, {}, given)[0])
        self.channels = Channels(self.deployment.settings)
        self.outbox = Outbox(self.deployment.store, holder=holder)
        self.follower = Follower(self.deployment, self.channels, self.outbox)
        courier = Courier(SecretResolver.of(self.deployment.settings))
        self.sender = Sender(self.deployment, self.channels, self.outbox, courier)
        self._runs = 0

    def begin(self) -> None:
        """Take the office."""
        assert self.outbox.hold()
        self.follower.begin()

    def close(self) -> None:
        """Close what was opened."""
        self.sender.close()
        self.deployment.close()

    def job(self, name: str = "backup", **fields: Any) -> str:
        """Save a job; its name."""
        job = Job(**{"name": name, "run": Run("shell", {"command": "true"}), "schedule": "@every 1h", **fields})
        assert job.check() == []
        self.deployment.jobs.save(job)
        return name

    def fire(self, job: str = "backup", due_ms: int | None = None) -> str:
        """Fire a run; its id."""
        self._runs += 1
        store = self.deployment.store
        due = store.now_ms() // 1000 * 1000 + self._runs if due_ms is None else due_ms
        name = run_id(job, due)
        now = store.now_ms()
        execution = ExecutionPlan(
            id=execution_id(name, 0), node=NODE, start_by_ms=now + 60_000, look_ms=now + 60_000, message=b"bell",
            queue=f"dkronpy.node.{NODE}", max_attempts=self.deployment.jobs.get(job).job.max_attempts,
        )  # fmt: skip
        self._fire(job, RunPlan(id=name, due_ms=due, executions=(execution,)))
        return name

    def skip(self, reason: str, job: str = "backup") -> str:
        """Record a due time that does not run; its run's id."""
        self._runs += 1
        due = self.deployment.store.now_ms() // 1000 * 1000 + self._runs
        name = run_id(job, due)
        self._fire(job, RunPlan(id=name, due_ms=due, decision="skip", reason=reason))
        return name

    def claim(self, run: str) -> Claim:
        """Start the run's execution."""
        claim = self.deployment.ledger.claim(execution_id(run, 0), 1, NODE, "agent", 60_000)
        assert isinstance(claim, Claim), claim
        return claim

    def finish(self, claim: Claim, *, success: bool, output: bytes = b"", **said: Any) -> None:
        """End an attempt."""
        if output:
            OutputWriter(self.deployment.store, claim.execution.id, claim.attempt, 100_000).write(output)
        self.deployment.ledger.finish(claim.execution.id, claim.token, success=success, **said)

    def run(self, job: str = "backup", *, success: bool, **said: Any) -> str:
        """A whole run; its id."""
        run = self.fire(job)
        self.finish(self.claim(run), success=success, **said)
        return run

    def fail(self, job: str = "backup", **said: Any) -> str:
        """A run that fails with exit status 3."""
        return self.run(job, success=False, **{"reason": "exit", "message": "exit status 3", "exit_code": 3, **said})

    def follow(self) -> None:
        """Follow all that happened so far."""
        while self.follower.step(1):
            pass

    def serve(self) -> None:
        """Look at every channel once, and wait for what that sends."""
        self.sender.step()
        for served in list(self.sender._busy.values()):
            served.result(20)

    def send(self) -> None:
        """Deliver all that waits."""

        def empty() -> bool:
            self.serve()
            return not self.outbox.channels()

        wait_until(empty, description="everything is delivered")

    def told(self) -> None:
        """Follow and deliver."""
        self.follow()
        self.send()

    def _fire(self, job: str, plan: RunPlan) -> None:
        stored = self.deployment.jobs.get(job)
        _, codes = self.deployment.ledger.fire(
            [Firing(job=job, revision=stored.revision, runs=(plan,))], epoch=None
        )  # fmt: skip
        assert codes == [1]
