"""The connections of an attempt to a user's broker and result backend, set so that nothing hangs for long."""

from __future__ import annotations

import ssl
from collections.abc import Container, Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.app.backends import by_url
from kombu import Queue
from kombu.utils.url import url_to_parts

from dkronpy.plugins.executor import ExecutionContext, ExecutorError
from dkronpy.plugins.tls import client_context, fingerprint

if TYPE_CHECKING:
    from .celery import CeleryTask

_CONNECT, _TALK = 3.0, 5.0
# Without these kombu tries for ever to connect, and neither library has a time limit of its own.
_PATIENCE: dict[str, Any] = {
    "max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1,
    "connect_retries_timeout": _CONNECT,
}  # fmt: skip
_RETRIES: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "timeout": _CONNECT}
_REDIS: dict[str, Any] = {
    "socket_connect_timeout": _CONNECT, "socket_timeout": _TALK, "retry_on_timeout": False,
}  # fmt: skip
# RabbitMQ says only on request that it has a message.
_AMQP: dict[str, Any] = {"confirm_publish": True, "read_timeout": _TALK, "write_timeout": _TALK}
_ALWAYS_TLS = frozenset({"rediss", "amqps"})
_OTHERWISE = 406
_BY_SCHEME = {"redis": _REDIS, "rediss": _REDIS, "sentinel": _REDIS, "amqp": _AMQP, "amqps": _AMQP, "pyamqp": _AMQP}


def wire_key(options: CeleryTask) -> Hashable:
    """What a wire is made of. Raises ExecutorError for TLS files that are not there."""
    settings = repr(sorted(options.transport_options.items()))
    return (str(options.broker), str(options.result_backend), settings, fingerprint(options))


class Wire:
    """A connection to the broker, and one to the result backend; for one attempt at a time.

    The application is not the user's (his code need not be here) nor the current one. URLs are handed on
    explicitly: in an application's configuration, CELERY_BROKER_URL of the node's environment would replace them.
    """

    def __init__(self, options: CeleryTask) -> None:
        scheme = _scheme(str(options.broker))
        backend_tls = _tls(options, str(options.result_backend), _ALWAYS_TLS)
        self.fresh = True
        self.app = Celery("dkronpy.sender", set_as_current=False)
        self.app.conf.update(
            task_serializer="json", accept_content=["json"], result_accept_content=["json"],
            redis_socket_timeout=_TALK, redis_socket_connect_timeout=_CONNECT, redis_retry_on_timeout=False,
            result_backend_always_retry=False,
            result_backend_transport_options={"retry_policy": _RETRIES},
            redis_backend_use_ssl=backend_tls,
        )  # fmt: skip
        self.connection = self.app.connection_for_write(
            str(options.broker),
            connect_timeout=_CONNECT,
            ssl=_tls(options, str(options.broker), _BY_SCHEME),
            transport_options={**_PATIENCE, **_BY_SCHEME.get(scheme, {}), **options.transport_options},
        )
        self._backend: Any = None
        self._backend_url = str(options.result_backend)

    @property
    def backend(self) -> Any:
        """Where results are. Raises what an unknown kind of backend raises."""
        if self._backend is None:
            kind, url = by_url(self._backend_url, self.app.loader)
            self._backend = kind(app=self.app, url=url or self._backend_url)
        return self._backend

    def send(self, options: CeleryTask, context: ExecutionContext, time_limit: int | None) -> None:
        """Send the task; returns once the broker has it. Raises what the broker's library raises."""
        message = self.app.amqp.create_task_message(
            context.execution_id, options.task, list(options.args), options.kwargs,
            time_limit=time_limit, root_id=context.execution_id,
            ignore_result=not options.wait,
            # Values of secrets may be among them, and these texts are what workers log and Flower shows.
            argsrepr="(...)", kwargsrepr="{...}",
        )  # fmt: skip
        headers = {"idempotency-key": context.execution_id, "dkronpy-fencing-token": str(context.token)}
        headers |= context.trace
        settings: dict[str, Any] = {"retry": False, "headers": headers, "serializer": "json"}
        if options.priority is not None:
            settings["priority"] = options.priority
        queue = Queue(options.queue, routing_key=options.queue)
        try:
            self._publish(options.task, message, queue, settings)
        except self.connection.channel_errors as error:
            if getattr(error, "reply_code", None) != _OTHERWISE:
                raise
            # The queue is there, and has arguments that we do not know (a quorum queue); so it need not be declared.
            self.connection.release()
            self.connection = self.connection.clone()
            queue = Queue(options.queue, routing_key=options.queue, no_declare=True)
            self._publish(options.task, message, queue, settings)

    def _publish(self, task: str, message: Any, queue: Queue, settings: dict[str, Any]) -> None:
        producer = self.app.amqp.Producer(self.connection, auto_declare=False)
        self.app.amqp.send_task_message(producer, task, message, queue=queue, **settings)

    def revoke(self, task_id: str) -> None:
        """Tell the workers to end the task, and not to begin it."""
        mailbox = self.app.control.mailbox(self.connection)
        mailbox.producer_pool = None  # which knows but the application's own connection
        mailbox._broadcast("revoke", {"task_id": task_id, "terminate": True, "signal": "SIGTERM"})  # noqa: SLF001 - kombu offers no other way to name the connection

    def close(self) -> None:
        """Close both connections, and what they would keep open until the garbage is collected."""
        transport: Any = vars(self.connection).get("_transport")
        client: Any = vars(self._backend).get("client") if self._backend is not None else None
        with suppress(Exception):  # here and below: what is broken, or was never opened, is of no use any more
            self.connection.release()
        with suppress(Exception):
            transport.cycle.poller.close()
        with suppress(Exception):
            client.connection_pool.disconnect()
        with suppress(Exception):
            self.app.close()


def where(url: str) -> str:
    """The host and port of a broker or backend, without user and password."""
    rest = url.partition(";")[0].partition("://")[2]
    return rest.rpartition("@")[2].partition("?")[0].partition("/")[0] or url.partition(":")[0]


def _scheme(url: str) -> str:
    try:
        return str(url_to_parts(url).scheme)
    except ValueError as error:
        raise ExecutorError(f"the broker's URL cannot be used: {error}", retryable=False) from None


def _tls(options: CeleryTask, url: str, schemes: Container[str]) -> dict[str, Any] | None:
    """TLS as the libraries take it, for a URL whose scheme is one of *schemes*; None for none.

    A URL such as rediss:// asks for it, as the TLS options do; but what it says of TLS in its query is left alone.
    """
    scheme = _scheme(url)
    named = {"ca_certs": options.tls_ca, "certfile": options.tls_cert, "keyfile": options.tls_key or options.tls_cert}
    given: dict[str, Any] = {name: path for name, path in named.items() if path}
    wanted = scheme in _ALWAYS_TLS or given or options.tls_no_verify
    if scheme not in schemes or not wanted or "ssl_" in url.partition("?")[2]:
        return None
    client_context(options)  # names the file that cannot be used
    # By themselves kombu takes any certificate for rediss://, and py-amqp one for any name.
    given["cert_reqs"] = ssl.CERT_NONE if options.tls_no_verify else ssl.CERT_REQUIRED
    if _BY_SCHEME[scheme] is _REDIS:
        return {f"ssl_{name}": value for name, value in given.items()}
    return given if options.tls_no_verify else {**given, "server_hostname": None}
