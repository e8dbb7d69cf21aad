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
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from celery import signals
from celery.exceptions import TaskRevokedError
from celery.worker.request import Request
from celery.worker.state import task_ready, task_reserved
from celery.worker.strategy import default

log = logging.getLogger(__name__)

STRATEGY = f"{__name__}:strategy"
JSON = "application/json"

_BODY: msgspec.json.Decoder[tuple[tuple[str, int], dict[str, Any], dict[str, Any]]] = msgspec.json.Decoder(
    tuple[tuple[str, int], dict[str, Any], dict[str, Any]]
)


class Doorbell(Request):  # type: ignore[misc]  # no types there
    """Celery's request for an execution, which a thread of the pool answers without Celery's tracer."""

    def execute_using_pool(self, pool: Any, **_: Any) -> None:
        """Hand it to a thread. Raises TaskRevokedError where somebody has revoked it meanwhile."""
        if self.revoked():
            raise TaskRevokedError(self.id)
        pool.answer(self.answer)

    def answer(self) -> None:
        """Run the task in this thread, and tell whoever listens."""
        began = time.monotonic()
        self.on_accepted(os.getpid(), began)
        try:
            told = self.task.run(*self.args)
        except self.task.throws as error:
            self._ended("task-failed", exception=repr(error), traceback="")
        except BaseException as error:  # whatever it was, its place becomes free
            log.exception("the doorbell of %s could not be answered", self.id)
            self._ended("task-failed", exception=repr(error), traceback=traceback.format_exc())
        else:
            self._ended("task-succeeded", result=repr(told), runtime=time.monotonic() - began)

    def _ended(self, event: str, **fields: Any) -> None:
        task_ready(self)
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
