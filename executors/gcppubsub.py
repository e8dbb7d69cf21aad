"""Publishes a message to a topic of Google Pub/Sub; the id that the service gives it is the output."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.plugins.options import doc
from dkronpy.plugins.registry import import_extra
from dkronpy.plugins.tls import TlsOptions
from dkronpy.plugins.values import Duration, Rejected, Text, as_secret, read_text, shown
from dkronpy.secret import Secret

if TYPE_CHECKING:
    from ._pubsub_publish import Publisher

OWN_ATTRIBUTES = ("idempotency-key", "dkronpy-fencing-token")
"""The attributes by which a subscriber tells a repetition, and a late one."""

# The limits of the service: of a message, of its attributes, of a name.
_LARGEST = 10_000_000
_MOST_ATTRIBUTES, _LONGEST_KEY, _LONGEST_VALUE = 100, 256, 1024
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):\d{1,5}")


def _read_data(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode("".join(read_text(value).split()), validate=True)
    except ValueError as error:
        raise Rejected(f"invalid encoded data: {error}", "it is base64; option text takes plain text") from None


def _read_attributes(value: Any) -> dict[str, str | Secret]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise Rejected(f"invalid attributes JSON: {error}") from None
    if not isinstance(value, Mapping):
        raise Rejected(f"invalid attributes JSON: {shown(value)} is not a table of text")
    attributes: dict[str, str | Secret] = {}
    for name, content in value.items():
        found = as_secret(content)
        if not isinstance(found, (str, Secret)):
            raise Rejected(f"invalid attributes JSON: the value of {shown(name)} is not text")
        attributes[read_text(name)] = found if isinstance(found, Secret) else read_text(found)
    return attributes


_DATA = msgspec.Meta(extra={"read": _read_data, "kind": "base64"})
_ATTRIBUTES = msgspec.Meta(extra={"read": _read_attributes, "kind": "table of text or secret"})


class PubSub(TlsOptions, frozen=True):
    """A message: ``PubSub("acme-prod", "cron-ticks", text="go", attributes={"source": "dkronpy"})``."""

    plugin: ClassVar[str] = "gcppubsub"

    project: Annotated[str, doc("The project that the topic is in.")]
    topic: Annotated[str, doc("The topic's short name.")]
    data: Annotated[bytes, _DATA, doc("What is sent: base64 in JSON, bytes in Python.")] = b""
    attributes: Annotated[dict[str, Text], _ATTRIBUTES, doc("Attributes of the message; also as JSON text.")] = {}  # noqa: RUF012 - msgspec copies it for each
    text: Annotated[Text, doc("What is sent, as UTF-8; instead of `data`.")] = ""
    ordering_key: Annotated[Text, doc("Messages with the same key are delivered in the order of their arrival.")] = ""
    timeout: Annotated[Duration, doc("For everything: the token, connecting, every try. 0 is no limit.")] = timedelta(
        seconds=15
    )
    credentials: Annotated[
        Text, doc("The JSON of a service account's key, best a secret; instead of the node's own credentials.")
    ] = ""
    credentials_file: Annotated[str, doc("File on the node with that JSON.")] = ""
    emulator: Annotated[
        str,
        doc("`host:port` of an emulator: no encryption, no credentials. By default the node's PUBSUB_EMULATOR_HOST."),
    ] = ""
    endpoint: Annotated[str, doc("`host:port` of a regional or private endpoint, with TLS.")] = ""

    @classmethod
    def missing(cls, name: str) -> str:
        """Dkron's words for what is not there."""
        return f"missing {name}"

    @property
    def path(self) -> str:
        """The topic as the service knows it."""
        return f"projects/{self.project}/topics/{self.topic}"

    def check(self) -> Iterator[Problem]:
        """The message must be one that the service takes."""
        yield from super().check()
        yield from self._check_topic()
        if not (self.data or self.text or self.attributes):
            message = "at least one of these fields should be set 'attributes, data'"
            yield self.problem("data", f"convert config to pubsub message: {message} (or text)")
        if self.data and self.text:
            yield self.problem("text", "data and text are both given; only one can be sent")
        if max(len(self.data), len(self.text.encode()) if isinstance(self.text, str) else 0) > _LARGEST:
            yield self.problem("data", f"it has more than {_LARGEST} bytes, which is the most that Pub/Sub takes")
        yield from self._check_attributes()
        yield from self._check_server()

    def _check_topic(self) -> Iterator[Problem]:
        for name in ("project", "topic"):
            value = getattr(self, name)
            if not value:
                yield self.problem(name, self.missing(name))
            elif "/" in value:
                short = value.rpartition("/")[2]
                yield self.problem(
                    name, f"{shown(value)} is not a short name", f"did you mean {short!r}?" if short else ""
                )
        if self.topic and "/" not in self.topic and not _NAME.fullmatch(self.topic):
            accepted = "3 to 255 letters, digits and - _ . ~ + %, the first a letter"
            yield self.problem("topic", f"{shown(self.topic)} cannot be the name of a topic; accepted: {accepted}")

    def _check_attributes(self) -> Iterator[Problem]:
        if len({*self.attributes, *OWN_ATTRIBUTES}) > _MOST_ATTRIBUTES:
            most = _MOST_ATTRIBUTES - len(OWN_ATTRIBUTES)
            yield self.problem("attributes", f"there are more than {most}, which is the most besides our own")
        for name, value in self.attributes.items():
            if not 0 < len(name.encode()) <= _LONGEST_KEY or name.startswith("goog"):
                wanted = f"1 to {_LONGEST_KEY} bytes that do not begin with goog"
                yield self.problem(
                    "attributes", f"{shown(name)} cannot be the name of an attribute; accepted: {wanted}"
                )
            if isinstance(value, str) and len(value.encode()) > _LONGEST_VALUE:
                yield self.problem("attributes", f"the value of {shown(name)} has more than {_LONGEST_VALUE} bytes")

    def _check_server(self) -> Iterator[Problem]:
        for name in ("emulator", "endpoint"):
            value = getattr(self, name)
            if value and not _ADDRESS.fullmatch(value):
                yield self.problem(name, f"{shown(value)} is not an address; the form is host:port")
        if self.credentials and self.credentials_file:
            yield self.problem("credentials_file", "credentials are given as well; give one")
        if self.emulator:
            for name in ("endpoint", "credentials", "credentials_file", "tls_ca", "tls_cert", "tls_no_verify"):
                if getattr(self, name):
                    yield self.problem(name, "an emulator is given, which takes no such thing; give one")


class PubSubExecutor(Executor[PubSub]):
    """Publishes over connections that are kept between attempts."""

    options = PubSub

    def __init__(self) -> None:
        # Options are checked where nothing is ever sent; only a node needs the extra.
        import_extra("google.pubsub_v1.types.pubsub", extra="gcp", plugin="gcppubsub")
        from ._pubsub_publish import Publisher

        self._publisher: Publisher = Publisher()

    def close(self) -> None:
        """Close the kept connections."""
        self._publisher.close()

    def execute(self, options: PubSub, context: ExecutionContext) -> Outcome:
        """Publish the message; its id is the output, and the result."""
        return self._publisher.publish(options, context)
