"""Runs one execution on this node: claim, definition, executor, report. What a Celery message sets off."""

from __future__ import annotations

import logging
import random
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from queue import SimpleQueue
from typing import Any, NamedTuple

import redis
from msgspec.structs import replace

from dkronpy.agent.context import AttemptContext, Identity
from dkronpy.agent.launcher import HelperError, Launcher
from dkronpy.agent.leases import Held, Leases
from dkronpy.agent.output import AttemptOutput, OutputPump
from dkronpy.agent.parents import Parents
from dkronpy.agent.policy import Policy, RefusedError
from dkronpy.agent.processing import Processing
from dkronpy.agent.rendering import Prepared, plan_of, prepare
from dkronpy.agent.reporter import Reporter
from dkronpy.agent.run_time import OVER, RunTime
from dkronpy.agent.spool import Report
from dkronpy.clock import from_ms
from dkronpy.errors import DkronpyError
from dkronpy.execution import Attempt, Output
from dkronpy.job import Job
from dkronpy.masking import Masker
from dkronpy.plugins.executor import Executor, ExecutorError, Outcome
from dkronpy.plugins.options import Options
from dkronpy.plugins.registry import executor_class
from dkronpy.secrets import SecretResolver
from dkronpy.settings import Settings
from dkronpy.signing import SignatureError
from dkronpy.store.connection import Store
from dkronpy.store.ledger import Claim, Ledger
from dkronpy.store.output import OutputWriter, StoreCommand
from dkronpy.trace import traceparent
from dkronpy.tracer import Tracer

log = logging.getLogger(__name__)

