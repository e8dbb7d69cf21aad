"""Producers of librdkafka that serve one attempt at a time, so that errors and time limits are that attempt's."""

from __future__ import annotations

import re
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from dkronpy.plugins.executor import ExecutionContext, ExecutorError, Outcome
from dkronpy.plugins.registry import import_extra
from dkronpy.plugins.tls import client_context, fingerprint

from ._messaging import EarlyEnd, ended_early, marks, payload, time_limit
from ._pool import Pool

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

    from .kafka import Kafka

_SLICE = 0.05
_PURGED = 1.0
_ANY = -1
_RETRIES = 8
_LARGEST = 1_000_000_000
_PARTITIONERS = {"fnv1a": "fnv1a_random", "murmur2": "murmur2_random", "crc32": "consistent_random"}
_MECHANISMS = {"plain": "PLAIN", "sha256": "SCRAM-SHA-256", "sha512": "SCRAM-SHA-512"}
_FINAL = frozenset({
    "CLUSTER_AUTHORIZATION_FAILED", "INVALID_MSG", "INVALID_MSG_SIZE", "INVALID_RECORD", "MSG_SIZE_TOO_LARGE",
    "POLICY_VIOLATION", "SASL_AUTHENTICATION_FAILED", "SECURITY_DISABLED", "TOPIC_AUTHORIZATION_FAILED",
    "TOPIC_EXCEPTION", "UNKNOWN_TOPIC_OR_PART", "UNSUPPORTED_COMPRESSION_TYPE", "UNSUPPORTED_SASL_MECHANISM",
    "UNSUPPORTED_VERSION", "_AUTHENTICATION", "_INVALID_ARG", "_UNKNOWN_PARTITION", "_UNKNOWN_TOPIC",
})  # fmt: skip
_NOISE = re.compile(r" \(after \d+ms in state [^)]*\)|^\S+://|/(?:bootstrap|\d+)(?=:)")

Settings = dict[str, Any]


class Producers:
    """The producers of a node. Safe to use from several threads."""

    def __init__(self) -> None:
        self._library = import_extra("confluent_kafka", extra="kafka", plugin="kafka")
        self._pool: Pool[_Line] = Pool(_Line.close, per_key=4, total=16)

    def __len__(self) -> int:
        return len(self._pool)

    def close(self) -> None:
        """Close the idle ones."""
        self._pool.close()

    def send(self, options: Kafka, context: ExecutionContext) -> Outcome:
        """Send the message of *options*. Raises ExecutorError if the brokers did not acknowledge it."""
        end, limit = EarlyEnd(context), time_limit(options.timeout, context)
        deadline = None if limit is None else time.monotonic() + limit
        settings = configuration(options)
        key = (*fingerprint(options), *sorted((name, str(value)) for name, value in settings.items()))
        line = self._pool.take(key) or self._new(options, settings)
        try:
            outcome = _Delivery(line, options, context, end, deadline, limit).make()
        except BaseException as error:
            line.close()  # what it still holds must not be sent by a later attempt
            if isinstance(error, self._library.KafkaException):
                raise _refused(options, error.args[0]) from None
            raise
        self._pool.give(key, line)
        return outcome

    def _new(self, options: Kafka, settings: Settings) -> _Line:
        if options.tls:
            client_context(options)  # files that cannot be used are named here, as everywhere
        try:
            return _Line(self._library.Producer, settings)
        except self._library.KafkaException as error:
            raise ExecutorError(f"Kafka's client refuses the options: {error.args[0].str()}", retryable=False) from None


def configuration(options: Kafka) -> Settings:
    """What librdkafka is told. Its own time limits are off where they can be: the attempt keeps the time."""
    settings: Settings = {
        "bootstrap.servers": str(options.brokers),
        "client.id": "dkronpy",
        "acks": "all",
        "enable.idempotence": options.idempotent,
        "message.timeout.ms": 0,
        "message.send.max.retries": _RETRIES,
        "message.max.bytes": _LARGEST,  # what is too large, the broker says
        "linger.ms": 0,
        "socket.nagle.disable": True,
        "reconnect.backoff.max.ms": 1000,
        "topic.metadata.propagation.max.ms": 2000,
        "allow.auto.create.topics": options.create_topic,
        "compression.type": options.compression,
        "partitioner": _PARTITIONERS[options.partitioner],
        "security.protocol": ("sasl_" if options.sasl_mechanism else "") + ("ssl" if options.tls else "plaintext"),
        "log_level": 0,  # all of it comes as errors, too
    }
    if options.sasl_mechanism:
        settings["sasl.mechanism"] = _MECHANISMS[options.sasl_mechanism]
        settings["sasl.username"] = str(options.sasl_username)
        settings["sasl.password"] = str(options.sasl_password)
    if options.tls:
        settings |= _tls(options)
    return settings


def _tls(options: Kafka) -> Settings:
    settings: Settings = {"ssl.ca.location": options.tls_ca or _system_roots()}
    if options.tls_cert:
        settings["ssl.certificate.location"] = options.tls_cert
        settings["ssl.key.location"] = options.tls_key or options.tls_cert
    if options.tls_no_verify:
        settings["enable.ssl.certificate.verification"] = False
        settings["ssl.endpoint.identification.algorithm"] = "none"
    return settings


