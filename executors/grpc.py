"""Calls a method of a gRPC server with JSON messages; the replies, as JSON, are the output."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.auth import Basic, Bearer
from dkronpy.plugins.codes import RetryCodes, SkipCodes
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.plugins.options import doc
from dkronpy.plugins.registry import import_extra
from dkronpy.plugins.tls import TlsOptions
from dkronpy.plugins.values import Duration, Rejected, Text

from ._grpc_values import read_messages, read_metadata, read_statuses, read_target

if TYPE_CHECKING:
    from ._grpc_channels import Channels


def _reads(reader: Any, kind: str) -> msgspec.Meta:
    return msgspec.Meta(extra={"read": reader, "kind": kind})


_METADATA = _reads(read_metadata, "table of text or secret")
_STATUSES = _reads(read_statuses, "status codes")


class Grpc(TlsOptions, frozen=True):
    """A call: ``Grpc("reports:9000/acme.Reports/Build", json={"day": "today"}, auth=Bearer(secret("token")))``."""

    plugin: ClassVar[str] = "grpc"

    url: Annotated[Text, doc("What to call: `host:port/package.Service/Method`.")]
    body: Annotated[
        Text, doc("The message, as JSON text; for a method that takes a stream, several one after the other.")
    ] = ""
    json: Annotated[
        Any, doc("The message, as JSON, instead of `body`; for a method that takes a stream, a list of them.")
    ] = None
    metadata: Annotated[
        dict[str, Text],
        _METADATA,
        doc('A table, or a list of `"name: value"`; also as JSON text. A `-bin` value is base64.', dkron="headers"),
    ] = {}  # noqa: RUF012 - msgspec copies it for each
    auth: Annotated[
        Bearer | Basic | None,
        doc('Credentials: `{"type": "bearer", "token": ...}` or `{"type": "basic", "user": ..., "password": ...}`.'),
    ] = None
    timeout: Annotated[
        Duration, doc("For everything: connecting, reflection, the last reply. It is the call's deadline; 0 is none.")
    ] = timedelta(seconds=30)
    expect: Annotated[
        str | int | tuple[str | int, ...],
        _STATUSES,
        doc("Statuses that are a success, by number or name: `0`, `0,5`, `NOT_FOUND`.", dkron="expectCode"),
    ] = "0"
    descriptors: Annotated[
        str, doc("File on the node with a FileDescriptorSet, where the server offers no reflection.")
    ] = ""
    skip_codes: SkipCodes = ""
    retry_codes: RetryCodes = ""
    tls: Annotated[bool, doc("Encrypt; so do the options that begin with `tls_`.")] = False

    @property
    def encrypted(self) -> bool:
        """Whether the connection is to be encrypted."""
        return self.tls or self.tls_no_verify or bool(self.tls_ca or self.tls_cert)

    @classmethod
    def missing(cls, name: str) -> str:
        """Dkron's words for what is not there."""
        return f"{name} is empty"

    def check(self) -> Iterator[Problem]:
        """The URL must name a method, and only one message can be sent."""
        yield from super().check()
        if not self.url:
            yield self.problem("url", self.missing("url"))
        elif isinstance(self.url, str):
            yield from self._rejection("url", read_target, self.url)
        if isinstance(self.body, str):
            yield from self._rejection("body", read_messages, self.body)
        if self.body and self.json is not None:
            yield self.problem("json", "body and json are both given; only one can be sent")
        if self.auth is not None and "authorization" in self.metadata:
            yield self.problem("auth", "the metadata have an authorization as well; give one")

    def _rejection(self, name: str, reader: Any, value: str) -> Iterator[Problem]:
        try:
            reader(value)
        except Rejected as error:
            yield self.problem(name, error.message, error.hint)


class GrpcExecutor(Executor[Grpc]):
    """Calls methods of gRPC servers over channels that are kept between attempts."""

    options = Grpc

    def __init__(self) -> None:
        # Options are checked where nothing is ever sent; only a node needs the extra.
        import_extra("grpc_reflection.v1alpha.reflection_pb2", extra="grpc", plugin="grpc")
        from ._grpc_channels import Channels

        self._channels: Channels = Channels()

    def close(self) -> None:
        """Close the kept channels."""
        self._channels.close()

    def execute(self, options: Grpc, context: ExecutionContext) -> Outcome:
        """Make the call; each reply is a line of the output, the status is the exit code."""
        from ._grpc_call import make_call

        return make_call(options, context, self._channels)
