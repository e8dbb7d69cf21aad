"""The grpc executor against a real server: what is sent, and what counts as success."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dkronpy.errors import InvalidError, PluginError
from dkronpy.executors.grpc import Grpc, GrpcExecutor
from dkronpy.plugins.auth import Basic, Bearer
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.services.grpc_server import GrpcServer
from tests.executors.services.reports import descriptor_set

Send = Callable[[Grpc], tuple[Outcome, bytes]]

DKRON = (
    '{"executor":"grpc","executor_config":{"url":"reports:9000/acme.reports.v1.Reports/Build","body":"{\\"day\\":\\"today'
    '\\"}","timeout":"20","expectCode":"0","headers":"[\\"authorization: Bearer abc\\"]"}}'
)


@pytest.fixture(scope="module")
def reports() -> Iterator[GrpcServer]:
    """A server that the tests of this module share."""
    with GrpcServer() as server:
        yield server


@pytest.fixture
def caller() -> Iterator[GrpcExecutor]:
    """An executor with channels of its own."""
    running = GrpcExecutor()
    yield running
    running.close()


@pytest.fixture
def send(ping: ExecutorHarness, caller: GrpcExecutor) -> Send:
    """Runs an attempt of the job ``ping``."""
    return lambda options: ping.run(caller, options)


# What is sent


def test_a_call_as_dkron_writes_it(reports: GrpcServer, send: Send) -> None:
    config = json.loads(DKRON)["executor_config"]
    assert Grpc.from_config(config).url == "reports:9000/acme.reports.v1.Reports/Build"
    outcome, output = send(Grpc.from_config({**config, "url": reports.url()}))
    assert outcome == Outcome(success=True, message="0 (OK)", exit_code=0)
    assert output == b'{"textLine": "report of today"}\n', "Dkron throws the reply away"
    call = reports.calls[-1]
    assert (call["method"], call["requests"]) == ("Build", [b"\x0a\x05today"])
    assert ["authorization", "Bearer abc"] in call["metadata"]


def test_who_asks_and_for_which_execution(reports: GrpcServer, send: Send) -> None:
    send(Grpc(reports.url()))
    metadata = dict(reports.calls[-1]["metadata"])
    assert metadata["user-agent"].startswith("dkronpy/")
    assert metadata["idempotency-key"] == "ping@2026-11-23T02:30:00.000Z.0"
    assert metadata["dkronpy-fencing-token"] == "7"
    send(Grpc(reports.url(), metadata={"Idempotency-Key": "mine"}))
    given = [value for key, value in reports.calls[-1]["metadata"] if key == "idempotency-key"]
    assert given == ["mine"]


def test_a_job_with_letters_beyond_ascii_can_be_told_as_well(reports: GrpcServer, caller: GrpcExecutor) -> None:
    assert ExecutorHarness(job="übung").run(caller, Grpc(reports.url()))[0].success
    assert dict(reports.calls[-1]["metadata"])["idempotency-key"] == "%C3%BCbung@2026-11-23T02:30:00.000Z.0"


@pytest.mark.shows("read back byte by byte")
def test_every_kind_of_value_arrives_byte_by_byte(reports: GrpcServer, send: Send) -> None:
    message = {"day": "ä", "parts": ["a", ""], "since": "1970-01-01T00:00:01Z", "blob": "AP8="}
    outcome, output = send(Grpc(reports.url(), json=message))
    assert outcome.success
    assert json.loads(output) == {"textLine": "report of ä", "count": 2}
    assert reports.calls[-1]["requests"] == [b"\x0a\x02\xc3\xa4\x1a\x01a\x1a\x00\x22\x02\x08\x01\x2a\x02\x00\xff"]


def test_an_empty_body_is_an_empty_message(reports: GrpcServer, send: Send) -> None:
    assert send(Grpc(reports.url()))[0].success
    assert reports.calls[-1]["requests"] == [b""]


def test_types_within_any_are_fetched_in_both_directions(reports: GrpcServer, send: Send) -> None:
    note = {"@type": "type.googleapis.com/acme.reports.v1.Note", "remark": "sent"}
    outcome, output = send(Grpc(reports.url(), json={"day": "any", "extra": note}))
    assert outcome.success, outcome
    assert json.loads(output)["extra"] == {**note, "remark": "packed"}
    assert b"acme.reports.v1.Note\x12\x06\x0a\x04sent" in reports.calls[-1]["requests"][0]


def test_metadata_credentials_and_secrets(reports: GrpcServer, send: Send) -> None:
    metadata = {"x-key": secret("crm/token"), "x-raw-bin": "AP8="}
    options = Grpc(
        reports.url(), json={"day": secret("crm/token")}, metadata=metadata, auth=Bearer(secret("crm/token"))
    )
    outcome, output = send(options)
    assert outcome.success
    assert output == b'{"textLine": "report of ***"}\n'
    sent = dict(reports.calls[-1]["metadata"])
    assert (sent["x-key"], sent["x-raw-bin"]) == ("s3cr3t-value", [0, 255])
    assert sent["authorization"] == "Bearer s3cr3t-value"
    send(Grpc(reports.url(), auth=Basic("us", secret("crm/password"))))
    assert dict(reports.calls[-1]["metadata"])["authorization"] == "Basic dXM6cMOkOnNz"


def test_a_secret_that_cannot_be_sent_is_said_before_anything_is(reports: GrpcServer, send: Send) -> None:
    before = len(reports.calls)
    outcome, _ = send(Grpc(reports.url(), metadata={"x-key": secret("crm/password")}))
    assert outcome.message == "the call cannot be made: the value of x-key is not plain ASCII"
    assert not outcome.retryable
    assert len(reports.calls) == before


# Streams


def test_each_reply_of_a_stream_is_a_line(reports: GrpcServer, send: Send) -> None:
    outcome, output = send(Grpc(reports.url("Watch"), '{"day": "lines"}'))
    assert outcome.success
    lines = [json.loads(line)["textLine"] for line in output.decode().splitlines()]
    assert lines == ["report of lines", "zeile ä2", "zeile ä3"]


@pytest.mark.parametrize("method", ["Upload", "Chat"])
def test_a_method_that_takes_a_stream_gets_every_message(reports: GrpcServer, send: Send, method: str) -> None:
    for options in (
        Grpc(reports.url(method), '{"day": "a"} {"day": "b"}'),
        Grpc(reports.url(method), json=[{"day": "a"}, {"day": "b"}]),
    ):
        assert send(options)[0].success
        assert reports.calls[-1]["requests"] == [b"\x0a\x01a", b"\x0a\x01b"]


def test_a_method_that_takes_one_message_gets_no_other_number(reports: GrpcServer, send: Send) -> None:
    outcome, _ = send(Grpc(reports.url(), '{"day": "a"} {"day": "b"}'))
    assert outcome.message == "Build takes one message, and body has 2"


# Descriptors


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_in_either_version(send: Send, version: str) -> None:
    with GrpcServer(reflection=(version,)) as server:
        assert send(Grpc(server.url(), json={"day": "today"}))[0].success
        assert send(Grpc(server.url(), json={"day": "today"}))[0].success


def test_a_file_of_descriptors_where_reflection_is_off(tmp_path: Path, send: Send) -> None:
    path = tmp_path / "reports.pb"
    with GrpcServer(reflection=()) as server:
        outcome, _ = send(Grpc(server.url()))
        assert outcome.message == (
            f"Failed querying reflection server: {server.address} offers no reflection; "
            "give a file of descriptors (option descriptors)"
        )
        assert not outcome.retryable
        options = Grpc(server.url(), json={"day": "today"}, descriptors=str(path))
        assert send(options)[0].message == f"descriptors: cannot read {path}: No such file or directory"
        path.write_bytes(b"nothing")
        assert send(options)[0].message == f"descriptors: {path} holds no FileDescriptorSet"
        path.write_bytes(descriptor_set(imports=False))
        assert send(options)[0].message == (
            f"descriptors: {path} lacks acme/reports/v1/types.proto; make it with protoc --include_imports"
        )
        path.write_bytes(descriptor_set())
        outcome, output = send(options)
        assert (outcome.success, output) == (True, b'{"textLine": "report of today"}\n')
        assert send(options.but(url=server.url("Bild")))[0].message.endswith("did you mean 'Build'?")


def test_what_the_server_does_not_know_is_named_with_what_it_knows(reports: GrpcServer, send: Send) -> None:
    assert send(Grpc(f"{reports.address}/acme.reports.v1.Report/Build"))[0].message == (
        "there is no service called acme.reports.v1.Report; known: acme.reports.v1.Reports; "
        "did you mean 'acme.reports.v1.Reports'?"
    )
    outcome, _ = send(Grpc(reports.url(), json={"dya": "today"}))
    assert outcome.message.startswith(
        'the message does not fit acme.reports.v1.Ask: Message type "acme.reports.v1.Ask" has'
    )
    assert "\n" not in outcome.message
    assert not outcome.retryable


# What counts as success


@pytest.mark.parametrize(
    ("status", "expect", "good"),
    [(0, "0", True), (5, "0", False), (5, "5", True), (0, "5", False), (5, "NOT_FOUND", True), (14, "0,14", True)],
)
def test_expected_codes(reports: GrpcServer, send: Send, status: int, expect: str, good: bool) -> None:
    config = {"url": reports.url(), "body": json.dumps({"day": "x", "status": status}), "expectCode": expect}
    outcome, _ = send(Grpc.from_config(config))
    assert (outcome.success, outcome.exit_code) == (good, status)
    if not good:
        assert outcome.message.startswith(f"server returned {status} (")


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (3, False),
        (5, False),
        (7, False),
        (9, False),
        (16, False),
        (2, True),
        (8, True),
        (10, True),
        (13, True),
        (14, True),
    ],
)
def test_the_servers_own_reason_and_whether_another_try_makes_sense(
    reports: GrpcServer, send: Send, status: int, retryable: bool
) -> None:
    outcome, _ = send(Grpc(reports.url(), json={"day": "x", "status": status}))
    assert outcome.message.endswith("code, expected 0 (OK): no report for x")
    assert (outcome.reason, outcome.retryable) == ("executor_error", retryable)


def test_codes_that_mean_nothing_to_do_or_another_try(reports: GrpcServer, send: Send) -> None:
    missing = Grpc(reports.url(), json={"day": "x", "status": 5})
    assert send(missing.but(skip_codes="5"))[0].success
    assert not send(missing.but(json={"day": "x", "status": 14}, retry_codes="8"))[0].retryable


# Options


@pytest.mark.parametrize(
    ("config", "field", "said"),
    [
        ({}, "url", "url is empty"),
        ({"url": "reports:9000"}, "url", "we require at least a url and a path to do a proto request"),
        ({"url": "http://reports:9000/a.B/C"}, "url", "has a scheme"),
        ({"url": "reports/a.B/C"}, "url", "is not a host with a port"),
        ({"url": "reports:9000/Build"}, "url", "names no method"),
        ({"url": "r:1/a.B/C", "body": "{"}, "body", "is not JSON"),
        ({"url": "r:1/a.B/C", "body": "{}", "json": {}}, "json", "only one can be sent"),
        ({"url": "r:1/a.B/C", "headers": "authorization: x"}, "headers", "is not JSON"),
        ({"url": "r:1/a.B/C", "headers": '["grpc-timeout: 1S"]'}, "headers", "gRPC's own"),
        ({"url": "r:1/a.B/C", "headers": '["x-bin: ?"]'}, "headers", "is not base64"),
        ({"url": "r:1/a.B/C", "headers": '["x: ä"]'}, "headers", "is not plain ASCII"),
        ({"url": "r:1/a.B/C", "expectCode": "17"}, "expectCode", "is not a gRPC status"),
        ({"url": "r:1/a.B/C", "expectCode": "NOTFOUND"}, "expectCode", "did you mean 'NOT_FOUND'?"),
        ({"url": "r:1/a.B/C", "timeout": "soon"}, "timeout", "soon"),
        ({"url": "r:1/a.B/C", "tls_key": "k.pem"}, "tls_key", "needs tls_cert"),
        (
            {"url": "r:1/a.B/C", "headers": {"authorization": "x"}, "auth": {"type": "bearer", "token": "t"}},
            "auth",
            "give one",
        ),
    ],
)
def test_what_is_refused_when_the_job_is_saved(config: dict[str, object], field: str, said: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Grpc.from_config(config)
    assert [problem.field for problem in caught.value.problems] == [f"executor_config.{field}"]
    assert said in str(caught.value)


def test_options_survive_being_written() -> None:
    options = Grpc("r:1/a.B.C", json=[{"a": secret("k")}], metadata=["X: 1"], expect=[0, "NOT_FOUND"], timeout="1m")
    assert Grpc.from_config(options.to_config()) == options
    assert options.metadata == {"x": "1"}


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc_reflection", None)
    monkeypatch.delitem(sys.modules, "grpc_reflection.v1alpha.reflection_pb2")
    monkeypatch.delitem(sys.modules, "grpc_reflection.v1alpha")
    with pytest.raises(
        PluginError, match=r"""'grpc' needs the package grpc_reflection\S*: pip install "dkronpy\[grpc\]"$"""
    ):
        GrpcExecutor()
