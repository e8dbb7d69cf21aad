"""The Celery worker of an agent: one queue, a thread pool, and no message that can bring it down."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

import msgspec
from celery import Celery, signals
from celery.apps.worker import Worker
from celery.utils.threads import bound_open_broker_sockets
from celery.worker.consumer import Consumer
from celery.worker.state import reserved_requests
from kombu import Message, serialization
from kombu.common import ignore_errors
from kombu.transport.redis import Channel, Empty, Transport
from redis.exceptions import ResponseError

from dkronpy.agent.doorbell import JSON
from dkronpy.agent.threads import Threads
from dkronpy.carrier import node_queue
from dkronpy.node import queue_name
from dkronpy.store.quarantine import Quarantine
from dkronpy.transport import URL, FollowingChannel

EVENTS = "dkronpy-events"
"""kombu's name of a serializer of ours: JSON as any other, at a tenth of the cost."""
QUARANTINE, CAPACITY = "dkronpy_quarantine", "dkronpy_capacity"
REDIS = ("redis://", "rediss://", "redis+socket://")
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What comes of reading as a message what is none."""
_AGAIN_SECONDS = 1.0
_ANOTHER_OUTAGE_SECONDS = 30.0
_CLOSE_SECONDS = 5.0
_GATHER_SECONDS = 0.25
"""For so long Celery's events are gathered before they are sent in one message."""
_MOST_EVENTS = 1000
_SOON_SECONDS = 0.01
"""Where a message follows another within this time, more are likely to wait."""

log = logging.getLogger(__name__)


class Quarantining:
    """A Redis channel of kombu that sets aside what is not a message at all, instead of ending the worker.

    Where message follows message it takes as many at once as there is room for.
    """

    client: Any
    connection: Any
    qos: Any
    sep: str
    _taken_at = 0.0

    def _brpop_read(self, **options: Any) -> Any:
        queue = self._take(**options)
        now = time.monotonic()
        soon, self._taken_at = now - self._taken_at < _SOON_SECONDS, now
        room = self.connection.client.transport_options[CAPACITY] - len(reserved_requests)
        if soon and room > 0:
            name = queue.decode().rsplit(self.sep, 1)[0]  # what follows is a priority
            for raw in self.client.rpop(queue, room) or ():
                try:
                    self.connection._deliver(msgspec.json.decode(raw), name)  # noqa: SLF001 - of the class mixed with
                except UNREADABLE as error:
                    self._set_aside(queue, raw, error)
        return True

    def _take(self, **options: Any) -> bytes:
        """Let kombu deliver the message that it has asked for; the queue that it was in."""
        client = self.client
        parse = client.parse_response
        queue = raw = b""

        def remember(*args: Any, **kwargs: Any) -> Any:
            nonlocal queue, raw
            found = parse(*args, **kwargs)
            queue, raw = found or (queue, raw)
            return found

        client.parse_response = remember
        try:
            super()._brpop_read(**options)  # type: ignore[misc]  # of the channel that this is mixed with
        except UNREADABLE as error:
            if not raw:
                raise
            self._set_aside(queue, raw, error)
            raise Empty from error
        finally:
            del client.parse_response
        return queue

    def _set_aside(self, queue: bytes, raw: bytes, error: Exception) -> None:
        keep: Quarantine = self.connection.client.transport_options[QUARANTINE]
        keep.message(queue.decode(), raw, f"{type(error).__name__}: {error}")

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        # Celery acknowledges every message; one that was taken without a receipt needs no round trip for that.
        if delivery_tag in self.qos._delivered:  # noqa: SLF001 - kombu asks it nowhere in public
            super().basic_ack(delivery_tag, multiple)  # type: ignore[misc]


class QuarantineChannel(Quarantining, Channel):  # type: ignore[misc]  # no types there
    """On one server."""


class FollowingQuarantineChannel(Quarantining, FollowingChannel):
    """Behind Sentinels and in a Cluster."""


class QuarantineTransport(Transport):  # type: ignore[misc]  # no types there
    """The Redis transport with that channel; a server that refuses anything is a lost connection, not the end.

    It is full, or a replica by now, has too few replicas or no room on its disk: it says so in one way or another, and
    is asked again, each time after a pause.
    """

    Channel = QuarantineChannel
    connection_errors = (*Transport.connection_errors, ResponseError)


class FollowingQuarantineTransport(QuarantineTransport):
    """The transport that follows the master, with that channel."""

    Channel = FollowingQuarantineChannel


