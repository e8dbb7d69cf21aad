"""Says in one line what a gRPC status means, whether it came from the server, and whether another try makes sense."""

from __future__ import annotations

import re

import grpc

from dkronpy.plugins.executor import ExecutorError

from ._deadline import Watch


class UnreachableError(ExecutorError):
    """The connection failed: nothing that the server has said."""


_FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
_ADDRESS = re.compile(r"(?:ipv[46]|unix|dns):\S+:\s*")
# All of these come as UNAVAILABLE, as does a server that says of itself that it is unavailable.
_LOCAL = (
    (re.compile(r"CERTIFICATE_VERIFY_FAILED[:\s]*(.*)|(Hostname Verification Check failed)"),
     "the certificate of {where} cannot be trusted: {why}"),
    (re.compile(r"(?i:ssl handshake failed|SSL_ERROR\w*|handshake read failed|handshaker[^:]*)[:\s]*(.*)"),
     "TLS with {where} failed: {why}"),
    (re.compile(r"errors? resolving .*?(Domain name not found|[^:\[\]]+)\]?\s*$|DNS resolution failed[^:]*:\s*(.*)"),
     "cannot find {where}: {why}"),
    (re.compile(r"Failed to connect to remote host:\s*(?:connect:\s*)?(.*)"), "cannot connect to {where}: {why}"),
    (re.compile(r"(?:failed to connect to all addresses|connections to all backends failing)[;:]\s*(.*)"),
     "cannot connect to {where}: {why}"),
    (re.compile(r"(Socket closed|Connection reset.*|Broken pipe|Connection dropped.*|.*GOAWAY.*)"),
     "lost the connection to {where}: {why}"),
)  # fmt: skip


def is_retryable(code: grpc.StatusCode) -> bool:
    """Whether the same call may do better another time."""
    return code not in _FINAL


def unreachable(error: grpc.RpcError, where: str) -> UnreachableError | None:
    """Why *where* could not be asked; None when the status is the server's own answer."""
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return None
    details = " ".join(str(error.details() or "").split())
    for pattern, line in _LOCAL:
        if found := pattern.search(details):
            why = next(filter(None, found.groups()), "") or _ADDRESS.sub("", details)
            return UnreachableError(line.format(where=where, why=why.strip(" ]")))
    return None


def described(error: grpc.RpcError) -> str:
    """The status with the server's own words: ``NOT_FOUND: no such report``."""
    details = " ".join(str(error.details() or "").split())
    return f"{error.code().name}: {details}" if details else str(error.code().name)


def ended_early(error: grpc.RpcError, watch: Watch) -> ExecutorError | None:
    """What to raise when it was we who ended the call."""
    if watch.ended:
        return watch.over()
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and watch.is_late():
        watch.abort("timeout")
        return watch.over()
    return None
