"""Syslog over every transport, read back by a parser that knows RFC 5424 and nothing of ours."""

from __future__ import annotations

import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dkronpy.errors import InvalidError
from dkronpy.plugins.processor import ProcessorError
from tests.executors.servers import Authority
from tests.processors.conftest import INFO, Process
from tests.processors.sinks import Sink
from tests.support import free_port

MESSAGE = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) (?P<id>[!-~]{1,32}) "
    rb'\[(?P<sd>[!-~]{1,32}@\d+(?: [!-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\](?: (?P<text>.*))?',
    re.DOTALL,
)


def parsed(message: bytes) -> dict[str, Any]:
    match = MESSAGE.fullmatch(message)
    assert match, f"this is not RFC 5424: {message!r}"
    fields = {name: value.decode() for name, value in match.groupdict(b"").items() if name not in ("sd", "text")}
    pairs = re.findall(rb'([!-~]+)="((?:[^"\\\]]|\\.)*)"', match["sd"])
    data = {name.decode(): re.sub(r"\\(.)", r"\1", value.decode()) for name, value in pairs}
    return {**fields, "data": data, "text": match["text"]}


def counted(stream: bytes) -> list[bytes]:
    """The messages of a stream with octet counting."""
    messages = []
    while stream:
        length, _, stream = stream.partition(b" ")
        messages.append(stream[: int(length)])
        stream = stream[int(length) :]
    return messages


def test_a_datagram_a_line(process: Process) -> None:
    with Sink(socket.SOCK_DGRAM) as sink:
        left = process("syslog", "one\nzwei ü\n".encode(), {"address": f"udp://127.0.0.1:{sink.port}"})
        first, second = map(parsed, sink.wait(2))
    assert left == b"Output in syslog"
    assert first["text"] == b"one"
    assert second["text"].decode() == "zwei ü"
    assert first["pri"] == str(9 * 8 + 6), "facility cron, severity info"
    assert (first["app"], first["host"], first["id"]) == ("dkron", "web1", "output")
    assert first["time"] == "2026-11-23T02:30:09.500000Z"
    assert first["data"] == {
        "job": "backup",
        "run": INFO.run_id,
        "execution": INFO.execution_id,
        "attempt": "2",
        "state": "failed",
        "exit_code": "3",
    }


def test_facility_severity_and_tag(process: Process) -> None:
    with Sink(socket.SOCK_DGRAM) as sink:
        config = {"address": f"udp://127.0.0.1:{sink.port}", "facility": "local0", "severity": "err", "tag": "jobs"}
        process("syslog", b"x", config)
        message = parsed(sink.wait()[0])
    assert (message["pri"], message["app"]) == (str(16 * 8 + 3), "jobs")


def test_tcp_counts_octets_or_ends_lines(process: Process) -> None:
    output = b"one\ntwo\n\n" + b"long" * 2000
    expected = [b"one", b"two", b"", b"long" * 1024, b"long" * 976]
    with Sink() as sink:
        address = f"tcp://127.0.0.1:{sink.port}"
        process("syslog", output, {"address": address})
        process("syslog", output, {"address": address, "framing": "lines"})
        octets, lines = sink.wait(2)
    assert [parsed(message)["text"] for message in counted(octets)] == expected
    assert [parsed(message)["text"] for message in lines.split(b"\n")[:-1]] == expected


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_unix_socket(process: Process, tmp_path: Path, kind: socket.SocketKind) -> None:
    path = tmp_path / "log"
    with Sink(kind, path=path) as sink:
        process("syslog", b"x", {"address": f"unix://{path}", "forward": True})
        (got,) = sink.wait()
    assert parsed(got if kind == socket.SOCK_DGRAM else counted(got)[0])["text"] == b"x"


def test_tls_with_an_own_authority(process: Process, authority: Authority, stranger: Authority) -> None:
    with Sink(tls=authority.server_context()) as sink:
        address = f"tls://127.0.0.1:{sink.port}"
        process("syslog", b"secret line", {"address": address, "tls_ca": str(authority.ca)})
        assert parsed(counted(sink.wait()[0])[0])["text"] == b"secret line"
        with pytest.raises(ProcessorError, match=r"certificate of 127\.0\.0\.1:.* cannot be trusted"):
            process("syslog", b"x", {"address": address, "tls_ca": str(stranger.ca)})
        process("syslog", b"y", {"address": address, "tls_no_verify": "true"})
        assert len(sink.wait(2)) == 2


def test_tls_with_a_certificate_of_the_client(process: Process, authority: Authority) -> None:
    with Sink(tls=authority.server_context(ask_client=True)) as sink:
        config = {"address": f"tls://127.0.0.1:{sink.port}", "tls_ca": str(authority.ca)}
        with pytest.raises(ProcessorError, match=f"127.0.0.1:{sink.port}"):
            process("syslog", b"x" * 9_000_000, config)
        process("syslog", b"x", {**config, "tls_cert": str(authority.issue("agent"))})
        assert parsed(counted(sink.wait()[0])[0])["text"] == b"x"


def test_values_are_quoted(process: Process) -> None:
    info = msgspec.structs.replace(INFO, job='we"ird\\[]', finished=INFO.finished + timedelta(microseconds=1))
    with Sink(socket.SOCK_DGRAM) as sink:
        process("syslog", b"", {"address": f"udp://127.0.0.1:{sink.port}"}, info)
        message = parsed(sink.wait()[0])
    assert message["data"]["job"] == 'we"ird\\[]'
    assert message["text"] == b""


def test_nobody_listens(process: Process, tmp_path: Path) -> None:
    for address in (f"tcp://127.0.0.1:{free_port()}", f"unix://{tmp_path}/none", f"udp://127.0.0.1:{free_port()}"):
        with pytest.raises(ProcessorError, match=r"cannot reach (127\.0\.0\.1:\d+|/.*/none): "):
            process("syslog", b"one\ntwo\nthree\n" * 50, {"address": address})


def test_a_receiver_that_breaks_off_is_noticed(process: Process) -> None:
    said = r"cannot reach .*(reset|Broken|not connected)"  # as the reset meets the write, or comes just before it
    with Sink(close_at_once=True) as sink, pytest.raises(ProcessorError, match=said):
        process("syslog", b"x", {"address": f"tcp://127.0.0.1:{sink.port}"})


@pytest.mark.parametrize(
    "config",
    [
        {"address": "logs:514"},
        {"address": "http://logs"},
        {"address": "unix://relative"},
        {"address": "udp://:514"},
        {"facility": "crom"},
        {"severity": "loud"},
        {"tag": "a b"},
        {"tls_key": "x"},
    ],
)
def test_what_cannot_be_used_is_refused(process: Process, config: dict[str, str]) -> None:
    with pytest.raises(InvalidError, match=r"syslog options: executor_config\."):
        process("syslog", b"", config)
