"""Answers a doorbell: Celery's part of an execution, and no more of it than a doorbell needs.

Celery's own way has a tracer, which stores results, calls errbacks and chains, and retries. Nothing of that is ours:
the ledger knows the outcome before the task ends. What remains is what others see of a task: Flower's events,
``inspect`` and ``revoke``. A message that asks for more than beat's ever do, such as an ETA, goes Celery's own way.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
from celery import signals
from celery.exceptions import TaskRevokedError
from celery.worker.request import Request
from celery.worker.state import task_ready, task_reserved
from celery.worker.strategy import default

from dkronpy.agent.runner import Granted, Ran, Runner
from dkronpy.agent.threads import Threads

log = logging.getLogger(__name__)

AGENT = "dkronpy_agent"
STRATEGY = f"{__name__}:strategy"
JSON = "application/json"

_BODY: msgspec.json.Decoder[tuple[tuple[str, int], dict[str, Any], dict[str, Any]]] = msgspec.json.Decoder(
    tuple[tuple[str, int], dict[str, Any], dict[str, Any]]
)


class ExecutionFailedError(Exception):
    """The execution did not succeed; raised so that Celery's events and Flower show it as failed."""


def result_of(ran: Ran) -> str:
    """What Celery is told of a task that has ended. Raises ExecutionFailedError with the reason where it failed."""
    if ran.state == "failed":
        raise ExecutionFailedError(f"{ran.reason}: {ran.message}" if ran.message else ran.reason)
    return ran.state if ran.state == "success" else f"not run: {ran.reason}"


class Doorbell(Request):  # type: ignore[misc]  # no types there
    """Celery's request for an execution, which threads of the pool answer without Celery's tracer."""

    _pool: Threads
    _began = 0.0

    def execute_using_pool(self, pool: Threads, **_: Any) -> None:
        """Bring it to the pool. Raises TaskRevokedError where somebody has revoked it meanwhile."""
        if self.revoked():
            raise TaskRevokedError(self.id)
        self._pool = pool
        pool.bring(self)

    @classmethod
    def answer_all(cls, bells: Sequence[Doorbell], pool: Threads) -> None:
        """Claim what *bells* ring for, and let a thread run each that was granted."""
        try:
            runner: Runner = bells[0].app.conf[AGENT].runner
            answers = runner.claim([bell.args for bell in bells])
        except BaseException as error:  # noqa: BLE001 - whatever it was, their places become free
            for bell in bells:
                bell.break_off(error)
            return
        for bell, answer in zip(bells, answers, strict=True):
            try:
                if isinstance(answer, Ran):
                    bell.accept()
                    bell.end(answer)
                else:
                    pool.call(partial(bell.answer, runner, answer))
            except Exception as error:  # noqa: BLE001 - the others of them have been claimed as well
                if isinstance(answer, Ran):
                    bell.break_off(error)
                else:
                    runner.fail(answer, error, bell.end)

    def answer(self, runner: Runner, granted: Granted) -> None:
        """Run it in this thread. Whoever brings the outcome home tells those who listen."""
        try:
            try:
                self.accept()
            except Exception:
                log.exception("Celery could not be told of the start of %s, which is run all the same", self.id)
            runner.answer(granted, self.end)
        except BaseException as error:  # noqa: BLE001 - whatever it was, its place becomes free
            self.break_off(error)

    def accept(self) -> None:
        """Say that it has begun."""
        self._began = time.monotonic()
        self.on_accepted(os.getpid(), self._began)

    def end(self, ran: Ran) -> None:
        """Say what became of it."""
        try:
            result = result_of(ran)
        except ExecutionFailedError as error:
            self._free("task-failed", exception=repr(error), traceback="")
        else:
            self._free("task-succeeded", result=repr(result), runtime=time.monotonic() - self._began)

    def break_off(self, error: BaseException) -> None:
        """Say that it could not be answered."""
        log.error("the doorbell of %s could not be answered", self.id, exc_info=error)
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self._free("task-failed", exception=repr(error), traceback=trace)

    def _free(self, event: str, **fields: Any) -> None:
        task_ready(self)
        self._pool.ended()
        self.send_event(event, **fields)


def strategy(task: Any, app: Any, consumer: Any) -> Callable[..., Any]:
    """Celery's hook: what takes a message of *task*."""
    usual, buckets = default(task, app, consumer), consumer.task_buckets
    given = {
        "app": app, "task": task, "hostname": consumer.hostname, "eventer": consumer.event_dispatcher,
        "connection_errors": consumer.connection_errors, "decoded": True,
    }  # fmt: skip

    def take(message: Any, body: Any, ack: Any, reject: Any, callbacks: Iterable[Callable[..., Any]]) -> Any:
        wanted = None if buckets[task.name] else _plain(message)
        if wanted is None:
            return usual(message, body, ack, reject, callbacks)
        bell = Doorbell(message, on_ack=ack, on_reject=reject, headers=message.headers, body=wanted, **given)
        if bell.revoked():
            return None
        signals.task_received.send(sender=consumer, request=bell)
        bell.send_event(
            "task-received", name=bell.name, args=bell.argsrepr, kwargs=bell.kwargsrepr, root_id=bell.root_id
        )
        task_reserved(bell)
        for callback in callbacks:
            callback(bell)
        return consumer.on_task_request(bell)

    return take


def _plain(message: Any) -> Any:
    """The body of a message as beat sends it; None for any other."""
    headers = message.headers
    if message.content_type != JSON or "id" not in headers or headers.get("eta") or headers.get("expires"):
        return None
    try:
        return _BODY.decode(message.body)
    except (msgspec.DecodeError, TypeError):
        return None
