"""Asks a server's reflection service, in version v1 or v1alpha, for its descriptors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2 as messages

from dkronpy.plugins.executor import ExecutorError

from ._deadline import Watch
from ._grpc_channels import Link
from ._grpc_failures import described, ended_early, is_retryable, unreachable

# The versions differ in name only; what goes over the wire is the same.
_VERSIONS = ("v1", "v1alpha")
_FAILED = "Failed querying reflection server: "


class Reflection:
    """A server's reflection service for the length of an attempt."""

    def __init__(self, link: Link, where: str, metadata: Any, watch: Watch) -> None:
        self._link = link
        self._where = where
        self._metadata = metadata
        self._watch = watch

    def containing(self, symbol: str) -> Iterable[bytes]:
        """The file that defines *symbol*, with those that the server sends along. Raises KeyError."""
        return self._files(messages.ServerReflectionRequest(file_containing_symbol=symbol))

    def named(self, file: str) -> Iterable[bytes]:
        """The file of that name."""
        try:
            return self._files(messages.ServerReflectionRequest(file_by_filename=file))
        except KeyError:
            raise ExecutorError(f"{_FAILED}{self._where} does not know its own file {file}") from None

    def services(self) -> list[str]:
        """The names of the services; none if the server does not tell."""
        try:
            answer = self._ask(messages.ServerReflectionRequest(list_services=""))
        except KeyError:
            return []
        return sorted(service.name for service in answer.list_services_response.service)

    def _files(self, request: Any) -> Iterable[bytes]:
        return list(self._ask(request).file_descriptor_response.file_descriptor_proto)

    def _ask(self, request: Any) -> Any:
        """The answer. Raises KeyError for what the server does not know, ExecutorError for a failure."""
        known = self._link.notes.get("reflection")
        for version in [known] if known else _VERSIONS:
            try:
                answer = self._ask_version(version, request)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED or known:
                    raise self._failure(error) from None
            else:
                self._link.notes["reflection"] = version
                return self._checked(answer)
        raise ExecutorError(
            f"{_FAILED}{self._where} offers no reflection; give a file of descriptors (option descriptors)",
            retryable=False,
        )

    def _ask_version(self, version: str, request: Any) -> Any:
        method = self._link.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=messages.ServerReflectionRequest.SerializeToString,
            response_deserializer=messages.ServerReflectionResponse.FromString,
        )
        call = self._watch.begin(lambda left: method(iter([request]), timeout=left, metadata=self._metadata))
        answers = list(call)
        if not answers:
            raise ExecutorError(f"{_FAILED}{self._where} sent no answer")
        return answers[0]

    def _checked(self, answer: Any) -> Any:
        if answer.WhichOneof("message_response") != "error_response":
            return answer
        error = answer.error_response
        if error.error_code == grpc.StatusCode.NOT_FOUND.value[0]:
            raise KeyError(error.error_message)
        raise ExecutorError(f"{_FAILED}{self._where}: {error.error_message} (status {error.error_code})")

    def _failure(self, error: grpc.RpcError) -> ExecutorError:
        if early := ended_early(error, self._watch):
            return early
        if lost := unreachable(error, self._where):
            return lost
        return ExecutorError(f"{_FAILED}{described(error)}", retryable=is_retryable(error.code()))
