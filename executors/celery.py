"""Sends a task of a user's own Celery application, and waits for its result if asked to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.plugins.options import doc
from dkronpy.plugins.tls import TlsOptions
from dkronpy.plugins.values import Duration, Text, read, read_json, shown

if TYPE_CHECKING:
    from ._celery_sending import Sender

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*")
_MOST_PRIORITY = 255


def _read_args(value: Any) -> tuple[Any, ...]:
    return tuple(read_json(item) for item in read(value, tuple[Any, ...]))


_ARGS = msgspec.Meta(extra={"read": _read_args, "kind": "list of JSON"})


class CeleryTask(TlsOptions, frozen=True):
    """A task by name: ``CeleryTask(secret("shop/broker"), "shop.tasks.close_day", ["today"], queue="shop")``."""

    plugin: ClassVar[str] = "celery"

    broker: Annotated[Text, doc("URL of the application's broker, as Celery writes it: `redis://`, `amqp://`, ...")]
    task: Annotated[str, doc("The task's name, such as `shop.tasks.close_day`.")]
    args: Annotated[tuple[Any, ...], _ARGS, doc("Its positional arguments, JSON values.")] = ()
    kwargs: Annotated[dict[str, Any], doc("Its named arguments, JSON values.")] = {}  # noqa: RUF012 - msgspec copies it for each
    queue: Annotated[str, doc("The queue that it is sent to.")] = "celery"
    priority: Annotated[int | None, doc("The message's priority, where the broker has such.")] = None
    wait: Annotated[bool, doc("Wait for the result: the task's failure is that of the run.")] = False
    result_backend: Annotated[Text, doc("URL of the application's result backend; needed to wait.")] = ""
    timeout: Annotated[
        Duration, doc("For everything: sending, and waiting for the result. 0 is no limit but that of sending, 30 s.")
    ] = timedelta(seconds=30)
    transport_options: Annotated[
        dict[str, Any], doc("More for the broker's transport, such as `global_keyprefix`, as Celery takes them.")
    ] = {}  # noqa: RUF012 - msgspec copies it for each

    def check(self) -> Iterator[Problem]:
        """There must be somewhere to send to, and a result can only be waited for where results are kept."""
        yield from super().check()
        for name in ("broker", "result_backend"):
            value = getattr(self, name)
            if isinstance(value, str) and (value or name == "broker") and not _SCHEME.fullmatch(value):
                hidden = shown(value) if "@" not in value else "it"
                yield self.problem(name, f"{hidden} is not a URL; the form is redis://host:6379/0 or amqp://host//")
        if not self.task or any(character.isspace() for character in self.task):
            yield self.problem("task", f"{shown(self.task)} is not the name of a task; the form is package.module.name")
        if not self.queue:
            yield self.problem("queue", "it is empty", "leave it out for Celery's default, celery")
        if self.priority is not None and not 0 <= self.priority <= _MOST_PRIORITY:
            yield self.problem("priority", f"{self.priority} is not a priority; accepted: 0 to {_MOST_PRIORITY}")
        if self.wait and not self.result_backend:
            yield self.problem("wait", "there is no result to wait for without result_backend")
        if isinstance(self.result_backend, str) and urlsplit(self.result_backend).scheme == "rpc":
            message = "rpc:// gives results only to the connection that sent the task, which a retry has not"
            yield self.problem(
                "result_backend", message, "use the backend of the workers if it is another, or wait=False"
            )


class CeleryExecutor(Executor[CeleryTask]):
    """Sends tasks over connections that are kept between attempts."""

    options = CeleryTask

    def __init__(self) -> None:
        # Options are checked where nothing is ever sent; only a node pays for importing Celery.
        from ._celery_sending import Sender

        self._sender: Sender = Sender()

    def close(self) -> None:
        """Close the kept connections."""
        self._sender.close()

    def execute(self, options: CeleryTask, context: ExecutionContext) -> Outcome:
        """Send the task; its id, or its result as JSON, is the output."""
        return self._sender.run(options, context)
