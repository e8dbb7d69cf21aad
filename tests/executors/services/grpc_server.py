"""A gRPC server for tests, as a process of its own that writes down what it was asked, byte by byte.

``python -m tests.executors.services.grpc_server PORT '{"log": ..., "reflection": ["v1"], "token": ..., "tls": ...}'``
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from tests.executors.services.process import ServerProcess
from tests.executors.services.reports import METHODS, SERVICE, message_class, pool
from tests.support import ROOT, wait_until


class GrpcServer(ServerProcess):
    """``Build`` and the others of ``acme.reports.v1.Reports``; what a call does, its ``day`` says.

    *reflection* names the versions that are offered; *token* is the bearer token that a call must bring;
    *certificate* is a PEM file for TLS, *client_ca* that of the authority that clients must come from.
    """

    def __init__(
        self,
        *,
        reflection: tuple[str, ...] = ("v1", "v1alpha"),
        token: str = "",
        certificate: Path | None = None,
        client_ca: Path | None = None,
    ) -> None:
        self._settings = {
            "reflection": reflection,
            "token": token,
            "certificate": str(certificate or ""),
            "client_ca": str(client_ca or ""),
        }
        super().__init__()

    def command(self) -> list[str | Path]:
        settings = json.dumps({**self._settings, "log": str(self.folder / "calls.jsonl")})
        return [sys.executable, "-m", "tests.executors.services.grpc_server", str(self.port), settings]

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT)}

    def url(self, method: str = "Build") -> str:
        """What to call."""
        return f"{self.address}/{SERVICE}/{method}"

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Each call: ``method``, ``metadata`` (pairs), ``requests`` (bytes), and ``ended`` with its status."""
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        calls: dict[str, dict[str, Any]] = {}
        for number, what, value in map(json.loads, lines):
            call = calls.setdefault(number, {"requests": []})
            if what == "request":
                call["requests"].append(base64.b64decode(value))
            else:
                call[what] = value
        return list(calls.values())

    def wait_for(self, what: str) -> None:
        """Return once some call has ``requests``, or has ``ended``."""
        wait_until(lambda: any(call.get(what) for call in self.calls), description=f"a call has {what}")


class Service:
    """The methods, as raw bytes in and out so that what came can be written down."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._token = settings["token"]
        self._log = Path(settings["log"]).open("a", buffering=1)  # noqa: SIM115 - for the life of the process
        self._lock = threading.Lock()
        self._number = 0
        known = pool()
        self.ask, self.reply, self.note = (message_class(known, name) for name in ("Ask", "Reply", "Note"))

    def handler(self, name: str) -> Any:
        """The generic handler of a method: every kind of call is served as stream to stream."""

        def serve(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            number = self._begin(name, context)
            for data in requests:
                self._note(number, "request", base64.b64encode(data).decode())
                yield from self._answer(self.ask.FromString(data), context)

        return grpc.stream_stream_rpc_method_handler(serve)

    def _begin(self, name: str, context: Any) -> str:
        with self._lock:
            self._number += 1
            number = f"{os.getpid()}-{self._number}"
        metadata = [(key, value if isinstance(value, str) else list(value)) for key, value in _metadata(context)]
        self._note(number, "method", name)
        self._note(number, "metadata", metadata)
        context.add_callback(lambda: self._note(number, "ended", str(context.code())))
        if self._token and dict(metadata).get("authorization") != f"Bearer {self._token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is wrong")
        return number

    def _answer(self, ask: Any, context: Any) -> Iterator[bytes]:
        if ask.day == "never":
            ended = threading.Event()
            if context.add_callback(ended.set):
                ended.wait(60)
            return
        if ask.status:
            code = next(code for code in grpc.StatusCode if code.value[0] == ask.status)
            context.abort(code, f"no report for {ask.day}")
        reply = self.reply(text_line=f"report of {ask.day}", count=len(ask.parts))
        if ask.day == "any":
            reply.extra.Pack(self.note(remark="packed"))
        yield reply.SerializeToString()
        if ask.day == "lines":
            yield from (self.reply(text_line=f"zeile ä{number}").SerializeToString() for number in range(2, 4))
        if ask.day == "first":  # one line now, and no more until the client goes
            yield from self._answer(self.ask(day="never"), context)

    def _note(self, number: str, what: str, value: Any) -> None:
        with self._lock:
            self._log.write(json.dumps([number, what, value]) + "\n")


def _metadata(context: Any) -> list[tuple[str, str | bytes]]:
    return [(entry.key, entry.value) for entry in context.invocation_metadata()]


def _add_reflection(server: Any, versions: list[str], known: Any) -> None:
    servicer = reflection.ReflectionServicer((SERVICE,), pool=known)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for version in versions:
        name = f"grpc.reflection.{version}.ServerReflection"
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})])


def _credentials(settings: dict[str, Any]) -> Any:
    pem = Path(settings["certificate"]).read_bytes()
    ca = Path(settings["client_ca"]).read_bytes() if settings["client_ca"] else None
    return grpc.ssl_server_credentials([(pem, pem)], ca, require_client_auth=ca is not None)


def main() -> None:
    """Serve until the process is ended."""
    port, settings = int(sys.argv[1]), json.loads(sys.argv[2])
    server = grpc.server(ThreadPoolExecutor(32))
    service = Service(settings)
    handlers = {name: service.handler(name) for name in METHODS}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    checks.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    _add_reflection(server, settings["reflection"], pool())
    address = f"127.0.0.1:{port}"
    bound = (
        server.add_secure_port(address, _credentials(settings))
        if settings["certificate"]
        else server.add_insecure_port(address)
    )
    assert bound == port, f"port {port} is taken"
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
