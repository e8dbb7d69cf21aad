"""Runs one task: has it started, looks after it, and sees that it has stopped."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from dkronpy.clock import SystemClock, from_ms
from dkronpy.plugins.executor import ExecutionContext, ExecutorError, Outcome
from dkronpy.plugins.values import as_timedelta

from ._ecs_clients import Aws, Clients, asked
from ._ecs_logs import TaskLogs
from ._ecs_request import definition_of, request, started_by
from ._ecs_verdict import verdict
from ._watch import Answer, EndedEarly, Watch, in_time

if TYPE_CHECKING:
    from .ecs import Ecs

_DKRONS_PACE = timedelta(seconds=6)
_SLOWEST = 6
_UNKNOWN = 30.0
_LAST_WORD = 2.0
_HOPELESS_PLACEMENT = ("ATTRIBUTE", "INACTIVE", "MISSING", "LOCATION")


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """In seconds: between looks, for the last logs, and how long AWS may be away or a task take to stop."""

    pace: float
    settle: float
    patience: float


class TaskRun:
    """An attempt in ECS."""

    def __init__(self, options: Ecs, context: ExecutionContext, clients: Clients, times: Times) -> None:
        self._options, self._context, self._clients, self._times = options, context, clients, times
        limits = [as_timedelta(options.timeout), options.max_attempts and options.max_attempts * _DKRONS_PACE]
        self._watch = Watch(context, min((limit for limit in limits if limit), default=None))
        self._lock = threading.Lock()
        self._requested = False
        self._task = ""
        self._definition: dict[str, Any] = {}
        self._logs: TaskLogs | None = None

    def run(self) -> Outcome:
        """Run it; the task has stopped when this returns, or the message says that it may not have."""
        try:
            self._watch.call(self._launch, late=lambda _: self._stop())
            return verdict(self._options, self._definition, self._attend())
        except EndedEarly as early:
            return self._end(early.pending)

    # It is started.

    def _launch(self) -> None:
        """In a thread: find or register the definition, stop what earlier attempts left, start the task."""
        aws = self._clients.get(self._options)
        self._definition = definition_of(self._options, aws)
        arguments = request(self._options, self._context, self._definition)
        if self._context.token > 1:
            self._stop_earlier(aws)
        with self._lock:
            self._go_on()
            self._requested = True  # from here on nobody can say that there is no task
        try:
            answer = asked(lambda: aws.ecs.run_task(**arguments))
        except ExecutorError as error:
            if error.retryable:
                note = f"a task may have been started nevertheless (startedBy {arguments['startedBy']})"
                raise ExecutorError(f"{error}; {note}") from error
            self._requested = False
            aws.registered.clear()  # a definition that was registered may have been taken back
            raise
        if answer.get("failures") or not answer["tasks"]:
            self._requested = False
            raise _not_placed(answer.get("failures", []))
        self._task = str(answer["tasks"][0]["taskArn"])
        self._logs = TaskLogs(aws, self._definition, self._task, self._context.write)

    def _go_on(self) -> None:
        if self._watch.reason:
            raise EndedEarly

    def _stop_earlier(self, aws: Aws) -> None:
        """Stop the tasks of earlier attempts, and wait until they have."""
        cluster, mark = self._options.cluster, started_by(self._context)
        left: list[str] = asked(lambda: aws.ecs.list_tasks(cluster=cluster, startedBy=mark))["taskArns"]
        for task in left:
            arguments = {"cluster": cluster, "task": task, "reason": "dkronpy: a later attempt begins"}
            asked(partial(aws.ecs.stop_task, **arguments))
        while left:
            found = asked(partial(aws.ecs.describe_tasks, cluster=cluster, tasks=left))["tasks"]
            left = [str(task["taskArn"]) for task in found if task["lastStatus"] != "STOPPED"]
            if left:
                self._watch.pause(self._times.pace)

    # It runs.

    def _attend(self) -> dict[str, Any]:
        """Look after the task until it has stopped; as ECS describes it then."""
        pace, away, unknown = self._times.pace, 0.0, 0.0
        while True:
            self._watch.pause(pace)
            pace = min(pace * 1.5, self._times.pace * _SLOWEST)
            try:
                task = self._watch.call(self._describe)
            except ExecutorError as error:
                away = away or time.monotonic()
                if not error.retryable or time.monotonic() - away > self._times.patience:
                    raise self._lost(str(error)) from error
                continue
            away = 0.0
            if task is None:  # a task that was just started may not be known everywhere yet
                unknown = unknown or time.monotonic()
                if time.monotonic() - unknown > min(_UNKNOWN, self._times.patience):
                    raise self._lost("ECS does not know it any more")
                continue
            unknown = 0.0
            self._watch.call(self._read_logs)
            if task["lastStatus"] == "STOPPED":
                self._read_last_logs()
                return task

    def _describe(self) -> dict[str, Any] | None:
        aws = self._clients.get(self._options)
        answer = asked(lambda: aws.ecs.describe_tasks(cluster=self._options.cluster, tasks=[self._task]))
        return dict(answer["tasks"][0]) if answer["tasks"] else None

    def _read_logs(self) -> bool:
        return self._logs is not None and self._logs.read()

    def _read_last_logs(self) -> None:
        """CloudWatch shows what was printed only seconds later. No limit counts here: the task has ended."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < self._times.settle:
            try:
                found = in_time(self._read_logs, self._times.patience)
            except TimeoutError:
                return
            if found:
                quiet_since = time.monotonic()
            time.sleep(min(self._times.pace, self._times.settle / 3))

    def _lost(self, why: str) -> ExecutorError:
        return ExecutorError(f"lost sight of the task {self._name}: {why}; could not confirm that it has stopped")

    @property
    def _name(self) -> str:
        return self._task.rpartition("/")[2]

    # It had to end.

    def _end(self, pending: Answer[Any] | None) -> Outcome:
        """Stop the task, wait until it has, and say whether it did."""
        reason, said = self._watch.reason, self._watch.said
        until = time.monotonic() + self._times.patience
        with self._lock:
            requested = self._requested
        if not requested:
            return Outcome(success=False, reason=reason, message=f"{said}; no task was started")
        if not self._task and pending is not None:
            pending.done.wait(self._times.patience)
        if not self._task and not self._requested:
            return Outcome(success=False, reason=reason, message=f"{said}; no task was started")
        if not self._task:
            mark = started_by(self._context)
            end = f"could not confirm that no task runs: RunTask was not answered (startedBy {mark})"
        elif why := self._stopped(until):
            end = f"could not confirm that the task {self._name} has stopped: {why}"
        else:
            moment = from_ms(SystemClock().now_ms()).isoformat(timespec="seconds").replace("+00:00", "Z")
            end = f"the task {self._name} was stopped, confirmed gone at {moment}"
        return Outcome(success=False, reason=reason, message=f"{said}; {end}")

    def _stopped(self, until: float) -> str:
        """Stop it; empty once it was seen stopped, else why it was not."""
        why, told, pace = "AWS does not answer", False, self._times.pace
        while (left := until - time.monotonic()) > 0:
            try:
                if not told:
                    in_time(self._stop, left)
                    told = True
                task = in_time(self._describe, max(left, _LAST_WORD))
                in_time(self._read_logs, max(left, _LAST_WORD))
            except (ExecutorError, TimeoutError) as error:
                why = str(error)
            else:
                if task is None or task["lastStatus"] == "STOPPED":
                    self._read_last_logs()
                    return "" if task is not None else "ECS does not know it any more"
                why = f"it is still {task['lastStatus']} after {self._times.patience:g} s"
            time.sleep(min(pace, max(0.0, left)))
        return why

    def _stop(self) -> None:
        aws = self._clients.get(self._options)
        if self._task:
            reason = f"dkronpy: {self._watch.said}"
            asked(lambda: aws.ecs.stop_task(cluster=self._options.cluster, task=self._task, reason=reason))


def _not_placed(failures: list[dict[str, Any]]) -> ExecutorError:
    """ECS took the request, and found no place for the task."""
    told = [
        " ".join(filter(None, (one.get("reason"), one.get("detail"), f"({one['arn']})" if one.get("arn") else "")))
        for one in failures
    ]
    hopeless = any(str(one.get("reason", "")).startswith(_HOPELESS_PLACEMENT) for one in failures)
    return ExecutorError(f"ECS started no task: {'; '.join(told) or 'it does not say why'}", retryable=not hopeless)