def _system_roots() -> str:
    """Where the machine has its authorities; librdkafka's OpenSSL is its own and does not know."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return str(paths.cafile or paths.capath)
    import certifi

    return certifi.where()


def _refused(options: Kafka, error: Any) -> ExecutorError:
    return ExecutorError(
        f"topic {options.topic!s} has not got the message: {error.str()} ({error.name()})",
        retryable=error.name() not in _FINAL,
    )


class _Line:
    """A producer, and the errors of its connections since it was taken."""

    def __init__(self, factory: type[Producer], settings: Settings) -> None:
        self.errors: list[KafkaError] = []
        self._held = [factory({**settings, "error_cb": self._note})]

    @property
    def producer(self) -> Producer:
        """The producer, which nothing else may hold on to."""
        return self._held[0]

    def close(self) -> None:
        """Drop what was not sent, and the connections; in a thread, since librdkafka waits for its own."""
        threading.Thread(target=_destroy, args=(self._held,), name="kafka-close", daemon=True).start()

    def _note(self, error: KafkaError) -> None:
        self.errors.append(error)
        del self.errors[:-50]


def _destroy(held: list[Producer]) -> None:
    producer = held.pop()
    producer.purge()
    producer.poll(0)


class _Delivery:
    """One message on its way."""

    def __init__(
        self,
        line: _Line,
        options: Kafka,
        context: ExecutionContext,
        end: EarlyEnd,
        deadline: float | None,
        limit: float | None,
    ) -> None:
        self._line, self._options, self._context = line, options, context
        self._end, self._deadline, self._limit = end, deadline, limit
        self._reports: list[tuple[Any, Message]] = []

    def make(self) -> Outcome:
        """Send the message and wait for the acknowledgement."""
        self._line.producer.poll(0)  # what happened while it was idle is no concern of ours
        self._line.errors.clear()
        self._produce()
        failure = self._wait()
        if failure is not None:
            self._withdraw()
        error, message = self._reports[-1] if self._reports else (None, None)
        if error is None and message is not None:
            return self._delivered(message)
        if failure is None:
            raise _refused(self._options, error)
        sent = error is None or error.name() != "_PURGE_QUEUE"
        raise ExecutorError(
            f"{failure} ({'it was sent, and may have arrived' if sent else 'the message was not sent'})",
            reason=failure.reason,
            retryable=failure.retryable,
        )

    def _produce(self) -> None:
        options = self._options
        key = options.key_base64 or (None if options.key is None else str(options.key).encode())
        headers = {name: str(value) for name, value in options.headers.items()} | marks(self._context, options.headers)
        value = payload(options.message, options.message_base64)
        if options.debug:
            told = f"> {options.topic!s} at {options.brokers!s}: {len(value)} bytes, headers {', '.join(headers)}\n"
            self._context.write(told.encode())
        self._line.producer.produce(
            str(options.topic),
            value,
            key,
            partition=_ANY if options.partition is None else options.partition,
            headers=list(headers.items()),
            on_delivery=self._report,
        )

    def _report(self, error: KafkaError | None, message: Message) -> None:
        self._reports.append((error, message))

    def _wait(self) -> ExecutorError | None:
        """Wait for the report on the message; None once it is there, else why there is no use in waiting."""
        missing = f"no acknowledgement from {self._options.brokers!s}"
        while not self._reports:
            if self._end.happened.is_set():
                return ended_early(self._end.reason, self._limit, missing)
            left = _SLICE if self._deadline is None else self._deadline - time.monotonic()
            if left <= 0:
                return ended_early("timeout", self._limit, missing, self._heard())
            self._line.producer.poll(min(left, _SLICE))
            if not self._reports and (hopeless := self._hopeless()):
                return hopeless
        return None

    def _hopeless(self) -> ExecutorError | None:
        """What no waiting can mend. Brokers that are merely away may come back in time."""
        names = {error.name() for error in self._line.errors}
        refused = names & {"_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM"}
        if refused or any(error.fatal() for error in self._line.errors):
            return ExecutorError(self._heard(), retryable=not refused)
        if {"_SSL", "_ALL_BROKERS_DOWN"} <= names:
            return ExecutorError(self._heard())
        return None

    def _withdraw(self) -> None:
        """Take the message back, as far as that can be done; the report says how far it got."""
        self._line.producer.purge()
        until = time.monotonic() + _PURGED
        while not self._reports and time.monotonic() < until:
            self._line.producer.poll(_SLICE)

    def _heard(self) -> str:
        """What connections told of themselves, each once, the latest last."""
        said = [_NOISE.sub("", error.str()) for error in self._line.errors if error.name() != "_ALL_BROKERS_DOWN"]
        return "; ".join(dict.fromkeys(said))

    def _delivered(self, message: Message) -> Outcome:
        place = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
        self._context.write(b"Result: successfully produced the message on Kafka broker\n")
        return Outcome(
            success=True,
            message=f"{place['topic']}, partition {place['partition']}, offset {place['offset']}",
            result=place,
        )
