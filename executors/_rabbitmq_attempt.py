"""One attempt at sending a message to RabbitMQ, over a connection that may have served before."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

import pika

from dkronpy.plugins.executor import ExecutionContext, ExecutorError, Outcome
from dkronpy.plugins.tls import client_context, fingerprint
from dkronpy.plugins.values import as_timedelta

from ._loop import Loop
from ._messaging import marks, payload, time_limit
from ._pool import Pool
from ._rabbitmq_session import Session, refused

if TYPE_CHECKING:
    from .rabbitmq import RabbitMQ

_PORTS = {"amqp": 5672, "amqps": 5671}
_LET_IN = 10
_MANAGEMENT_NAME = "amq.default"
_MS = timedelta(milliseconds=1)


class Sessions:
    """The connections of a node. Safe to use from several threads."""

    def __init__(self) -> None:
        self._loop = Loop("rabbitmq")
        self._pool: Pool[Session] = Pool(self._drop)
        logger = logging.getLogger("pika")
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)  # it logs every failure at length; the outcome says it in a line

    def __len__(self) -> int:
        return len(self._pool)

    def close(self) -> None:
        """Close the idle ones, and end the loop."""
        self._pool.close()
        self._loop.close()

    def send(self, options: RabbitMQ, context: ExecutionContext) -> Outcome:
        """Send the message of *options*. Raises ExecutorError if no queue has it."""
        limit, heard = time_limit(options.timeout, context), list[str]()
        where = _where(_address(options))
        missing = f"no confirmation from {where}"
        if options.debug:
            told = f"> exchange {_exchange(options)!r}, routing key {_routing_key(options)!r} at {where}\n"
            context.write(told.encode())
        self._loop.run(self._attempt(options, context, where, heard), limit, context, missing, heard)
        return Outcome(success=True, message=f"confirmed by {where}")

    async def _attempt(self, options: RabbitMQ, context: ExecutionContext, where: str, heard: list[str]) -> None:
        key = (str(options.url), str(options.user), str(options.password), *fingerprint(options))
        session = self._take(key) or Session(where)
        session.heard = heard
        try:
            if session.channel is None:
                await session.open(parameters(options))
            await _declare(session, options)
            body = payload(options.message, options.message_base64)
            await session.publish(_exchange(options), _routing_key(options), body, _properties(options, context))
        except BaseException as error:
            self._drop(session)
            if isinstance(error, Exception) and not isinstance(error, ExecutorError):
                raise refused(where, error) from None
            raise
        session.heard = []
        if options.queue_create and options.queue_exclusive:
            self._drop(session)  # the queue would be locked for whoever gets another connection
        else:
            self._pool.give(key, session)

    def _take(self, key: tuple[object, ...]) -> Session | None:
        while (session := self._pool.take(key)) is not None:
            if session.usable:
                return session
            self._drop(session)
        return None

    def _drop(self, session: Session) -> None:
        self._loop.background(session.close())


def _address(options: RabbitMQ) -> SplitResult:
    """The parts of the URL. Raises ExecutorError if a secret has made it unusable."""
    try:
        parts = urlsplit(str(options.url))
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ExecutorError("url: it is not the URL of a RabbitMQ", retryable=False)
    return parts


def _where(parts: SplitResult) -> str:
    return f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"


def parameters(options: RabbitMQ) -> pika.ConnectionParameters:
    """What pika is told. The attempt keeps the time; what pika has for that only lets it try the next address."""
    parts = _address(options)
    user = str(options.user) or unquote(parts.username or "guest")
    password = str(options.password) or unquote(parts.password or ("" if parts.username else "guest"))
    tls = None
    if parts.scheme == "amqps":
        tls = pika.SSLOptions(client_context(options), parts.hostname)
    return pika.ConnectionParameters(
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        virtual_host=unquote(parts.path[1:]) or "/",
        credentials=pika.PlainCredentials(user, password),
        ssl_options=tls,
        connection_attempts=1,
        socket_timeout=_LET_IN,
        stack_timeout=_LET_IN,
        client_properties={"connection_name": "dkronpy"},
    )


async def _declare(session: Session, options: RabbitMQ) -> None:
    channel, queue, exchange = session.channel, str(options.queue), _exchange(options)
    assert channel is not None  # noqa: S101 - for the type checker; the session is open
    if options.exchange_type:
        kind, durable = options.exchange_type, options.exchange_durable
        await session.ask(lambda done: channel.exchange_declare(exchange, kind, durable=durable, callback=done))
    if options.queue_create:
        await session.ask(
            lambda done: channel.queue_declare(
                queue,
                durable=options.queue_durable,
                auto_delete=options.queue_auto_delete,
                exclusive=options.queue_exclusive,
                arguments=dict(options.queue_arguments),
                callback=done,
            )
        )
    if options.queue_bind:
        key = _routing_key(options)
        await session.ask(lambda done: channel.queue_bind(queue, exchange, key, callback=done))


def _exchange(options: RabbitMQ) -> str:
    """The default exchange has no name; the one that its management shows is accepted for it."""
    name = str(options.exchange)
    return "" if name == _MANAGEMENT_NAME else name


def _routing_key(options: RabbitMQ) -> str:
    return str(options.queue if options.routing_key is None else options.routing_key)


def _properties(options: RabbitMQ, context: ExecutionContext) -> pika.BasicProperties:
    headers: dict[str, Any] = {name: str(value) for name, value in options.headers.items()}
    ttl = None if options.ttl is None else as_timedelta(options.ttl) or timedelta(0)
    return pika.BasicProperties(
        content_type=str(options.content_type),
        delivery_mode=options.delivery_mode or None,
        message_id=str(options.message_id) or context.execution_id,
        headers=headers | marks(context, headers),
        priority=options.priority,
        expiration=None if ttl is None else str(ttl // _MS),
    )
