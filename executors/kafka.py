"""Sends one message to a Kafka topic and waits until the brokers have it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.plugins.options import doc
from dkronpy.plugins.tls import TlsOptions
from dkronpy.plugins.values import Duration, Rejected, Text, read_text, shown

from ._messaging import HEADERS

if TYPE_CHECKING:
    from ._kafka_producer import Producers

Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]
Mechanism = Literal["", "plain", "sha256", "sha512"]
Partitioner = Literal["fnv1a", "murmur2", "crc32"]

_MECHANISMS = {
    "plain": "plain",
    "sha256": "sha256",
    "sha512": "sha512",
    "scram-sha-256": "sha256",
    "scram-sha-512": "sha512",
}
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/,@\[\]]+)(:\d{1,5})?")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


def _read_mechanism(value: Any) -> str:
    """Dkron's short names, and the names that the protocol has."""
    text = read_text(value)
    if not text:
        return ""
    if (found := _MECHANISMS.get(text.lower())) is None:
        raise Rejected(f"invalid SASL mechanism, must be 'sha256' or 'sha512' (or 'plain'), not {shown(text)}")
    return found


_MECHANISM = msgspec.Meta(extra={"read": _read_mechanism, "kind": "plain, sha256, sha512"})


class KafkaTls(TlsOptions, frozen=True, kw_only=True):
    """TLS with the names that Dkron's Kafka executor has for it."""

    plugin: ClassVar[str] = "kafka"

    tls: Annotated[bool, doc("Connect with TLS.", dkron="tlsEnable")] = False
    tls_no_verify: Annotated[
        bool, doc("Take any certificate of the server: no protection at all.", dkron="tlsInsecureSkipVerify")
    ] = False


class Kafka(KafkaTls, frozen=True):
    """A message: ``Kafka("k1:9092,k2:9092", "billing.ticks", "tick", key="tenant-7")``."""

    plugin: ClassVar[str] = "kafka"

    brokers: Annotated[Text, doc("Where to begin: `host:port`, several with commas.", dkron="brokerAddress")]
    topic: Annotated[Text, doc("The topic.")]
    message: Annotated[Text, doc("The value, as UTF-8.")] = ""
    message_base64: Annotated[bytes, doc("The value as base64, instead of `message`.")] = b""
    key: Annotated[Text | None, doc("The key, as UTF-8; without one the message has a null key.")] = None
    key_base64: Annotated[bytes, doc("The key as base64, instead of `key`.")] = b""
    headers: Annotated[dict[str, Text], HEADERS, doc("A table; also as JSON text.")] = {}  # noqa: RUF012 - msgspec copies it for each
    partition: Annotated[int | None, doc("The partition; by default the key decides, or chance.")] = None
    partitioner: Annotated[
        Partitioner,
        doc("How a key finds its partition: as Dkron (`fnv1a`), as Java's clients (`murmur2`), as librdkafka."),
    ] = "fnv1a"
    compression: Annotated[Compression, doc("How the message is compressed.")] = "none"
    idempotent: Annotated[
        bool, doc("The broker drops what the client had to repeat. Kafka before 3.0 wants a right for it.")
    ] = True
    create_topic: Annotated[bool, doc("Brokers that create unknown topics may do so.")] = True
    timeout: Annotated[Duration, doc("For everything: connecting, signing in, the acknowledgement. 0 is no limit.")] = (
        timedelta(seconds=30)
    )
    sasl_username: Annotated[Text, doc("Who signs in.", dkron="saslUsername")] = ""
    sasl_password: Annotated[Text, doc("The password.", dkron="saslPassword")] = ""
    sasl_mechanism: Annotated[
        Mechanism, _MECHANISM, doc("How: SCRAM with `sha256` or `sha512`, or `plain`.", dkron="saslMechanism")
    ] = ""
    debug: Annotated[bool, doc("Show in the output what is sent where; never a credential.")] = False

    @classmethod
    def missing(cls, name: str) -> str:
        """Dkron's words for what is not there."""
        return f"{'brokerAddress' if name == 'brokers' else name} is empty"

    def check(self) -> Iterator[Problem]:
        """Addresses must be usable, and credentials complete."""
        yield from super().check()
        yield from self._check_target()
        if self.message and self.message_base64:
            yield self.problem("message_base64", "message and message_base64 are both given; only one can be sent")
        if self.key is not None and self.key_base64:
            yield self.problem("key_base64", "key and key_base64 are both given; only one can be sent")
        if not self.tls:
            for name in ("tls_ca", "tls_cert", "tls_no_verify"):
                if getattr(self, name):
                    yield self.problem(name, "it means nothing without TLS", "add tls: true (tlsEnable)")
        yield from self._check_sasl()

    def _check_target(self) -> Iterator[Problem]:
        for name in ("brokers", "topic"):
            if not getattr(self, name):
                yield self.problem(name, self.missing(name))
        if isinstance(self.brokers, str):
            for address in filter(None, (part.strip() for part in self.brokers.split(","))):
                if not _ADDRESS.fullmatch(address):
                    yield self.problem("brokers", f"{shown(address)} is not an address; the form is host:port")
        if isinstance(self.topic, str) and self.topic and not _TOPIC.fullmatch(self.topic):
            yield self.problem("topic", "a topic's name has up to 249 letters, digits and . _ -")
        if self.partition is not None and self.partition < 0:
            yield self.problem("partition", "it is below zero; accepted: 0 and above")

    def _check_sasl(self) -> Iterator[Problem]:
        given = bool(self.sasl_username), bool(self.sasl_password)
        if given[0] != given[1]:
            name = "sasl_password" if given[0] else "sasl_username"
            yield self.problem(name, "sasl_username and sasl_password belong together; one is missing")
        elif given[0] and not self.sasl_mechanism:
            yield self.problem("sasl_mechanism", "invalid SASL mechanism, must be 'sha256' or 'sha512' (or 'plain')")
        elif self.sasl_mechanism and not given[0]:
            yield self.problem("sasl_mechanism", "it needs sasl_username and sasl_password")


class KafkaExecutor(Executor[Kafka]):
    """Sends messages through producers that are kept between attempts."""

    options = Kafka

    def __init__(self) -> None:
        # Options are checked where nothing is ever sent; only a node pays for librdkafka, and needs it.
        from ._kafka_producer import Producers

        self._producers: Producers = Producers()

    def close(self) -> None:
        """Close the kept producers."""
        self._producers.close()

    def kept(self) -> int:
        """How many of them there are now."""
        return len(self._producers)

    def execute(self, options: Kafka, context: ExecutionContext) -> Outcome:
        """Send the message; all in-sync replicas have it when this is a success."""
        return self._producers.send(options, context)
