"""The agents of the model, and the ground truth that they keep: which commands really ran, when, under which token."""

from __future__ import annotations

from dataclasses import dataclass

from dkronpy.execution import Execution
from dkronpy.job import Job
from dkronpy.job.json import decode_definition
from dkronpy.store.ledger import Ledger

LEASE_MS = 60_000
KILL_MS = 48_000
"""An agent that could not renew for so long ends the work of a job that forbids overlap."""


def exclusive(job: Job) -> bool:
    """Whether no two runs of it may be active at once, whatever becomes of the other one."""
    return job.concurrency not in ("allow", "")


@dataclass
class Work:
    """A started command. ``renewed`` is when its lease was last known to be good, ``lease_until`` when it runs out."""

    execution: Execution
    token: int
    attempt: int
    max_attempts: int
    node: str
    job: Job
    renewed: int
    lease_until: int
    alive: bool = True
    report: Report | None = None
    reported: bool = False


@dataclass
class Report:
    """How a command ended, as the spool of its agent keeps it."""

    work: Work
    success: bool
    reason: str

    @property
    def pause_ms(self) -> int | None:
        """The pause before the next attempt: asked for after each failure, also where none is left."""
        return None if self.success or self.reason == "cancelled" else 2000


class Agents:
    """All agents. Whoever claims is checked against everything that ran before."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.works: list[Work] = []
        self.spool: list[Report] = []
        self.cancelled: set[str] = set()
        self._last_token = 0

    @property
    def running(self) -> list[Work]:
        """The commands that run now."""
        return [work for work in self.works if work.alive]

    def claim(
        self, execution_id: str, delivery: int, node: str, definition: Job | None, now_ms: int, seen: int
    ) -> None:
        """A message arrived on *node*; start the command if the ledger says yes."""
        answer = self.ledger.claim(execution_id, delivery, node, node, LEASE_MS)
        if isinstance(answer, str):
            return
        assert answer.definition is not None, f"{execution_id} was granted without a definition"
        over = answer.attempt == 1 and 0 < answer.end_by_ms < now_ms
        assert not over, f"{execution_id} starts when the time of its run is over"
        job = decode_definition(answer.definition)
        assert job == definition, f"{execution_id} runs {job}, but was fired as {definition}"
        work = Work(
            execution=answer.execution, token=answer.token, attempt=answer.attempt, max_attempts=answer.max_attempts,
            node=node, job=job, renewed=now_ms, lease_until=now_ms + LEASE_MS,
        )  # fmt: skip
        self._check_start(work, seen)
        self.works.append(work)

    def _check_start(self, work: Work, seen: int) -> None:
        name, execution = f"attempt {work.attempt} of {work.execution.id}", work.execution.id
        assert work.token > self._last_token, f"token {work.token} of {name} does not rise above {self._last_token}"
        self._last_token = work.token
        assert execution not in self.cancelled, f"{name} starts after it was cancelled"
        assert work.attempt <= work.max_attempts == work.job.max_attempts, f"{name} is one too many"
        earlier = [other for other in self.works if other.execution.id == execution]
        assert work.attempt == len(earlier) + 1, f"{name} follows {len(earlier)} starts"
        for other in earlier:
            failed = other.reported and other.report is not None and not other.report.success
            if work.job.delivery == "at_most_once":
                assert failed, f"{name} starts although attempt {other.attempt} may have done the work (at most once)"
            gone = failed or other.lease_until <= seen
            assert gone, f"{name} starts while attempt {other.attempt} holds its lease"
        if exclusive(work.job):
            beside = [other.execution.id for other in self.running if self._overlaps(work, other)]
            assert not beside, f"{name} starts although the job forbids overlap and {beside} run"

    @staticmethod
    def _overlaps(work: Work, other: Work) -> bool:
        same_job = other.execution.job == work.execution.job and exclusive(other.job)
        return same_job and other.execution.run_id != work.execution.run_id

    def renew(self, node: str, now_ms: int) -> None:
        """The agent of *node* renews what it runs, and ends what it is told to end."""
        held = [work for work in self.running if work.node == node]
        codes = self.ledger.renew([(work.execution.id, work.token) for work in held], LEASE_MS)
        for work, code in zip(held, codes, strict=True):
            if code:
                work.renewed, work.lease_until = now_ms, now_ms + LEASE_MS
            if code in {2, 3}:
                self.end(work, success=False, reason="cancelled")
            elif code == 0 and work.job.limited:
                self.end(work, success=False, reason="lease_lost_killed")

    def end(self, work: Work, *, success: bool, reason: str = "exit") -> Report:
        """The command ends; what came of it is in the spool from now on."""
        work.alive = False
        work.report = Report(work, success, "" if success else reason)
        self.spool.append(work.report)
        return work.report

    def deliver(self, report: Report) -> None:
        """Bring a report home, for the first time or once more."""
        happened, _ = self.ledger.finish(
            report.work.execution.id, report.work.token,
            success=report.success, reason=report.reason, pause_ms=report.pause_ms,
        )  # fmt: skip
        if happened in {"closed", "retry", "amended"}:
            assert not report.work.reported, f"the report of token {report.work.token} counted twice ({happened})"
            report.work.reported = True

    def cancel(self, execution_id: str) -> None:
        """Somebody cancels an execution; an agent that is told hears of it at its next renewal."""
        (word,) = self.ledger.cancel([execution_id], "somebody")
        if word in {"ended", "told"}:
            self.cancelled.add(execution_id)

    def superseded(self) -> list[Work]:
        """What still runs although a later attempt of the same execution was started."""
        last = {work.execution.id: work.attempt for work in self.works}
        return [work for work in self.running if work.attempt < last[work.execution.id]]

    def crash(self, node: str) -> None:
        """Everything on a node dies; its spool stays on its disk."""
        for work in self.running:
            if work.node == node:
                work.alive = False

    def kill_unrenewed(self, now_ms: int) -> None:
        """What forbids overlap and could not be renewed for 80 % of its lease was ended by its own agent."""
        for work in self.running:
            if work.job.limited and now_ms >= work.renewed + KILL_MS:
                self.end(work, success=False, reason="lease_lost_killed")

    def reported(self, token: int) -> Report | None:
        """The report of a token that the ledger has taken."""
        return next((w.report for w in self.works if w.token == token and w.reported), None)

    def lease_until(self, token: int) -> int:
        """When the lease of a token runs out."""
        return next(work.lease_until for work in self.works if work.token == token)
