"""The nats executor against a real server: what arrives, what is answered, what is stored."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from dkronpy.errors import InvalidError
from dkronpy.executors.nats import Nats, NatsExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.services.nats import NatsServer, stream
from tests.executors.services.resources import no_more_than, resources
from tests.support import free_port, wait_until

Send = Callable[[Nats], tuple[Outcome, bytes]]


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    """A server that the tests of this module share; each has a subject of its own."""
    with NatsServer() as running:
        yield running


@pytest.fixture
def executor() -> Iterator[NatsExecutor]:
    """An executor with connections of its own."""
    running = NatsExecutor()
    yield running
    running.close()


@pytest.fixture
def send(executor: NatsExecutor, ping: ExecutorHarness) -> Send:
    """Runs an attempt of the job ``ping``."""
    return lambda options: ping.run(executor, options)


# Core NATS


@pytest.mark.shows("read back byte by byte")
def test_a_message_as_dkron_writes_it_arrives_byte_by_byte(server: NatsServer, send: Send) -> None:
    with server.wire() as wire:
        wire.subscribe("jobs.>")
        outcome, output = send(
            Nats.from_config({"url": server.url, "subject": "jobs.report.daily", "message": "grüße ☃"})
        )
        assert outcome.success, outcome
        assert output == b"Result: Message successfully sent\n"
        headers, data, _ = wire.message()
    assert data == "grüße ☃".encode()
    assert headers == {"Nats-Msg-Id": "ping@2026-11-23T02:30:00.000Z.0", "dkronpy-fencing-token": "7"}


def test_bytes_headers_and_secrets(server: NatsServer, send: Send) -> None:
    given = {"X-Who": "me", "X-Token": secret("crm/token"), "nats-msg-id": "mine"}
    with server.wire() as wire:
        wire.subscribe("bytes")
        outcome, output = send(Nats(server.url, "bytes", message_base64=b"\x00\x01\xff", headers=given, debug=True))
        assert outcome.success, outcome
        assert b"3 bytes" in output
        headers, data, _ = wire.message()
    assert data == b"\x00\x01\xff"
    assert headers == {
        "X-Who": "me", "X-Token": "s3cr3t-value", "nats-msg-id": "mine", "dkronpy-fencing-token": "7",
    }  # fmt: skip


def test_a_message_larger_than_the_server_takes_is_no_matter_of_time(server: NatsServer, send: Send) -> None:
    outcome, _ = send(Nats(server.url, "large", "x" * 65_537))
    assert (outcome.success, outcome.retryable) == (False, False)
    assert outcome.message == f"{server.address} takes no message of that size"
    assert send(Nats(server.url, "large", "x" * 60_000))[0].success


# Requests


def test_the_answer_to_a_request_is_the_output(server: NatsServer, send: Send) -> None:
    with server.wire() as wire:
        wire.subscribe("service.sum")

        def serve() -> None:
            for headers in ("", "Nats-Service-Error-Code: 500\r\nNats-Service-Error: no idea"):
                _, data, reply = wire.message()
                wire.answer(reply, b"sum of " + data, headers)

        thread = threading.Thread(target=serve)
        thread.start()
        options = Nats(server.url, "service.sum", "1,2", mode="request")
        outcome, output = send(options)
        assert (outcome.success, output) == (True, b"sum of 1,2"), outcome
        failed, output = send(options)
        assert (failed.success, output) == (False, b"sum of 1,2")
        assert failed.message == "the answer is an error: 500 no idea"
        thread.join(10)


def test_a_request_that_nobody_hears_is_a_failure_at_once(server: NatsServer, send: Send) -> None:
    began = time.monotonic()
    outcome, _ = send(Nats(server.url, "service.none", mode="request"))
    assert time.monotonic() - began < 5
    assert (outcome.success, outcome.message) == (False, "nobody answers to service.none")


def test_a_request_that_nobody_answers_ends_in_time(server: NatsServer, send: Send) -> None:
    with server.wire() as wire:
        wire.subscribe("service.deaf")
        outcome, _ = send(Nats(server.url, "service.deaf", mode="request", timeout=0.5))
    assert (outcome.reason, outcome.message) == ("timeout", f"no answer from {server.address} within 0.5 s")


# JetStream


def test_a_stream_has_stored_it_and_drops_the_repetition(server: NatsServer, send: Send) -> None:
    with stream(server, "STORED", "stored.*") as stored:
        options = Nats(server.url, "stored.a", "content", mode="jetstream", stream="STORED")
        first, _ = send(options)
        assert first.result == {"stream": "STORED", "seq": 1, "duplicate": False}, first
        again, _ = send(options)
        assert (again.success, again.result["duplicate"]) == (True, True), "the same execution is stored once"
        assert again.message == "stream STORED, sequence 1, which had it already"
        found = stored(1)["message"]
        assert base64.b64decode(found["data"]) == b"content"
        assert b"Nats-Msg-Id: ping@2026-11-23T02:30:00.000Z.0\r\n" in base64.b64decode(found["hdrs"])
        assert "error" in stored(2)
        other, _ = send(options.but(stream="OTHER"))
        assert (other.success, other.retryable) == (False, False)
        assert "expected stream does not match" in other.message


def test_a_subject_without_a_stream_is_a_failure(server: NatsServer, send: Send) -> None:
    outcome, _ = send(Nats(server.url, "stored.nowhere", mode="jetstream"))
    assert (outcome.success, outcome.message) == (False, "no stream takes stored.nowhere")


def test_a_full_stream_says_so(server: NatsServer, send: Send) -> None:
    with stream(server, "FULL", "full", max_msgs=1, discard="new"):
        options = Nats(server.url, "full", mode="jetstream", headers={"Nats-Msg-Id": "1"})
        assert send(options)[0].success
        outcome, _ = send(options.but(headers={"Nats-Msg-Id": "2"}))
        assert not outcome.success
        assert "maximum messages exceeded" in outcome.message


# What goes wrong


@pytest.mark.shows("refused connection")
def test_nobody_listens(send: Send) -> None:
    address = f"127.0.0.1:{free_port()}"
    outcome, output = send(Nats(f"nats://us:pw@{address}", "t"))
    assert (outcome.success, outcome.reason, outcome.retryable, output) == (False, "executor_error", True, b"")
    assert outcome.message.startswith(f"no connection to {address}: ")
    assert "pw" not in outcome.message


def test_the_next_server_is_tried(server: NatsServer, send: Send) -> None:
    gone = free_port()
    assert send(Nats(f"nats://127.0.0.1:{gone}, {server.address}", "t"))[0].success


def test_an_unknown_host_is_named(send: Send) -> None:
    outcome, _ = send(Nats("nats://nowhere.invalid", "t", timeout=10))
    assert outcome.message.startswith("no connection to nowhere.invalid: ")


@pytest.mark.parametrize("mode", ["publish", "jetstream"])
def test_a_frozen_server_is_left_when_time_is_up(executor: NatsExecutor, send: Send, mode: str) -> None:
    with NatsServer() as server, stream(server, "S", "s"):
        options = Nats.from_config({"url": server.url, "subject": "s", "mode": mode, "timeout": 1})
        assert send(options)[0].success
        server.freeze()
        for _ in range(2):  # over the kept connection, then over a new one
            began = time.monotonic()
            outcome, _ = send(options)
            assert time.monotonic() - began < 10
            assert (outcome.success, outcome.reason, outcome.retryable) == (False, "timeout", True)
            assert outcome.message == f"no acknowledgement from {server.address} within 1 s"
        server.thaw()


def test_cancel_ends_it_in_mid_run(server: NatsServer, executor: NatsExecutor, ping: ExecutorHarness) -> None:
    with server.wire() as wire:
        wire.subscribe("service.slow")
        timer = threading.Timer(1.5, ping.cancel)
        timer.start()
        began = time.monotonic()
        outcome, _ = ping.run(executor, Nats(server.url, "service.slow", mode="request"))
        assert time.monotonic() - began < 8
        timer.join()
    assert outcome.reason == "cancelled"
    assert outcome.message == f"it was cancelled; no answer from {server.address} until then"


def test_the_timeout_of_the_job_counts_too(server: NatsServer, executor: NatsExecutor) -> None:
    with server.wire() as wire:
        wire.subscribe("service.long")
        harness = ExecutorHarness(timeout=timedelta(seconds=0.4))
        assert harness.run(executor, Nats(server.url, "service.long", mode="request", timeout=0))[0].reason == "timeout"


@pytest.mark.shows("killed in mid run and back")
def test_a_server_that_is_killed_in_mid_run_and_is_back_gets_the_retry(
    executor: NatsExecutor, ping: ExecutorHarness
) -> None:
    with NatsServer() as server, stream(server, "S", "s", storage="file"):
        options = Nats(server.url, "s", "m", mode="jetstream")
        assert ping.run(executor, options)[0].success
        server.freeze()
        with running(ping, executor, options) as result:
            server.kill()
        lost = result[0][0]
        assert (lost.success, lost.retryable) == (False, True), lost
        server.start()
        with server.wire() as wire:
            wait_until(lambda: "error" not in wire.ask("$JS.API.STREAM.INFO.S", {}), description="the stream is back")
        outcome, _ = ping.run(executor, options)
        assert outcome.success, outcome
        assert outcome.result["duplicate"], "the server remembers what it stored before it was killed"


def test_a_server_that_dies_in_mid_run_is_noticed_at_once(send: Send) -> None:
    with NatsServer() as server, server.wire() as wire:
        wire.subscribe("service.fragile")
        timer = threading.Timer(1.5, server.kill)
        timer.start()
        began = time.monotonic()
        outcome, _ = send(Nats(server.url, "service.fragile", mode="request"))
        assert time.monotonic() - began < 5
        timer.join()
    assert (outcome.success, outcome.reason, outcome.retryable) == (False, "executor_error", True), outcome


# What is kept


def test_connections_are_kept_and_nothing_leaks(server: NatsServer, executor: NatsExecutor, send: Send) -> None:
    nothing = resources()
    options = Nats(server.url, "many", "m")
    assert send(options)[0].success
    before = resources()
    for _ in range(300):
        assert send(options)[0].success
    wait_until(lambda: no_more_than(before), description="the same connections are used again")
    executor.close()
    wait_until(lambda: resources() <= nothing, description="the loop's thread and descriptors are gone")


def test_failures_leave_nothing_behind(executor: NatsExecutor, send: Send) -> None:
    with NatsServer('authorization { token: "right" }') as server:
        assert send(Nats(server.url, "t", token="right"))[0].success
        before = resources()
        for _ in range(20):
            assert not send(Nats(server.url, "t", token="wrong"))[0].success
        wait_until(lambda: resources() <= before, description="the connections are gone")


# Options


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"subject": "s"}, "url is empty"),
        ({"url": "nats://n"}, "subject is empty"),
        ({"url": "http://n", "subject": "s"}, "is not the URL of a NATS server"),
        ({"url": "nats://n", "subject": "a.*"}, "the form is jobs.report.daily"),
        ({"url": "nats://n", "subject": "s", "mode": "shout"}, "is not one of publish, request, jetstream"),
        ({"url": "nats://n", "subject": "s", "stream": "S"}, "only JetStream has streams"),
        ({"url": "nats://n", "subject": "s", "password": "p"}, "it needs user"),
        ({"url": "nats://n", "subject": "s", "userName": "u", "token": "t"}, "there is one way to sign in"),
        ({"url": "nats://n", "subject": "s", "headers": {"a b": "c"}}, "cannot be the name of a header"),
        ({"url": "nats://n", "subject": "s", "message": "a", "message_base64": "YQ=="}, "only one can be sent"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_saved(config: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidError, match="executor_config") as error:
        Nats.from_config(config)
    assert message in str(error.value)
