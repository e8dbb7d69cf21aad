"""Runs that something else than dkronpy starts, a line of a crontab or a machine that pings, in the same ledger.

What is told of such a run goes through the ledger's own steps: a run by hand, claimed at once by whoever tells, and
finished by the same. Nobody else may take it up: should its teller die in between, its start deadline is over before
its message would be sent again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import msgspec

from dkronpy.agent.reporter import Reporter
from dkronpy.agent.spool import Report, Spool
from dkronpy.deployment import Deployment
from dkronpy.errors import ConflictError, DeniedError, DkronpyError, NotFoundError, StoreUnavailableError
from dkronpy.execution import Output, due_of, execution_id, job_of, run_id
from dkronpy.job import Job, Run
from dkronpy.node import on_node
from dkronpy.store.jobs import StoredJob
from dkronpy.store.ledger import Claim, ExecutionPlan, Firing, RunPlan

SOURCE = SUFFIX = "exec"
"""Of a job that is made for such a run; what the ids of such runs end in, with random digits behind it."""
PingState = Literal["start", "success", "fail"]
PING_STATES: tuple[PingState, ...] = get_args(PingState)
START_MS = 3_000
"""How long after its making such a run may begin; less than it takes until an agent would be told of it."""
PING_LEASE_MS = 24 * 3600 * 1000
"""How long a job that said that it starts may be silent before it counts as lost."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that goes on somewhere: what its end is reported with."""

    run_id: str
    execution_id: str
    token: int
    attempt: int


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it was, from its beginning to its end; what is spooled while the store is away."""

    job: str
    node: str
    who: str
    started_ms: int
    took_ms: int
    success: bool
    argv: tuple[str, ...] = ()
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    output: Output = Output()


class Outside:
    """Tells the ledger of runs on *node* in the name of *who*; what cannot be told waits in *folder*."""

    def __init__(self, deployment: Deployment, folder: Path, *, node: str, who: str) -> None:
        self.deployment = deployment
        self.folder = folder
        self.node = node
        self.who = who

    def begin(self, name: str, *, argv: Sequence[str] = (), due_ms: int | None = None, lease_ms: int) -> Begun:
        """Say that a job runs now. One that is not there is made of *argv*; NotFoundError without."""
        return self.begin_as(self.name(name, due_ms), argv=argv, lease_ms=lease_ms)

    def name(self, job: str, due_ms: int | None = None) -> str:
        """The id of a run that begins now, or began at *due_ms*, and that nobody else comes upon."""
        store = self.deployment.store
        with store.errors():
            return run_id(job, due_ms or store.now_ms(), f"{SUFFIX}{secrets.token_hex(3)}")

    def begin_as(self, run: str, *, argv: Sequence[str] = (), lease_ms: int) -> Begun:
        """``begin`` under the id *run*: who asks for it twice, having heard no answer, has one attempt."""
        store, name, due_ms = self.deployment.store, job_of(run), due_of(run)
        with store.errors():
            now_ms = store.now_ms()
            for _ in range(3):
                stored = self._job(name, argv)
                execution = execution_id(run, 0)
                plan = ExecutionPlan(
                    id=execution, node=self.node, start_by_ms=now_ms + START_MS, look_ms=now_ms + START_MS
                )
                made = RunPlan(id=run, due_ms=due_ms, trigger="manual", fired_by=self.who, executions=(plan,))
                history = stored.job.history_limit or 0
                firing = Firing(job=name, revision=stored.revision, runs=(made,), history=history)
                _, (code,) = self.deployment.ledger.fire([firing], epoch=None)
                if code == -2:  # it was changed in this very moment
                    continue
                claim = self.deployment.ledger.claim(
                    execution, 1, self.node, f"{self.node}:{os.getpid()}:exec", lease_ms
                )
                if isinstance(claim, Claim):
                    return Begun(run_id=run, execution_id=execution, token=claim.token, attempt=claim.attempt)
                known = self.deployment.ledger.execution(execution) if code == -1 else None
                if known is not None and known.attempts:
                    token = known.attempts[-1].token
                    return Begun(run_id=run, execution_id=execution, token=token, attempt=known.attempt)
                raise ConflictError(f"the run of {name!r} cannot begin: it {claim}")
        raise ConflictError(f"job {name!r} is changed all the time")

    def _job(self, name: str, argv: Sequence[str]) -> StoredJob:
        jobs = self.deployment.jobs
        found = jobs.many([name])
        if not found:
            if not argv:
                raise NotFoundError(
                    f"there is no job named {name!r}", hint="make it first, or run it once by `dkronpy exec`"
                )
            run = Run("shell", {"command": list(argv), "shell": False})
            doc = "Started elsewhere and told of by `dkronpy exec`; `dkronpy adopt` lets dkronpy start it."
            job = Job(name=name, schedule="@manually", run=run, on=on_node(self.node), doc=doc)
            problems = job.check()
            if problems:
                raise NotFoundError(f"there is no job named {name!r}, and none can be: {problems[0].message}")
            jobs.save(job, source=SOURCE, who=self.who, why=shlex.join(argv)[:200])
            found = jobs.many([name])
        return found[0]

    def renew(self, begun: Begun, lease_ms: int) -> bool:
        """Say that it goes on; True where somebody cancelled it. Raises StoreUnavailableError."""
        with self.deployment.store.errors():
            (answer,) = self.deployment.ledger.renew([(begun.execution_id, begun.token)], lease_ms)
        return answer == 2

    def end(self, begun: Begun, ended: Ended) -> bool:
        """Report the end; whether it has arrived. One that has not waits in the folder, fsynced."""
        spool = Spool(self.folder)
        reporter = Reporter(spool, self.deployment.ledger, self.deployment.results, lambda _reports: None)
        reporter.report(report_of(begun, ended))
        return not any(report.execution_id == begun.execution_id for _, report in spool.waiting())

    def record(self, ended: Ended) -> None:
        """Tell of a run that is over. Raises StoreUnavailableError."""
        begun = self.begin(ended.job, argv=ended.argv, due_ms=ended.started_ms, lease_ms=60_000)
        self.end(begun, ended)

    def keep(self, ended: Ended) -> None:
        """Write down for good a run that the store could not be told of."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        body = msgspec.msgpack.encode(ended)
        path = self.folder / f"{ended.started_ms}-{hashlib.sha256(body).hexdigest()[:16]}.run"
        aside = path.with_suffix(".tmp")
        with aside.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)

    def ping(self, name: str, state: PingState, *, output: bytes = b"", exit_code: int | None = None) -> str:
        """A job says that it starts, or how it ended; its run's id. Raises NotFoundError for a job that is not there.

        An end belongs to the run that said that it starts, if one did; otherwise it is a run of its own.
        """
        store = self.deployment.store
        key = store.keys.ping(name)
        with store.errors():
            raw = None if state == "start" else store.client.getdel(key)
        begun = msgspec.json.decode(raw, type=Begun) if raw else self.begin(name, lease_ms=PING_LEASE_MS)
        if state == "start":
            with store.errors():
                store.client.set(key, msgspec.json.encode(begun), px=PING_LEASE_MS)
            return begun.run_id
        failed = state == "fail"
        ended = Ended(
            job=name, node=self.node, who=self.who, started_ms=0, took_ms=0, success=not failed,
            reason="exit" if failed else "", exit_code=exit_code, output=Output(head=output, size=len(output)),
            message=f"exit status {exit_code}" if failed and exit_code else "it said that it failed" if failed else "",
        )  # fmt: skip
        self.end(begun, ended)
        return begun.run_id

    def catch_up(self) -> int:
        """Tell what could not be told before, the oldest first; how many arrived. Raises nothing for an outage.

        One process does so at a time, the others leave it to that one: lines of a crontab end in the same moment, and
        what two of them told would have two records.
        """
        told = 0
        try:
            with self._alone() as alone:
                for path in sorted(self.folder.glob("*.run")) if alone else ():
                    self._tell_late(path)
                    told += 1
                spool = Spool(self.folder)
                if alone and any(True for _ in spool.waiting()):
                    self._replay(spool)
        except (StoreUnavailableError, FileNotFoundError):
            pass
        return told

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other process tells what is in the folder; none begins until this is left."""
        folder, alone = os.open(self.folder, os.O_RDONLY), True
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                alone = False
            yield alone
        finally:
            os.close(folder)

    def _tell_late(self, path: Path) -> None:
        """Record a run that was written down. Raises ConflictError for one that cannot be told, and sets it aside."""
        try:
            self.record(msgspec.msgpack.decode(path.read_bytes(), type=Ended))
        except (StoreUnavailableError, DeniedError):
            raise
        except (DkronpyError, msgspec.DecodeError) as error:
            path.rename(path.with_suffix(".unreadable"))
            raise ConflictError(f"{path} cannot be told, and is set aside: {error}") from None
        path.unlink(missing_ok=True)

    def _replay(self, spool: Spool) -> None:
        """Report the ends that could not be reported when they came."""
        reporter = Reporter(spool, self.deployment.ledger, self.deployment.results, lambda _reports: None)
        reporter.start()
        reporter.stop()


class Unreached(Outside):
    """Stands where no store is known, since *why*: nothing can be told, and each run waits in *folder*."""

    def __init__(self, why: DkronpyError, folder: Path, *, node: str, who: str) -> None:
        self.why = why
        self.folder = folder
        self.node = node
        self.who = who

    def begin(self, name: str, *, argv: Sequence[str] = (), due_ms: int | None = None, lease_ms: int) -> Begun:
        """Raises what was met instead of a store."""
        raise self.why


def report_of(begun: Begun, ended: Ended) -> Report:
    """The end of an attempt as the ledger is told of it."""
    return Report(
        execution_id=begun.execution_id, token=begun.token, success=ended.success, reason=ended.reason,
        message=ended.message, exit_code=ended.exit_code, output=ended.output,
    )  # fmt: skip