class QuarantineConsumer(Consumer):  # type: ignore[misc]  # no types there
    """Celery's consumer, which keeps what it must refuse: unknown tasks, unknown formats, bodies that do not decode.

    Of a broker that gives no messages it says so once, and asks it once a second: Celery asks five times in a row, with
    a line each, and calls that critical.
    """

    connection: Any
    _said = ""
    _failed = 0.0
    _gathers = False

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        # Where there are no receipts nothing goes to the broker: no reason to wake the loop for each start.
        if not self.app.conf.worker_disable_prefetch or p.__name__ != Message.ack_log_error.__name__:
            return super().call_soon_ack(self._answer, p, *args, **kwargs)
        return p(*args, **kwargs)

    def _answer(self, p: Any, *args: Any, **kwargs: Any) -> None:
        # What came over a connection that is gone, the broker has given out again. An answer to it would fail, and that
        # is taken for the end of the connection there is now.
        if p.__self__.channel is self.task_consumer.channel:
            p(*args, **kwargs)

    def register_with_event_loop(self, hub: Any) -> None:
        super().register_with_event_loop(hub)
        self._gathers = False
        self.event_dispatcher.buffer_limit = _MOST_EVENTS
        self.event_dispatcher.serializer = EVENTS

    def on_send_event_buffered(self) -> None:
        # Celery sends what tells of tasks one by one where they are short: two thirds of what taking messages cost.
        # This may come from any thread; the loop's timers are for the loop alone.
        if not self._gathers:
            self._gathers = True
            self.hub.call_soon(self._gather)

    def _gather(self) -> None:
        self.hub.call_later(_GATHER_SECONDS, self._tell)

    def _tell(self) -> None:
        self._gathers = False
        self._flush_events()

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        self._away(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        # As Celery does: what is left open keeps its messages from us until the broker misses a heartbeat.
        connection, self.connection = self.connection, None
        bound_open_broker_sockets(connection, _CLOSE_SECONDS)
        with suppress(Exception):
            connection.collect(socket_timeout=_CLOSE_SECONDS)
        ignore_errors(connection, connection.close)
        self._away(exc)

    def _away(self, error: Exception) -> None:
        now, says = time.monotonic(), " ".join(str(error).split()) or type(error).__name__
        if says != self._said or now - self._failed > _ANOTHER_OUTAGE_SECONDS:
            log.warning("no messages come from the broker: %s; asking again every second", says)
        self._said, self._failed = says, now
        time.sleep(_AGAIN_SECONDS)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self._keep(message, "not a Celery message")
        super().on_unknown_message(body, message)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._keep(message, f"unknown task {exc}")
        message.reject_log_error(None, self.connection_errors)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._keep(message, f"invalid task message: {exc}")
        super().on_invalid_task(body, message, exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._keep(message, f"body does not decode: {exc}")
        message.ack()

    def _keep(self, message: Any, error: str) -> None:
        keep: Quarantine = self.app.conf[QUARANTINE]
        queue = (message.delivery_info or {}).get("routing_key", "?")
        body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
        keep.message(queue, body, error)


class EndingWorker(Worker):  # type: ignore[misc]  # no types there
    """Celery's worker, which says that it ends also where no signal of the system made it: Celery says so of those."""

    def on_close(self) -> None:
        signals.worker_shutting_down.send(sender=self.hostname, sig="", how="Warm", exitcode=self.exitcode)
        super().on_close()


def make_worker(app: Celery, *, node: str, host: str, capacity: int, quarantine: Quarantine) -> Worker:
    """A worker that consumes the node's queue only, named after the node."""
    on_redis = app.conf.broker_url.startswith(REDIS)
    # kombu keeps a copy of each message until it is acknowledged: writes that a doorbell does not need, since whoever
    # does not claim in time is rung again, and that a full store refuses.
    app.conf.task_queues = [node_queue(node, no_ack=on_redis)]
    app.conf.task_default_queue = queue_name(node)
    app.conf[QUARANTINE] = quarantine
    # It guards against late acknowledgements, which we do not use; on RabbitMQ a worker that lost its connection in the
    # middle of a task may consume nothing any more afterwards.
    app.conf.worker_enable_prefetch_count_reduction = False
    app.conf.worker_disable_prefetch = on_redis
    if on_redis:
        follows = URL in app.conf.broker_transport_options
        app.conf.broker_transport = f"{__name__}:{'Following' if follows else ''}QuarantineTransport"
        app.conf.broker_transport_options = {
            **app.conf.broker_transport_options, QUARANTINE: quarantine, CAPACITY: capacity,
        }  # fmt: skip
    serialization.register(EVENTS, msgspec.json.encode, None, content_type=JSON)
    app.conf.worker_consumer = f"{__name__}:QuarantineConsumer"
    return app.subclass_with_self(EndingWorker, reverse="Worker")(
        hostname=f"{node}@{host}",
        pool=Threads,
        concurrency=capacity,
        without_gossip=True,
        without_mingle=True,
        quiet=True,
        loglevel="INFO",
    )
