"""Sends one message to NATS: to whoever listens, as a request that is answered, or into a JetStream stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from dkronpy.errors import Problem
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.plugins.options import doc
from dkronpy.plugins.registry import import_extra
from dkronpy.plugins.tls import TlsOptions
from dkronpy.plugins.values import Duration, Text, shown

from ._messaging import HEADERS

if TYPE_CHECKING:
    from ._nats_attempt import Sessions

Mode = Literal["publish", "request", "jetstream"]

_URL = re.compile(r"(nats|tls)://(?:[^\s@/]*@)?(\[[0-9A-Fa-f:.]+\]|[^\s:/,@?#]+)(:\d{1,5})?/?")
_BARE = re.compile(r"(?:[^\s@/]*@)?[^\s:/,@?#]+(:\d{1,5})?")
_SUBJECT = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")
_HEADER = re.compile(r"[!-9;-~]+")


class Nats(TlsOptions, frozen=True):
    """A message: ``Nats("nats://n1:4222,nats://n2:4222", "jobs.report.daily", "go")``."""

    plugin: ClassVar[str] = "nats"

    url: Annotated[Text, doc("`nats://host:port` or `tls://host:port`; several with commas are tried in turn.")]
    subject: Annotated[Text, doc("The subject.")]
    message: Annotated[Text, doc("The message, as UTF-8.")] = ""
    message_base64: Annotated[bytes, doc("The message as base64, instead of `message`.")] = b""
    mode: Annotated[
        Mode,
        doc(
            "`publish`: the server has taken it. `request`: somebody answers, and the answer is the output. "
            "`jetstream`: a stream has stored it."
        ),
    ] = "publish"
    stream: Annotated[Text, doc("The stream that must be the one that stores it (`jetstream`).")] = ""
    headers: Annotated[dict[str, Text], HEADERS, doc("A table; also as JSON text.")] = {}  # noqa: RUF012 - msgspec copies it for each
    timeout: Annotated[Duration, doc("For everything: connecting, the acknowledgement, the answer. 0 is no limit.")] = (
        timedelta(seconds=30)
    )
    user: Annotated[Text, doc("Who signs in.", dkron="userName")] = ""
    password: Annotated[Text, doc("The password.")] = ""
    token: Annotated[Text, doc("A token, instead of user and password.")] = ""
    nkey: Annotated[Text, doc("The seed of an nkey (`SU...`); best as a secret.")] = ""
    creds: Annotated[Text, doc("A creds file on the node; as a secret, its content.")] = ""
    tls_first: Annotated[bool, doc("Begin with TLS, for servers with `handshake_first`.")] = False
    debug: Annotated[bool, doc("Show in the output what is sent where; never a credential.")] = False

    @classmethod
    def missing(cls, name: str) -> str:
        """Dkron's words for what is not there."""
        return f"{name} is empty"

    def check(self) -> Iterator[Problem]:
        """Addresses and subject must be usable, and there is one way to sign in."""
        yield from super().check()
        for name in ("url", "subject"):
            if not getattr(self, name):
                yield self.problem(name, self.missing(name))
        if isinstance(self.url, str):
            yield from self._check_url(self.url)
        if isinstance(self.subject, str) and self.subject and not _SUBJECT.fullmatch(self.subject):
            yield self.problem("subject", "it has empty parts, blanks or wildcards; the form is jobs.report.daily")
        if self.message and self.message_base64:
            yield self.problem("message_base64", "message and message_base64 are both given; only one can be sent")
        if self.stream and self.mode != "jetstream":
            yield self.problem("stream", "only JetStream has streams", "add mode: jetstream")
        for header in self.headers:
            if not _HEADER.fullmatch(header):
                yield self.problem("headers", f"{shown(header)} cannot be the name of a header")
        ways = [name for name in ("user", "token", "nkey", "creds") if getattr(self, name)]
        if len(ways) > 1:
            yield self.problem(ways[1], f"{' and '.join(ways)} are all given; there is one way to sign in")
        if self.password and not self.user:
            yield self.problem("password", "it needs user (userName), whose password it is")

    def _check_url(self, url: str) -> Iterator[Problem]:
        for part in filter(None, (part.strip() for part in url.split(","))):
            if not _URL.fullmatch(part) and not _BARE.fullmatch(part):
                form = "nats://host:port or tls://host:port"
                yield self.problem("url", f"{shown(part)} is not the URL of a NATS server; the form is {form}")


class NatsExecutor(Executor[Nats]):
    """Sends messages over connections that are kept between attempts."""

    options = Nats

    def __init__(self) -> None:
        # Options are checked where nothing is ever sent; only a node pays for the client, and needs it.
        import_extra("nats", extra="nats", plugin="nats")
        from ._nats_attempt import Sessions

        self._sessions: Sessions = Sessions()

    def close(self) -> None:
        """Close the kept connections."""
        self._sessions.close()

    def kept(self) -> int:
        """How many of them there are now."""
        return len(self._sessions)

    def execute(self, options: Nats, context: ExecutionContext) -> Outcome:
        """Send the message; the answer to a request is the output."""
        return self._sessions.send(options, context)
