"""Sends one message to RabbitMQ and waits until the broker has it in a queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.plugins.options import doc
from dkronpy.plugins.registry import import_extra
from dkronpy.plugins.tls import TlsOptions
from dkronpy.plugins.values import Duration, Rejected, Text, read_bool

from ._messaging import HEADERS

if TYPE_CHECKING:
    from ._rabbitmq_attempt import Sessions

ExchangeType = Literal["", "direct", "fanout", "topic", "headers"]
RabbitMQT = TypeVar("RabbitMQT", bound="RabbitMQ")

_OTHER_KEYS = {"message.base64": "message.base64Body"}
_TLS_IN_URL = {"cacertfile": "tls_ca", "certfile": "tls_cert", "keyfile": "tls_key"}
_SHORT, _PRIORITY = 255, 255


def _read_create(value: Any) -> bool:
    """In Dkron, whatever is there, but for ``false``."""
    try:
        return read_bool(value)
    except Rejected:
        return isinstance(value, str)


_CREATE = msgspec.Meta(extra={"read": _read_create, "kind": "bool"})


class RabbitMQ(TlsOptions, frozen=True):
    """A message: ``RabbitMQ("amqp://sched@mq/prod", "invoices", "go", password=secret("mq/password"))``."""

    plugin: ClassVar[str] = "rabbitmq"

    url: Annotated[Text, doc("`amqp://user:password@host:port/vhost`, or `amqps://` for TLS.")]
    queue: Annotated[Text, doc("The queue; also the routing key, unless there is another.", dkron="queue.name")] = ""
    message: Annotated[Text, doc("The message, as UTF-8.", dkron="message.body")] = ""
    message_base64: Annotated[
        bytes, doc("The message as base64; also `message.base64`.", dkron="message.base64Body")
    ] = b""
    user: Annotated[Text, doc("Who signs in, instead of the one in the URL.")] = ""
    password: Annotated[Text, doc("The password, instead of the one in the URL.")] = ""
    exchange: Annotated[Text, doc("The exchange; by default the one that knows every queue by its name.")] = ""
    routing_key: Annotated[Text | None, doc("The routing key, if it is not the queue's name.")] = None
    queue_create: Annotated[bool, _CREATE, doc("Declare the queue first.", dkron="queue.create")] = False
    queue_durable: Annotated[bool, doc("It outlives the broker's restart.", dkron="queue.durable")] = False
    queue_auto_delete: Annotated[bool, doc("It goes when its last consumer does.", dkron="queue.auto_delete")] = False
    queue_exclusive: Annotated[
        bool, doc("It is this connection's alone, and goes with it.", dkron="queue.exclusive")
    ] = False
    queue_arguments: Annotated[dict[str, Any], doc('A table: `{"x-queue-type": "quorum"}`.')] = {}  # noqa: RUF012 - msgspec copies it for each
    queue_bind: Annotated[bool, doc("Bind the queue to the exchange first.")] = False
    exchange_type: Annotated[ExchangeType, doc("Declare the exchange first, of this type.")] = ""
    exchange_durable: Annotated[bool, doc("It outlives the broker's restart.")] = True
    content_type: Annotated[Text, doc("The type of the content.", dkron="message.content_type")] = "text/plain"
    delivery_mode: Annotated[
        int, doc("2: kept on disk by a durable queue; 1: not; 0: not said.", dkron="message.delivery_mode")
    ] = 0
    message_id: Annotated[
        Text, doc("By default the id of the execution, the same for each attempt.", dkron="message.messageId")
    ] = ""
    headers: Annotated[dict[str, Text], HEADERS, doc("A table; also as JSON text.")] = {}  # noqa: RUF012 - msgspec copies it for each
    priority: Annotated[int | None, doc("0 to 255, for queues with `x-max-priority`.")] = None
    ttl: Annotated[Duration | None, doc("The broker drops the message when nobody took it for so long.")] = None
    timeout: Annotated[Duration, doc("For everything: connecting, declaring, the confirmation. 0 is no limit.")] = (
        timedelta(seconds=30)
    )
    debug: Annotated[bool, doc("Show in the output what is sent where; never a credential.")] = False

    @classmethod
    def from_config(cls: type[RabbitMQT], config: Mapping[str, Any], *, job: str = "") -> RabbitMQT:  # noqa: PYI019 - Self is not in Python 3.10
        """As the options of every plugin; takes the key of Dkron's documentation for ``message.base64Body`` as well."""
        return super().from_config({_OTHER_KEYS.get(key, key): value for key, value in config.items()}, job=job)

    @classmethod
    def missing(cls, name: str) -> str:
        """Dkron's words for what is not there."""
        return f"RabbitMQ {'queue name' if name == 'queue' else name} is empty"

    def check(self) -> Iterator[Problem]:
        """The address must be usable, and there must be a way to a queue."""
        yield from super().check()
        if not self.url:
            yield self.problem("url", self.missing("url"))
        elif isinstance(self.url, str):
            yield from self._check_url(self.url)
        if not self.queue and (not self.exchange or self.queue_create or self.queue_bind):
            yield self.problem("queue", self.missing("queue"))
        if self.message and self.message_base64:
            yield self.problem("message_base64", "RabbitMQ message.body and message.base64Body are both set")
        if not self.exchange:
            for name in ("exchange_type", "queue_bind"):
                if getattr(self, name):
                    yield self.problem(name, "it needs exchange, the name of one")
        yield from self._check_sizes()

    def _check_url(self, url: str) -> Iterator[Problem]:
        form = "amqp://user:password@host:port/vhost"
        try:
            parts = urlsplit(url)
            usable = (
                parts.scheme in ("amqp", "amqps") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
            )
        except ValueError:
            usable = False
        if not usable:
            yield Problem("executor_config.url", None, f"it is not the URL of a RabbitMQ; the form is {form}")
            return
        for key, ours in _TLS_IN_URL.items():
            if key in parse_qs(parts.query):
                yield Problem("executor_config.url", None, f"{key} in a URL is not read", f"use {ours}")
        if parts.scheme == "amqp":
            for name in ("tls_ca", "tls_cert", "tls_no_verify"):
                if getattr(self, name):
                    yield self.problem(name, "it means nothing without TLS", "write amqps://")

    def _check_sizes(self) -> Iterator[Problem]:
        if not 0 <= self.delivery_mode <= _PRIORITY:
            yield self.problem("delivery_mode", "accepted: 0 to 255; 1 is transient, 2 persistent")
        if self.priority is not None and not 0 <= self.priority <= _PRIORITY:
            yield self.problem("priority", "accepted: 0 to 255")
        for name in ("queue", "exchange", "routing_key", "message_id", "content_type"):
            value = getattr(self, name)
            if isinstance(value, str) and len(value.encode()) > _SHORT:
                yield self.problem(name, f"it is longer than {_SHORT} bytes, the most that AMQP takes")


class RabbitMQExecutor(Executor[RabbitMQ]):
    """Sends messages over connections that are kept between attempts."""

    options = RabbitMQ

    def __init__(self) -> None:
        # Options are checked where nothing is ever sent; only a node pays for the client, and needs it.
        import_extra("pika", extra="rabbitmq", plugin="rabbitmq")
        from ._rabbitmq_attempt import Sessions

        self._sessions: Sessions = Sessions()

    def close(self) -> None:
        """Close the kept connections."""
        self._sessions.close()

    def kept(self) -> int:
        """How many of them there are now."""
        return len(self._sessions)

    def execute(self, options: RabbitMQ, context: ExecutionContext) -> Outcome:
        """Send the message; a queue has it when this is a success."""
        return self._sessions.send(options, context)
