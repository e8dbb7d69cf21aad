"""Where faults are tried: two beats and an agent of a real deployment under load, and a judge of what they recorded."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType

from dkronpy import all_nodes
from dkronpy.client.records import JobAudit, Records
from dkronpy.clock import from_ms, to_ms
from dkronpy.execution import Run as RunRecord
from dkronpy.job import Job, Run
from tests.acceptance.fleet import Fleet
from tests.faults.proxy import Proxy
from tests.support import Spawned, StoreServer, wait_until

LEADER_TTL_SECONDS = 3.0
CROWD = 40


def shell(command: str) -> Run:
    return Run("shell", {"command": command, "shell": "true"})


class Arena:
    """Beats reach the store through a proxy, the agent and the judge directly. A context manager."""

    def __init__(self, server: StoreServer, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.server = server
        self.proxy = Proxy(server.port)
        self.folder = folder
        self.truth = folder / "truth.txt"
        self.truth.touch()
        self.fleet = Fleet(server, folder, {"DKRONPY_HISTORY_LIMIT": "5000", **(settings or {})})
        self.beats: dict[int, Spawned] = {}
        self.beat_environment: dict[str, str] = {}
        self.agent: Spawned | None = None

    def __enter__(self) -> Arena:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for beat in self.beats.values():
            beat.signal(18)  # SIGCONT: a frozen process takes no TERM
        self.fleet.__exit__(kind, value, trace)
        self.proxy.close()

    def start(self) -> None:
        """Start the services and the load."""
        self.more_beats()
        self.agent = self.fleet.agent("n1")
        self.fleet.leader_pid()
        for job in load(self.truth):
            self.fleet.save(job)
        wait_until(lambda: len(self.lines()) >= 4, timeout=30, description="the load runs")

    def more_beats(self, count: int = 2) -> None:
        """Start beats until so many run."""
        self.beats = {pid: beat for pid, beat in self.beats.items() if beat.process.poll() is None}
        url = self.server.url.replace(f":{self.server.port}/", f":{self.proxy.port}/")
        while len(self.beats) < count:
            beat = self.fleet._start("beat", **{**self.beat_environment, "DKRONPY_STORE_URL": url})
            self.beats[beat.pid] = beat

    def leader(self) -> Spawned:
        """The beat that leads; waits for one of those that run."""
        pid = wait_until(
            lambda: next((pid for pid in [self.fleet.leader_pid()] if pid in self.beats), 0),
            timeout=20,
            description="one of our beats leads",
        )
        return self.beats[pid]

    def another_leader(self, former: int) -> Spawned:
        """Wait until a beat other than *former* leads."""
        wait_until(
            lambda: self.fleet.leader_pid() not in (former, 0),
            timeout=30,
            description=f"another beat than {former} leads",
        )
        return self.leader()

    def now_ms(self) -> int:
        """The store's time."""
        return self.fleet.client.deployment.store.now_ms()

    def wait(self, seconds: float) -> None:
        """Let the load go on for a while, by the store's clock."""
        until = self.now_ms() + seconds * 1000
        wait_until(lambda: self.now_ms() >= until, timeout=seconds + 30, description=f"{seconds:g} s have passed")

    def lines(self) -> list[str]:
        """The run ids that jobs wrote down as they ran, complete lines only."""
        return self.truth.read_text().split("\n")[:-1]

    def judge(self, start_ms: int, *, says: str, may_lose: bool = False) -> Verdict:
        """Hold the records since *start_ms* against the schedules and against what the jobs wrote down themselves.

        *says* names the trial in a failure. With *may_lose* an execution may end as lost: its outcome is unknown.
        """
        verdict = self._audited(start_ms, self.now_ms(), says)
        runs = self._ended(verdict, says)
        wait_until(
            lambda: not self._disagreements(runs, verdict), timeout=30,
            description=f"{says}: records and truth agree; they differ in {self._disagreements(runs, verdict)[:5]}",
        )  # fmt: skip
        lost = [run.id for run in runs if run.state == "lost"]
        assert may_lose or not lost, f"{says}: {lost[:5]} of {len(lost)} were lost"
        odd = {run.reason for run in runs if run.state == "failed"}
        assert not odd, f"{says}: some runs failed: {odd}"
        return Verdict(verdict.start_ms, verdict.end_ms, verdict.audits, tuple(runs))

    def _audited(self, start_ms: int, end_ms: int, says: str) -> Verdict:
        jobs = self.fleet.client.deployment.jobs
        wait_until(
            lambda: all(one.due_ms is None or one.due_ms > end_ms for one in jobs.all()),
            timeout=90,
            description=f"{says}: beat has come to everything that was due up to {from_ms(end_ms)}",
        )
        records = Records(self.fleet.client.deployment)
        audits = [records.audit(name, start_ms, end_ms) for name in jobs.names()]
        wrong = [one for one in audits if not one.audit.clean]
        assert not wrong, f"{says}: {len(wrong)} jobs are not clean: {wrong[0]}"
        assert sum(one.audit.owed for one in audits) > 0, f"{says}: nothing was owed"
        return Verdict(start_ms, end_ms, tuple(audits), ())

    def _ended(self, verdict: Verdict, says: str) -> list[RunRecord]:
        records = Records(self.fleet.client.deployment)
        stored = self.fleet.client.deployment.jobs.all()

        def ended() -> list[RunRecord]:
            runs = [run for one in stored for run in records.runs(one, verdict.start_ms, verdict.end_ms)]
            inside = [run for run in runs if verdict.start_ms < run.due_ms <= verdict.end_ms]
            return inside if all(run.terminal for run in inside) else []

        return wait_until(ended, timeout=120, description=f"{says}: every run has ended")

    def _disagreements(self, runs: Sequence[RunRecord], verdict: Verdict) -> list[str]:
        """Runs whose record does not fit what the job itself wrote down; the ledger may still be amended."""
        ledger = self.fleet.client.deployment.ledger
        states = {run.id: run.state for run in runs}
        states.update((run.id, run.state) for run in ledger.runs([run.id for run in runs if run.state == "lost"]))
        written = Counter(line for line in self.lines() if verdict.start_ms < due_of(line) <= verdict.end_ms)
        doubled = [f"{name} ran {count} times" for name, count in written.items() if count > 1]
        silent = [
            f"{name} is {state} and wrote nothing"
            for name, state in states.items()
            if state == "success" and not written[name]
        ]
        unknown = [
            f"{name} ran and is {states.get(name, 'unknown')}"
            for name in written
            if states.get(name) not in ("success", "lost")
        ]
        return doubled + silent + unknown


