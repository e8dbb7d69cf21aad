"""The couriers of beat: the doorbell message of an execution travels to its node's queue."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from operator import itemgetter
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.serialization import dumps

from dkronpy.carrier import CARRIER_TASK, describe, node_queue
from dkronpy.dispatch.courier import Courier
from dkronpy.node import queue_name
from dkronpy.settings.redis_url import SCHEMES, read_redis_url, scheme_of

log = logging.getLogger(__name__)

CONNECT_SECONDS, PUBLISH_SECONDS = 2.0, 5.0
AWAY_SECONDS = 2.0
"""How long a broker that failed is left alone."""

_EXECUTION, _QUOTED, _DELIVERY, _JOB, _NODE = _MARKS = ("\ue001", "\ue002", "\ue003", "\ue004", "\ue005")
"""Of the private use area, never in a message of kombu's. In the body, a text in a text, the id is quoted twice."""
_SPECIAL = re.compile(r"[\"\\]").search


class RedisCourier:
    """Encloses the message in the commit. kombu builds one; its bytes become the mould for all others."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        options = app.conf.broker_transport_options or {}
        self._prefix = options.get("global_keyprefix", "")
        self._mould: tuple[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]] | None = None
        self._nodes: dict[str, tuple[str, str]] = {}

    def enclose(self, execution_id: str, delivery: int, job: str, node: str) -> tuple[str, bytes]:
        text, pick = self._mould or self._cast()
        queue, named = self._nodes.get(node) or self._learn(node)
        quoted = _quote(execution_id)
        if quoted is execution_id:  # which begins with the job
            return queue, (text % pick((quoted, quoted, delivery, job, named))).encode()
        return queue, (text % pick((quoted, _quote(quoted), delivery, _quote(job), named))).encode()

    def deliver(self, sends: Iterable[tuple[str, int, str, str]]) -> None:
        return None

    def _learn(self, node: str) -> tuple[str, str]:
        """The queue of a node, and its name as it stands inside a JSON string."""
        self._nodes[node] = self._prefix + queue_name(node), _quote(node)
        return self._nodes[node]

    def _cast(self) -> tuple[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]]:
        payload = capture(self._app)
        args, kwargs, embedded = json.loads(payload["body"])
        body = json.dumps([args, kwargs, _told(embedded)])
        payload["body"] = body.replace('["id", 1]', f'["{_QUOTED}", {_DELIVERY}]')
        payload["headers"] = _told(payload["headers"])
        args = describe(_EXECUTION, _JOB, _NODE)
        payload["headers"].update(id=_EXECUTION, root_id=_EXECUTION, shadow=f"job:{_JOB}", argsrepr=args)
        # Celery wants the tag to be unique, and it is
        payload["properties"].update(correlation_id=_EXECUTION, delivery_tag=f"{_EXECUTION}:{_DELIVERY}")
        payload["properties"]["delivery_info"]["routing_key"] = queue_name(_NODE)
        whole = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).replace("%", "%%")
        pieces = re.split("([\ue001-\ue005])", whole)
        text = "".join("%s" if piece in _MARKS else piece for piece in pieces)
        self._mould = text, itemgetter(*(_MARKS.index(piece) for piece in pieces if piece in _MARKS))
        return self._mould


class BrokerCourier:
    """Publishes through kombu after the commit, for every other broker, on a connection of its own.

    A broker that is away is said once and left alone for a while: nobody waits for it, since whatever was not
    delivered stays due in the ledger and is sent again.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Any = None
        self._producer: Any = None
        self._away_until = 0.0
        self._away = False

    def is_reachable(self) -> bool:
        """False while it makes no sense to try."""
        return time.monotonic() >= self._away_until

    def enclose(self, execution_id: str, delivery: int, job: str, node: str) -> tuple[str, bytes]:
        return "", b""

    def deliver(self, sends: Iterable[tuple[str, int, str, str]]) -> None:
        if not self.is_reachable():
            return
        try:
            if self._producer is None:
                self._producer = self._connect()
            for execution_id, delivery, job, node in sends:
                self._publish(execution_id, delivery, job, node)
        except self._failures() as error:
            self._gone(error)
        else:
            if self._away:
                log.warning("the broker at %s takes messages again", self._where)
            self._away = False

    def _connect(self) -> Any:
        """A producer on a new connection. kombu would try for ever where it connects by itself."""
        timeout = PUBLISH_SECONDS
        options = {"confirm_publish": True, "read_timeout": timeout, "write_timeout": timeout}
        amqp = self._app.conf.broker_url.startswith(("amqp://", "amqps://", "pyamqp://"))
        connection = self._app.connection_for_write(
            connect_timeout=CONNECT_SECONDS, transport_options=options if amqp else None
        )
        try:
            connection.ensure_connection(max_retries=0)  # a further try would sleep first, and the lead end
        except BaseException:
            connection.release()
            raise
        self._connection = connection
        return self._app.amqp.Producer(connection, auto_declare=False)

    def _publish(self, execution_id: str, delivery: int, job: str, node: str) -> None:
        self._app.send_task(
            CARRIER_TASK,
            args=(execution_id, delivery),
            task_id=execution_id,
            queue=node_queue(node),
            producer=self._producer,
            retry=False,
            shadow=f"job:{job}",
            argsrepr=describe(execution_id, job, node),
            kwargsrepr="",
            ignore_result=True,
        )

    def _gone(self, error: BaseException) -> None:
        if not self._away:
            log.error("the broker at %s takes no messages: %s; they are sent when it is back", self._where, error)
        self._away = True
        self._away_until = time.monotonic() + AWAY_SECONDS
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            with suppress(*self._failures()):
                connection.release()

    def _failures(self) -> tuple[type[BaseException], ...]:
        connection = self._app.connection_for_write()
        return (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors)

    @property
    def _where(self) -> str:
        return str(self._app.connection_for_write().as_uri())


