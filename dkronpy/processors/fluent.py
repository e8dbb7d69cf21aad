"""Sends the output of each attempt to Fluentd or Fluent Bit, over the forward protocol, and waits for the receipt."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.options import doc
from dkronpy.plugins.processor import ExecutionInfo, Processor, ProcessorError

from ._connection import TlsOptions, connect, naming

PORT = 24224
_ANSWER = 4096


class Fluent(TlsOptions, frozen=True, kw_only=True):
    """Where to send it; what is not given comes from the agent's environment, as in Dkron."""

    plugin: ClassVar[str] = "fluent"

    host: Annotated[str, doc("The host; by default `$FLUENTBIT_HOST` of the agent, or `127.0.0.1`.")] = ""
    port: Annotated[int, doc("The port; by default `$FLUENTBIT_PORT` of the agent, or 24224.")] = 0
    tag: Annotated[str, doc("The tag; by default `$FLUENTBIT_TAG` of the agent, or `dkron`.")] = ""
    tls: Annotated[bool, doc("Use TLS.")] = False

    def check(self) -> Iterator[Problem]:
        """A port is a number up to 65535."""
        yield from super().check()
        if not 0 <= self.port <= 65535:
            yield self.problem("port", "it is no port; accepted: 1 to 65535")


class FluentProcessor(Processor[Fluent]):
    """Sends one record with job, node, execution and output."""

    options = Fluent

    def process(self, output: bytes, options: Fluent, info: ExecutionInfo) -> bytes | None:
        """Send the record and wait until it was received; without a receipt it is a failure."""
        host = options.host or os.environ.get("FLUENTBIT_HOST") or "127.0.0.1"
        port = options.port or _port(os.environ.get("FLUENTBIT_PORT", ""))
        tag = options.tag or os.environ.get("FLUENTBIT_TAG") or "dkron"
        record = {
            "host": info.node,
            "job_name": info.job,
            "message": output.decode("utf-8", "replace"),
            **{name: value for name, value in info.facts().items() if name not in ("job", "message")},
            "result": info.message,
        }
        chunk = base64.b64encode(secrets.token_bytes(16)).decode()
        event = [tag, [[int(info.finished.timestamp()), record]], {"chunk": chunk, "size": 1}]
        where = f"{host}:{port}"
        with naming(where), connect(host, port, options, tls=options.tls) as sock:
            sock.sendall(msgspec.msgpack.encode(event))
            answer = sock.recv(_ANSWER)
        if _receipt(answer) != chunk:
            raise ProcessorError(f"{where} gave no receipt for the output")
        return options.instead("Output sent to Fluent")


def _port(text: str) -> int:
    if not text:
        return PORT
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 65535:
        raise ProcessorError(f"$FLUENTBIT_PORT is {text!r}, which is no port")
    return int(text)


def _receipt(answer: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(answer, type=dict[str, Any]).get("ack")
    except msgspec.DecodeError:
        return None