class Verdict:
    """What a trial came to, to be looked at further."""

    def __init__(self, start_ms: int, end_ms: int, audits: tuple[JobAudit, ...], runs: tuple[RunRecord, ...]) -> None:
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.audits = audits
        self.runs = runs

    def __str__(self) -> str:
        owed = sum(one.audit.owed for one in self.audits)
        ran = Counter(run.reason or run.state for run in self.runs)
        late = sum(len(one.audit.late) for one in self.audits)
        return f"{owed} due times in {(self.end_ms - self.start_ms) / 1000:.0f} s, {late} late; runs: {dict(ran)}"


def load(truth: Path) -> list[Job]:
    """Jobs that write down each run themselves, and a crowd that is due with them and makes records only."""
    line = f'echo "$DKRONPY_RUN_ID" >> {truth}'
    minute = timedelta(minutes=2)
    jobs = [
        Job(name=f"line-{policy}", schedule="* * * * * *", run=shell(line), catch_up=policy, start_deadline=minute)
        for policy in ("none", "latest", "all")
    ]
    careful = Job(
        name="line-careful", schedule="* * * * * *", run=shell(f"{line}; sleep 1.2"), concurrency="forbid",
        start_deadline=minute,
    )  # fmt: skip
    crowd = [
        Job(
            name=f"crowd-{number}", schedule="*/2 * * * * *", run=shell("true"), on=all_nodes(role="nobody"),
            catch_up=("none", "latest", "all")[number % 3], start_deadline=timedelta(seconds=1),
        )
        for number in range(CROWD)
    ]  # fmt: skip
    return [*jobs, careful, *crowd]


def due_of(run_id: str) -> int:
    """The due time in a run's id."""
    text = run_id.partition("@")[2].partition("Z")[0]
    return to_ms(datetime.fromisoformat(text + "+00:00"))


def rng_of(seed: int, what: str) -> random.Random:
    """The chance of one trial: the same for the same seed."""
    return random.Random(f"{seed} {what}")