MESSAGE_LIMIT = 2_000
LATE = "its lease was over before a thread took it up, and nothing was started"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What came of a doorbell message: the state of the attempt, or why it was not run (``state`` is ``ignored``)."""

    state: str
    reason: str = ""
    message: str = ""


class Granted(NamedTuple):
    """A claim, and when it was asked for and had, in monotonic seconds."""

    claim: Claim
    asked: float
    taken: float


class Runner:
    """Executes what this node's queue brings. Safe to use from the worker's threads."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        ledger: Ledger,
        reporter: Reporter,
        leases: Leases,
        launcher: Launcher,
        pump: OutputPump,
        *,
        node: str,
        instance: str,
        policy: Policy,
    ) -> None:
        self.settings = settings
        self.policy = policy
        self.store = store
        self.ledger = ledger
        self.reporter = reporter
        self.leases = leases
        self.launcher = launcher
        self.pump = pump
        self.node = node
        self.instance = instance
        self._secrets = SecretResolver.of(settings)
        self._parents = Parents(ledger, reporter.results)
        reporter.processing = Processing(self._secrets)
        self.tracer: Tracer | None = None
        self._rng = random.SystemRandom()
        self._executors: dict[str, Executor[Any]] = {}
        self._lock = threading.Lock()

    def run(self, execution_id: str, delivery: int) -> Ran:
        """Run an execution if the ledger says so, and wait for the outcome to be safe."""
        (granted,) = self.claim([(execution_id, delivery)])
        if isinstance(granted, Ran):
            return granted
        told: SimpleQueue[Ran] = SimpleQueue()
        self.answer(granted, told.put)
        return told.get()

    def claim(self, asked: Sequence[tuple[str, int]]) -> list[Granted | Ran]:
        """Ask whether to run executions with their deliveries: for each what was granted, or that it is ignored.

        Raises nothing for an outage: the messages will be sent again.
        """
        began = time.monotonic()
        answers: Sequence[Claim | str | BaseException]
        try:
            answers = self.ledger.claim_all(asked, self.node, self.instance, self.leases.lease_ms)
        except (redis.RedisError, OSError) as error:
            answers = [error] * len(asked)
        taken = time.monotonic()
        return [
            Granted(answer, began, taken) if isinstance(answer, Claim) else _ignored(name, answer)
            for (name, _), answer in zip(asked, answers, strict=True)
        ]

    def answer(self, granted: Granted, told: Callable[[Ran], None]) -> None:
        """Run what was granted in this thread. *told* gets the outcome once it is safe, maybe from another thread.

        Whatever goes wrong on the way ends the attempt on record, and its lease with it.
        """
        began = time.monotonic()
        try:
            report, last = self._attempt(granted)
        except BaseException as error:  # noqa: BLE001 - what is not reported is renewed for ever, or lost
            report, last = _broken(granted.claim, error), ()
        self._bring_home(granted.claim, report, last, began, told)

    def fail(self, granted: Granted, error: BaseException, told: Callable[[Ran], None]) -> None:
        """End on record what was granted and that *error* keeps from running."""
        self._bring_home(granted.claim, _broken(granted.claim, error), (), time.monotonic(), told)

    def _bring_home(
        self, claim: Claim, report: Report, last: Sequence[StoreCommand], began: float, told: Callable[[Ran], None]
    ) -> None:
        def home() -> None:
            self.leases.remove(claim.execution.id, claim.token)
            if self.tracer is not None and report.began_ms:
                self._trace(self.tracer, claim, report, time.monotonic() - began)
            told(Ran(state="success" if report.success else "failed", reason=report.reason, message=report.message))

        self.reporter.hand_in(report, last, home)

    def connections(self) -> dict[str, int]:
        """How many connections each executor keeps, where it keeps any."""
        kept = {}
        for name, executor in list(self._executors.items()):
            try:
                kept[name] = executor.kept()
            except Exception as error:  # noqa: BLE001 - a plugin's mistake, and the node is alive all the same
                log.warning("executor %s cannot say how many connections it keeps: %r", name, error)
        return {name: count for name, count in kept.items() if count}

    def close(self) -> None:
        """Let the executors' connections go."""
        for name, executor in self._executors.items():
            try:
                executor.close()
            except Exception:
                log.exception("executor %s could not let its connections go", name)

    def _attempt(self, granted: Granted) -> tuple[Report, Sequence[StoreCommand]]:
        """How it ended, and what is left of its output to be passed on."""
        claim, asked, taken = granted
        execution, run_time = claim.execution, RunTime.of(claim, taken)
        if run_time.over:
            return _not_begun(claim, "timeout", OVER), ()
        try:
            self.policy.admit(claim)
            prepared = prepare(claim, self.node, self._secrets, self._parents.of)
            self.policy.admit_user(prepared)
        except (DkronpyError, redis.RedisError, OSError) as error:
            return self._refuse(claim, error), ()
        job, options = prepared.job, prepared.options
        masker = Masker(prepared.masked)
        if self.leases.over(asked):  # another may have it by now, here or elsewhere
            late = Outcome(success=False, reason="lease_lost_killed", message=LATE)
            return self._report(claim, job, late, masker, Output(), run_time), ()
        writer = OutputWriter(self.store, execution.id, claim.attempt, job.output_limit)
        # Times are the store's, as all others of a record; only how much has passed is this machine's word.
        output = AttemptOutput(writer, masker, lambda: claim.now_ms + round((time.monotonic() - taken) * 1000))
        kill = job.limited if job.on_lease_loss is None else job.on_lease_loss == "kill"
        limit, vouched_until = run_time.limit(job.timeout), self.leases.vouched(asked) if kill else None
        context = self._context(claim, prepared, output, limit, vouched_until)
        self.leases.add(execution.id, Held(token=claim.token, context=context, kill_on_loss=kill, renewed=asked))
        self.pump.add(output)
        began = time.monotonic()
        began_ms = claim.now_ms + round((began - taken) * 1000)
        try:
            outcome = self._execute(job, options, context)
        finally:
            self.pump.remove(output)
        kept, last = output.end()
        try:
            report = self._report(claim, job, run_time.told(outcome, job), masker, kept, run_time)
        except Exception as error:  # noqa: BLE001 - an outcome that is none, and what it printed is kept all the same
            report = replace(_broken(claim, error), output=kept)
        report = replace(report, began_ms=began_ms, plan=plan_of(claim, prepared, report, time.monotonic() - began))
        return report, last

    def _trace(self, tracer: Tracer, claim: Claim, report: Report, seconds: float) -> None:
        attempt = Attempt(
            number=claim.attempt, node=self.node, token=claim.token, started_ms=claim.now_ms,
            finished_ms=claim.now_ms + round(seconds * 1000), state="success" if report.success else "failed",
            reason=report.reason, message=report.message,
        )  # fmt: skip
        tracer.attempt(claim.execution, attempt)

    def _refuse(self, claim: Claim, error: Exception) -> Report:
        """The attempt ends before it began; another try would be refused as well."""
        reasons: dict[type[Exception], str] = {SignatureError: "bad_signature", RefusedError: "executor_error"}
        reason = reasons.get(type(error), "bad_definition")
        if reason == "bad_signature":
            log.error("execution %s is refused: %s", claim.execution.id, error)
        return _not_begun(claim, reason, _cut(str(error)))

    def _context(
        self, claim: Claim, prepared: Prepared, output: AttemptOutput, limit: timedelta | None,
        vouched_until: float | None,
    ) -> AttemptContext:  # fmt: skip
        execution = claim.execution
        identity = Identity(
            execution_id=execution.id,
            run_id=execution.run_id,
            job=execution.job,
            node=self.node,
            due=from_ms(execution.due_ms),
            attempt=claim.attempt,
            token=claim.token,
            params=prepared.facts.params,
        )
        trace = {}
        if self.tracer is not None:
            trace["traceparent"] = traceparent(execution.run_id, execution.id, claim.attempt, claim.token)
        return AttemptContext(
            identity, output=output, launcher=self.launcher, timeout=limit,
            grace=self.settings.kill_grace, trace=trace,
            reach=self.policy.reach, no_new_privs=self.settings.no_new_privs, vouched_until=vouched_until,
        )  # fmt: skip

    def _execute(self, job: Job, options: Options, context: AttemptContext) -> Outcome:
        try:
            return self._executor(job.executor).execute(options, context)
        except ExecutorError as error:
            return Outcome(success=False, reason=error.reason, message=str(error), retryable=error.retryable)
        except (HelperError, OSError) as error:
            return Outcome(success=False, reason=context.reason or "executor_error", message=str(error))
        except DkronpyError as error:  # a missing extra, for one: it says itself what to do, and will not mend itself
            hint = f" ({error.hint})" if error.hint and error.hint not in str(error) else ""
            return Outcome(success=False, reason="executor_error", message=f"{error}{hint}", retryable=False)
        except BaseException as error:  # noqa: BLE001 - a plugin's mistake fails its execution, never the agent
            if context.reason:
                return Outcome(success=False, reason=context.reason, message=f"{type(error).__name__}: {error}")
            log.error("executor %s failed on %s:\n%s", job.executor, context.execution_id, traceback.format_exc())
            return Outcome(success=False, reason="executor_error", message=f"{type(error).__name__}: {error}")

    def _executor(self, name: str) -> Executor[Any]:
        with self._lock:
            found = self._executors.get(name)
            if found is None:
                found = self._executors[name] = executor_class(name)()
            return found

    def _report(
        self, claim: Claim, job: Job, outcome: Outcome, masker: Masker, output: Output, run_time: RunTime
    ) -> Report:
        pause: timedelta | None = None
        reason = "" if outcome.success else outcome.reason or "executor_error"
        ended_from_outside = reason in {"cancelled", "shutdown"}
        worth_it = outcome.retryable and not ended_from_outside and job.retry.wants(reason, outcome.exit_code)
        if not outcome.success and worth_it and claim.attempt < claim.max_attempts:
            pause = job.retry.pause(claim.attempt, self._rng)
            if not run_time.allows(pause):
                pause = None
                outcome = replace(outcome, message=f"{outcome.message}; its run has no time left for another attempt")
        return Report(
            execution_id=claim.execution.id,
            token=claim.token,
            success=outcome.success,
            reason=reason,
            message=masker.text(_cut(outcome.message)),
            exit_code=outcome.exit_code,
            pause_ms=None if pause is None else int(pause.total_seconds() * 1000),
            result=masker.value(outcome.result),
            output=output,
        )


def _ignored(execution_id: str, answer: str | BaseException) -> Ran:
    if isinstance(answer, str):
        log.info("execution %s is not ours to run: it %s", execution_id, answer)
        return Ran(state="ignored", reason=answer)
    log.warning("execution %s cannot be claimed now, it will be sent again: %s", execution_id, answer)
    return Ran(state="ignored", reason=f"the store is away: {answer}")


def _not_begun(claim: Claim, reason: str, message: str) -> Report:
    """How an attempt ends that nothing was started for."""
    return Report(execution_id=claim.execution.id, token=claim.token, success=False, reason=reason, message=message)


def _broken(claim: Claim, error: BaseException) -> Report:
    """How an attempt ends that the agent itself could not see through. The error's text may hold a secret."""
    log.error("execution %s could not be seen through", claim.execution.id, exc_info=error)
    name = type(error).__name__
    return _not_begun(claim, "executor_error", f"the agent could not see it through: {name}; its log says more")


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + "..."