class _Collector:
    def __init__(self) -> None:
        self.payload = b""

    def add(self, command: str, key: str, payload: bytes) -> None:
        self.payload = payload


def capture(app: Celery) -> dict[str, Any]:
    """A carrier message as kombu's Redis transport would push it, taken before it is pushed."""
    task = app.amqp.create_task_message(
        "id", CARRIER_TASK, args=("id", 1), kwargs={}, shadow="job", argsrepr="()", kwargsrepr="", ignore_result=True
    )
    content_type, encoding, body = dumps(task.body, "json")
    collector = _Collector()
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        channel.body_encoding = "utf-8"  # kombu reads that as it is: base64 only makes it longer
        message = channel.prepare_message(
            body, content_type=content_type, content_encoding=encoding, headers=task.headers, properties=task.properties
        )
        channel.basic_publish(message, exchange="", routing_key="queue", _publish_batch=collector)
    payload: dict[str, Any] = json.loads(collector.payload)
    return payload


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that say something: an empty one is to Celery as one that is missing, which costs nothing."""
    return {name: value for name, value in fields.items() if value not in (None, "", 0, {}, [None, None])}


def _quote(text: str) -> str:
    """*text* as it stands inside a JSON string; ids and names are mostly plain."""
    return text if text.isascii() and text.isprintable() and not _SPECIAL(text) else json.dumps(text)[1:-1]


def courier_for(app: Celery, broker_url: str, store_url: str) -> Courier:
    """Who carries messages: the commit itself where broker and store are one Redis."""
    return RedisCourier(app) if not broker_url or _place(broker_url) == _place(store_url) else BrokerCourier(app)


def _place(url: str) -> tuple[object, ...]:
    url = url.replace("redis+socket://", "unix://", 1)
    return read_redis_url(url).place if scheme_of(url) in SCHEMES else ("broker", url)
