"""A connection to RabbitMQ with one channel in confirm mode; whatever is awaited on it ends when it does."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pika
from pika import exceptions
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.spec import Basic

from dkronpy.plugins.executor import ExecutorError

_CLOSING = 1.0
_FOR_A_WHILE = frozenset({313, 320, 405, 506, 541})
"""Replies of the broker that another try may not meet: closed by an operator, locked, short of something."""

_SAID = re.compile(r"ConnectionClosedByBroker: \((\d{3})\) (['\"])(.*)\2")

Answer = Callable[..., None]


class Session:
    """Used by one attempt at a time, in the event loop only."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.heard: list[str] = []
        """What the broker said without being asked: that it takes nothing for the moment."""
        loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[BaseException] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._confirmed: asyncio.Future[bool] | None = None
        self._returned = ""
        self._connection: _Connection | None = None
        self.channel: Channel | None = None

    @property
    def usable(self) -> bool:
        """Whether nothing has gone wrong so far."""
        return self.channel is not None and not self._gone.done() and not self.heard

    async def open(self, parameters: pika.ConnectionParameters) -> None:
        """Connect, sign in, open the channel. Raises what pika makes of a failure."""

        def begin(opened: Answer) -> None:
            self._connection = _Connection(parameters, opened, self._failed, self._closed, asyncio.get_running_loop())

        await self.ask(begin)
        assert self._connection is not None  # noqa: S101 - for the type checker; it was made just now
        connection = self._connection
        connection.add_on_connection_blocked_callback(self._blocked)
        connection.add_on_connection_unblocked_callback(lambda *_: self.heard.clear())
        channel: Channel = await self.ask(lambda opened: connection.channel(on_open_callback=opened))
        channel.add_on_close_callback(self._closed_channel)
        channel.add_on_return_callback(self._came_back)
        await self.ask(lambda done: channel.confirm_delivery(self._confirm, callback=done))
        self.channel = channel

    async def ask(self, begin: Callable[[Answer], Any]) -> Any:
        """What is called back to what *begin* is given; raises at once when the connection is gone."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(*found: Any) -> None:
            if not answer.done():
                answer.set_result(found[0] if found else None)

        begin(answered)
        return await self._or_gone(answer)

    async def publish(self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a message, and return once a queue has it. Raises ExecutorError if none does."""
        assert self.channel is not None  # noqa: S101 - for the type checker; open() was awaited
        self._returned = ""
        self._confirmed = asyncio.get_running_loop().create_future()
        self.channel.basic_publish(exchange, key, body, properties, mandatory=True)
        taken = await self._or_gone(self._confirmed)
        if self._returned:
            raise ExecutorError(f"no queue takes the message: {self._returned}")
        if not taken:
            raise ExecutorError(f"{self.where} has refused the message (basic.nack): the queue may be full")

    async def close(self) -> None:
        """End the connection; a broker that does not answer is not waited for."""
        connection = self._connection
        if connection is None:
            return
        with suppress(exceptions.AMQPError):
            connection.close()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._ended), _CLOSING)
        connection.abort()

    async def _or_gone(self, answer: asyncio.Future[Any]) -> Any:
        both: set[asyncio.Future[Any]] = {answer, self._gone}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise self._gone.result()

    def _lost(self, error: BaseException) -> None:
        if not self._gone.done():
            self._gone.set_result(error)

    def _failed(self, _: Any, error: BaseException) -> None:
        self._lost(error)
        if not self._ended.done():
            self._ended.set_result(None)

    _closed = _failed

    def _closed_channel(self, _: Any, error: BaseException) -> None:
        self._lost(error)

    def _confirm(self, frame: Any) -> None:
        if self._confirmed is not None and not self._confirmed.done():
            self._confirmed.set_result(isinstance(frame.method, Basic.Ack))

    def _came_back(self, _channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        self._returned = f"{method.reply_code} {method.reply_text}"

    def _blocked(self, _: Any, frame: Any) -> None:
        self.heard.append(f"it takes no messages for the moment: {frame.method.reason}")


class _Connection(AsyncioConnection):  # type: ignore[misc]
    def abort(self) -> None:
        """End it at once, asking nobody."""
        if not self.is_closed:
            with suppress(exceptions.AMQPError):
                self._terminate_stream(exceptions.StreamLostError("given up"))

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        """The frames of a message in one write: pika makes a packet of each, and the broker wakes up for each."""
        super()._output_marshaled_frames([b"".join(marshaled_frames)])


def refused(where: str, error: BaseException) -> ExecutorError:
    """What *error* means, in one line, in the broker's own words where it has said something."""
    causes = list(_causes(error))
    for cause in causes:
        code, text = _reply(cause)
        if code:
            return ExecutorError(f"{where} says: {code} {text}", retryable=code in _FOR_A_WHILE)
    for cause in causes:
        if isinstance(cause, OSError):
            return ExecutorError(_connecting(where, cause))
    if isinstance(error, exceptions.StreamLostError):
        return ExecutorError(f"lost the connection to {where}")
    return ExecutorError(f"no connection to {where}: {error!r}")


def _reply(cause: BaseException) -> tuple[int, str]:
    """Code and text of what the broker said when it closed something; 0 if it said nothing."""
    if isinstance(cause, (exceptions.ConnectionClosed, exceptions.ChannelClosed)):
        return cause.reply_code, cause.reply_text
    # Of a refusal while signing in, pika keeps the text alone.
    found = _SAID.fullmatch(str(cause.args[0])) if cause.args else None
    return (int(found[1]), found[3]) if found else (0, "")


def _connecting(where: str, cause: OSError) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {where} cannot be trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS with {where} failed: {str(cause.reason or cause).replace('_', ' ').lower()}"
    if isinstance(cause, socket.gaierror):
        return f"cannot find {where}: {cause.strerror}"
    return f"no connection to {where}: {cause.strerror or cause}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """*error* and all that it was made of: pika puts errors into the arguments of others, and into lists."""
    yield error
    for part in (*error.args, *getattr(error, "exceptions", ()), getattr(error, "exception", None), error.__cause__):
        if isinstance(part, BaseException):
            yield from _causes(part)
