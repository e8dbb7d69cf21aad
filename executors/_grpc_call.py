"""Makes one gRPC call of whatever kind, with messages as JSON, and judges its status."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.json_format import ParseError
from google.protobuf.message_factory import GetMessageClass

from dkronpy.plugins.auth import Basic, Bearer
from dkronpy.plugins.codes import judged
from dkronpy.plugins.executor import ExecutionContext, ExecutorError, Outcome
from dkronpy.plugins.tls import fingerprint
from dkronpy.plugins.values import Rejected

from ._deadline import Watch
from ._grpc_channels import PLAIN_OPTIONS, Channels, Link
from ._grpc_failures import UnreachableError, ended_early, is_retryable, unreachable
from ._grpc_reflection import Reflection
from ._grpc_schema import DescriptorFile, Schema, Source
from ._grpc_tls import tls_credentials
from ._grpc_values import encoded, identity, read_messages, read_target, status_text

if TYPE_CHECKING:
    from .grpc import Grpc


def make_call(options: Grpc, context: ExecutionContext, channels: Channels) -> Outcome:
    """Make the call that *options* describe and judge its status.

    Raises ExecutorError when the server gives none: nobody listens, time is up, it was cancelled.
    """
    watch = Watch(options.timeout, context)
    try:
        made = _Call(options, context, watch)
    except Rejected as error:  # a secret has made it unusable
        raise ExecutorError(f"the call cannot be made: {error.message}", retryable=False) from None
    address = made.target.address
    key = (address, options.encrypted, fingerprint(options))
    with channels.lease(key, lambda: _channel(options, address, watch)) as link:
        try:
            return made.make(link)
        except ExecutorError as error:
            # After silence too: the machine may be gone, and its connection would stay in use for many minutes.
            if isinstance(error, UnreachableError) or error.reason == "timeout":
                channels.drop(link)
            raise


def _channel(options: Grpc, address: str, watch: Watch) -> grpc.Channel:
    if not options.encrypted:
        return grpc.insecure_channel(address, options=PLAIN_OPTIONS)
    credentials, needed = tls_credentials(options, address, watch.left())
    return grpc.secure_channel(address, credentials, options=(*PLAIN_OPTIONS, *needed))


class _Call:
    """One call: its messages, its replies, its status."""

    def __init__(self, options: Grpc, context: ExecutionContext, watch: Watch) -> None:
        self._options = options
        self._context = context
        self._watch = watch
        self.target = read_target(str(options.url))
        self._values = [options.json] if options.json is not None else read_messages(str(options.body))
        given = _given_metadata(options)
        self._own = tuple(given.items())
        self._metadata = tuple({**identity(context), **given}.items())

    def make(self, link: Link) -> Outcome:
        """Make the call on *link*'s channel. Raises ExecutorError, or UnreachableError."""
        schema, source, method, requests = self._prepared(link)
        kind = GetMessageClass(method.output_type)
        path = f"/{self.target.service}/{self.target.method}"
        # Over the wire a single message is a stream of one; so one way of calling serves every kind of method.
        begin = link.channel.stream_stream if method.client_streaming else link.channel.unary_stream
        argument: Any = iter(requests) if method.client_streaming else requests[0]
        method_call = begin(path, response_deserializer=kind.FromString)
        call = self._watch.begin(lambda left: method_call(argument, timeout=left, metadata=self._metadata))
        try:
            for reply in call:
                self._context.write(schema.render(reply, source).encode() + b"\n")
        except grpc.RpcError as error:
            return judged(self._judge(error), self._options)
        except BaseException:
            call.cancel()
            raise
        return judged(self._outcome(grpc.StatusCode.OK, ""), self._options)

    def _prepared(self, link: Link) -> tuple[Schema, Source, Any, list[bytes]]:
        """What is needed to call; types that were kept and do not fit are fetched anew, for the server may be new."""
        if path := self._options.descriptors:
            schema, source = _from_file(path, link)
            return schema, source, *self._method(schema, source)
        reflection = Reflection(link, self.target.address, self._own, self._watch)
        kept: Schema | None = link.notes.get("schema")
        if kept is not None and not kept.is_old:
            try:
                return kept, reflection, *self._method(kept, reflection)
            except ExecutorError as error:
                if self._watch.ended or isinstance(error, UnreachableError):
                    raise
        schema = link.notes["schema"] = Schema()
        return schema, reflection, *self._method(schema, reflection)

    def _method(self, schema: Schema, source: Source) -> tuple[Any, list[bytes]]:
        method = schema.method(self.target.service, self.target.method, source)
        values = self._values
        if method.client_streaming and isinstance(self._options.json, list):
            values = self._options.json
        if not method.client_streaming and len(values) != 1:
            raise ExecutorError(f"{self.target.method} takes one message, and body has {len(values)}", retryable=False)
        try:
            messages = [schema.parse(value, method.input_type, source) for value in values]
        except (ParseError, TypeError) as error:
            why = " ".join(str(error).split())
            raise ExecutorError(
                f"the message does not fit {method.input_type.full_name}: {why}", retryable=False
            ) from None
        return method, [message.SerializeToString(deterministic=True) for message in messages]

    def _judge(self, error: grpc.RpcError) -> Outcome:
        if early := ended_early(error, self._watch):
            raise early
        if lost := unreachable(error, self.target.address):
            raise lost
        return self._outcome(error.code(), " ".join(str(error.details() or "").split()))

    def _outcome(self, code: grpc.StatusCode, details: str) -> Outcome:
        number = code.value[0]
        expected = str(self._options.expect).split(",")
        if str(number) in expected:
            message = f"{status_text(number)}: {details}" if details else status_text(number)
            return Outcome(success=True, message=message, exit_code=number)
        wanted = " or ".join(status_text(int(text)) for text in expected)
        message = f"server returned {status_text(number)} code, expected {wanted}"
        return Outcome(
            success=False,
            reason="executor_error",
            message=f"{message}: {details}" if details else message,
            exit_code=number,
            retryable=is_retryable(code),
        )


def _from_file(path: str, link: Link) -> tuple[Schema, Source]:
    """The types in the file, read anew when it changes. Raises ExecutorError."""
    try:
        state = os.stat(path)  # noqa: PTH116 - a plain stat, at each attempt
    except OSError as error:
        raise ExecutorError(f"descriptors: cannot read {path}: {error.strerror}") from None
    key = (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size)
    kept = link.notes.get(("file", path))
    if kept is None or kept[0] != key:
        kept = link.notes["file", path] = (key, Schema(), DescriptorFile(path))
    return kept[1], kept[2]


def _given_metadata(options: Grpc) -> dict[str, str | bytes]:
    """The user's own metadata. Raises Rejected for what cannot be sent."""
    given = {key: encoded(key, str(value)) for key, value in options.metadata.items()}
    if isinstance(options.auth, Bearer):
        given["authorization"] = encoded("authorization", f"Bearer {options.auth.token}")
    elif isinstance(options.auth, Basic):
        pair = f"{options.auth.user}:{options.auth.password}".encode()
        given["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return given
