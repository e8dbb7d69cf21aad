"""The forward protocol, read back by msgpack's own library, receipts included."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from dkronpy.plugins.processor import ProcessorError
from tests.executors.servers import Authority
from tests.processors.conftest import Process
from tests.processors.sinks import Sink, silent


def receipt(data: bytes) -> bytes | None:
    """What a server answers: the name of the chunk, once it is there as a whole."""
    unpacker = msgpack.Unpacker(raw=False)
    unpacker.feed(data)
    for event in unpacker:
        return bytes(msgpack.packb({"ack": event[-1]["chunk"]}))
    return None


def test_a_record_arrives_and_is_confirmed(process: Process) -> None:
    with Sink(answer=receipt) as sink:
        config = {"host": "127.0.0.1", "port": str(sink.port), "tag": "jobs"}
        assert process("fluent", "hällo\n".encode(), config) == b"Output sent to Fluent"
        tag, events, option = msgpack.unpackb(sink.wait()[0])
    ((moment, record),) = events
    assert (tag, moment, option["size"]) == ("jobs", 1795401009, 1)
    assert record["host"] == "web1"
    assert record["job_name"] == "backup"
    assert record["message"] == "hällo\n"
    assert record["exit_code"] == 3
    assert (record["state"], record["attempt"], record["duration"]) == ("failed", 2, 9.38)


def test_dkrons_variables_are_the_defaults(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sink(answer=receipt) as sink:
        monkeypatch.setenv("FLUENTBIT_HOST", "127.0.0.1")
        monkeypatch.setenv("FLUENTBIT_PORT", str(sink.port))
        monkeypatch.setenv("FLUENTBIT_TAG", "from.env")
        process("fluent", b"x", {"forward": "true"})
        assert msgpack.unpackb(sink.wait()[0])[0] == "from.env"
    monkeypatch.setenv("FLUENTBIT_PORT", "many")
    with pytest.raises(ProcessorError, match="'many', which is no port"):
        process("fluent", b"x", {})


def test_large_output(process: Process) -> None:
    with Sink(answer=receipt) as sink:
        process("fluent", b"x" * 5_000_000, {"host": "127.0.0.1", "port": sink.port})
        assert len(msgpack.unpackb(sink.wait()[0])[1][0][1]["message"]) == 5_000_000


def test_without_a_receipt_it_is_a_failure(process: Process) -> None:
    answers: list[Any] = [b"\xc0", msgpack.packb({"ack": "another"}), b"garbage"]
    for answer in answers:
        sink = Sink(answer=lambda _, answer=answer: answer)  # type: ignore[misc]
        with sink, pytest.raises(ProcessorError, match="gave no receipt"):
            process("fluent", b"x", {"host": "127.0.0.1", "port": sink.port})
    with silent() as listener, pytest.raises(ProcessorError, match="did not answer in time"):
        process("fluent", b"x", {"host": "127.0.0.1", "port": listener.getsockname()[1], "timeout": "200ms"})


def test_tls(process: Process, authority: Authority, stranger: Authority) -> None:
    with Sink(tls=authority.server_context(), answer=receipt) as sink:
        config = {"host": "127.0.0.1", "port": sink.port, "tls": True}
        process("fluent", b"x", {**config, "tls_ca": str(authority.ca)})
        with pytest.raises(ProcessorError, match="cannot be trusted"):
            process("fluent", b"x", {**config, "tls_ca": str(stranger.ca)})
