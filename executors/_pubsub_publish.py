"""Publishes one message to Pub/Sub within its time, trying again where Google says that one should."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import grpc
from google.pubsub_v1.types import PublishRequest, PublishResponse, PubsubMessage

from dkronpy.plugins.executor import ExecutionContext, ExecutorError, Outcome
from dkronpy.plugins.tls import fingerprint

from ._deadline import Watch
from ._grpc_channels import PLAIN_OPTIONS, Channels, Link
from ._grpc_failures import described, ended_early, is_retryable, unreachable
from ._grpc_tls import tls_credentials
from ._pubsub_credentials import Credentials

if TYPE_CHECKING:
    from .gcppubsub import PubSub

_ENDPOINT = "pubsub.googleapis.com:443"
_METHOD = "/google.pubsub.v1.Publisher/Publish"
_PAUSES = (0.1, 0.2, 0.4, 0.8)
_AGAIN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
# Behind a company's proxy there is often no other way to Google than the one that the environment names.
_OPTIONS = tuple(option for option in PLAIN_OPTIONS if option[0] != "grpc.enable_http_proxy")


class Publisher:
    """Sends messages over channels that it keeps.

    Each message is a call of its own. Google's own client collects messages and sends them from a thread of its
    own, for as long as it likes: one that was reported as failed could still arrive minutes later.
    """

    def __init__(self) -> None:
        self._channels = Channels()
        self._credentials = Credentials()

    def close(self) -> None:
        """Close the channels."""
        self._channels.close()

    def publish(self, options: PubSub, context: ExecutionContext) -> Outcome:
        """Publish the message of *options*. Raises ExecutorError with the service's reason."""
        watch = Watch(options.timeout, context)
        if watch.ended:
            raise watch.over()
        emulator = _emulator(options)
        address = emulator or options.endpoint or _ENDPOINT
        request = PublishRequest(topic=options.path, messages=[_message(options, context)])
        metadata = {"x-goog-request-params": f"topic={options.path}"}
        if not emulator:
            metadata |= self._credentials.headers(options, f"https://{address}{_METHOD}", watch)
        key = (address, bool(emulator), fingerprint(options))
        with self._channels.lease(key, lambda: _channel(options, address, bool(emulator), watch)) as link:
            try:
                response = _send(link, request, metadata, watch)
            except grpc.RpcError as error:
                raise self._failure(error, options, address, link, watch) from None
            except ExecutorError:
                self._channels.drop(link)
                raise
        (message_id,) = response.message_ids or ("",)
        context.write(message_id.encode())
        return Outcome(success=True, message=f"{options.path}, message {message_id}", result=message_id)

    def _failure(self, error: grpc.RpcError, options: PubSub, address: str, link: Link, watch: Watch) -> ExecutorError:
        if early := ended_early(error, watch):
            self._channels.drop(link)
            return early
        if lost := unreachable(error, address):
            self._channels.drop(link)
            return lost
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            self._credentials.forget(options)
        said = f"cannot publish to {options.path}: {described(error)}"
        return ExecutorError(said, retryable=is_retryable(error.code()))


def _emulator(options: PubSub) -> str:
    """The emulator to use: the option, or what Google's own libraries look at, unless another server is named."""
    other = options.endpoint or options.credentials or options.credentials_file
    return options.emulator or ("" if other else os.environ.get("PUBSUB_EMULATOR_HOST", ""))


def _channel(options: PubSub, address: str, plain: bool, watch: Watch) -> grpc.Channel:
    if plain:
        return grpc.insecure_channel(address, options=PLAIN_OPTIONS)
    credentials, needed = tls_credentials(options, address, watch.left())
    return grpc.secure_channel(address, credentials, options=(*_OPTIONS, *needed))


def _message(options: PubSub, context: ExecutionContext) -> Any:
    attributes = {"idempotency-key": context.execution_id, "dkronpy-fencing-token": str(context.token)}
    attributes |= context.trace
    attributes |= {name: str(value) for name, value in options.attributes.items()}
    return PubsubMessage(
        data=options.data or str(options.text).encode(),
        attributes=attributes,
        ordering_key=str(options.ordering_key),
    )


def _send(link: Link, request: Any, metadata: dict[str, str], watch: Watch) -> Any:
    """The answer to *request*. Raises RpcError, the last one when no try went well, and ExecutorError."""
    method = link.channel.unary_unary(
        _METHOD, request_serializer=PublishRequest.serialize, response_deserializer=PublishResponse.deserialize
    )
    pairs = tuple(metadata.items())
    for pause in (*_PAUSES, None):
        call = watch.begin(lambda left: method.future(request, timeout=left, metadata=pairs))
        try:
            return call.result()
        except grpc.FutureCancelledError:
            raise watch.over() from None
        except grpc.RpcError as error:
            if error.code() not in _AGAIN or pause is None or ended_early(error, watch):
                raise
            if not watch.pause(pause):
                watch.abort("timeout")
                raise watch.over(described(error)) from None
    raise AssertionError("the last try has no pause after it")
