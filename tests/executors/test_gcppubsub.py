"""The gcppubsub executor on Google's emulator, where it is found, and on the fake: what arrives, what is refused."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from dkronpy.errors import InvalidError, PluginError
from dkronpy.executors.gcppubsub import PubSub, PubSubExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.services.pubsub import KINDS, PROJECT, Emulator, FakePubSub, PubSubServer
from tests.executors.services.resources import resources
from tests.support import free_port, wait_until

Send = Callable[[PubSub], tuple[Outcome, bytes]]

DKRON = (
    '{"executor":"gcppubsub","executor_config":{"project":"acme-prod","topic":"cron-ticks","data":"eyJ0IjoxfQ==",'
    '"attributes":"{\\"source\\":\\"dkron\\"}"}}'
)


@pytest.fixture(params=KINDS, scope="module")
def pubsub(request: pytest.FixtureRequest) -> Iterator[PubSubServer]:
    """A server with the topic ``cron-ticks``, for the tests of this module."""
    with {"fake": FakePubSub, "emulator": Emulator}[request.param]() as server:
        server.create("cron-ticks")
        yield server


@pytest.fixture
def publisher() -> Iterator[PubSubExecutor]:
    """An executor with connections of its own."""
    made = PubSubExecutor()
    yield made
    made.close()


@pytest.fixture
def send(ping: ExecutorHarness, publisher: PubSubExecutor) -> Send:
    """Runs an attempt of the job ``ping``."""
    return lambda options: ping.run(publisher, options)


def tick(server: PubSubServer) -> PubSub:
    return PubSub(PROJECT, "cron-ticks", text="tick", emulator=server.address)


# What arrives


@pytest.mark.shows("read back byte by byte")
def test_a_message_as_dkron_writes_it_arrives_byte_by_byte(
    pubsub: PubSubServer, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.address)
    outcome, output = send(PubSub.from_config(json.loads(DKRON)["executor_config"]))
    (message,) = pubsub.pull("cron-ticks")
    assert message.data == b'{"t":1}'
    assert dict(message.attributes) == {
        "source": "dkron",
        "idempotency-key": "ping@2026-11-23T02:30:00.000Z.0",
        "dkronpy-fencing-token": "7",
    }
    assert output == message.message_id.encode(), "the output is the id, as in Dkron"
    assert outcome == Outcome(
        success=True,
        message=f"projects/acme-prod/topics/cron-ticks, message {message.message_id}",
        result=message.message_id,
    )


def test_text_secrets_and_attributes_of_ones_own(pubsub: PubSubServer, send: Send) -> None:
    attributes = {"idempotency-key": "mine", "token": secret("crm/token"), "wer": "Zoë"}
    assert send(tick(pubsub).but(text=secret("crm/password"), attributes=attributes))[0].success
    (message,) = pubsub.pull("cron-ticks")
    assert message.data == "pä:ss".encode()
    assert dict(message.attributes) == {
        "idempotency-key": "mine", "token": "s3cr3t-value", "wer": "Zoë", "dkronpy-fencing-token": "7",
    }  # fmt: skip


def test_any_bytes_and_attributes_alone(pubsub: PubSubServer, send: Send) -> None:
    assert send(PubSub(PROJECT, "cron-ticks", bytes(range(256)), emulator=pubsub.address))[0].success
    assert send(PubSub(PROJECT, "cron-ticks", attributes={"a": ""}, emulator=pubsub.address))[0].success
    first, second = sorted(pubsub.pull("cron-ticks"), key=lambda message: -len(message.data))
    assert (first.data, second.data, second.attributes["a"]) == (bytes(range(256)), b"", "")


def test_an_ordering_key_keeps_the_order(pubsub: PubSubServer, send: Send) -> None:
    for number in range(5):
        assert send(tick(pubsub).but(text=str(number), ordering_key="tenant-7"))[0].success
    messages = pubsub.pull("cron-ticks")
    assert [message.data for message in messages] == [b"0", b"1", b"2", b"3", b"4"]
    assert {message.ordering_key for message in messages} == {"tenant-7"}


def test_a_topic_that_does_not_exist(pubsub: PubSubServer, send: Send) -> None:
    outcome, output = send(tick(pubsub).but(topic="nowhere"))
    assert outcome.message.startswith("cannot publish to projects/acme-prod/topics/nowhere: NOT_FOUND: ")
    assert (outcome.success, outcome.retryable, output) == (False, False, b"")


# It always ends


def test_a_frozen_server(pubsub: PubSubServer, send: Send) -> None:
    assert send(tick(pubsub))[0].success
    pubsub.freeze()
    began = time.monotonic()
    try:
        outcome, _ = send(tick(pubsub).but(timeout="600ms"))
        assert time.monotonic() - began < 8
        assert (outcome.reason, outcome.message) == ("timeout", "no complete answer within 0.6 s")
        with_key, _ = send(tick(pubsub).but(timeout="600ms", ordering_key="k"))
        assert with_key.reason == "timeout", "Google's client would try for ever where there is an ordering key"
    finally:
        pubsub.thaw()
    assert send(tick(pubsub))[0].success
    pubsub.pull("cron-ticks")


def test_the_timeout_of_the_attempt_counts_too(publisher: PubSubExecutor) -> None:
    with FakePubSub() as server:
        server.freeze()
        harness = ExecutorHarness(timeout=timedelta(milliseconds=300))
        assert harness.run(publisher, tick(server))[0].message == "no complete answer within 0.3 s"


@pytest.mark.parametrize("reason", ["cancelled", "lease_lost_killed", "shutdown"])
def test_cancel_in_mid_run(ping: ExecutorHarness, publisher: PubSubExecutor, reason: str) -> None:
    with FakePubSub() as server:
        server.fail(*["UNAVAILABLE"] * 10)
        with running(ping, publisher, tick(server).but(timeout=0)) as result:
            wait_until(lambda: server.published, description="the first try was made")
            server.freeze()
            began = time.monotonic()
            ping.cancel(reason)
        assert time.monotonic() - began < 8
    assert result[0][0].reason == reason


def test_cancel_before_the_start_sends_nothing(ping: ExecutorHarness, publisher: PubSubExecutor) -> None:
    with FakePubSub() as server:
        ping.cancel()
        assert ping.run(publisher, tick(server))[0].reason == "cancelled"
        assert server.published == []


@pytest.mark.shows("refused connection")
def test_nobody_listens(send: Send) -> None:
    address = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    outcome, _ = send(PubSub(PROJECT, "cron-ticks", text="x", emulator=address))
    assert outcome.message == f"cannot connect to {address}: Connection refused"
    assert outcome.retryable
    assert time.monotonic() - began < 5


@pytest.mark.shows("killed in mid run and back")
@pytest.mark.parametrize("kind", KINDS)
def test_killed_in_mid_run_and_back(kind: str, ping: ExecutorHarness, publisher: PubSubExecutor) -> None:
    with {"fake": FakePubSub, "emulator": Emulator}[kind]() as server:
        server.create("cron-ticks")
        assert ping.run(publisher, tick(server))[0].success
        server.freeze()
        with running(ping, publisher, tick(server)) as result:
            server.kill()
        assert not result[0][0].success
        assert server.address in result[0][0].message
        assert result[0][0].retryable
        server.start()
        server.create("cron-ticks")
        assert ping.run(publisher, tick(server))[0].success, "at the first try"
        assert [message.data for message in server.pull("cron-ticks")] == [b"tick"]


def test_four_failures_are_not_too_many(ping: ExecutorHarness, publisher: PubSubExecutor) -> None:
    with FakePubSub() as server:
        server.fail("UNAVAILABLE", "UNAVAILABLE", "ABORTED", "INTERNAL")
        server.create("cron-ticks")
        assert ping.run(publisher, tick(server))[0].success
        assert len(server.published) == 5


# Faults


def test_what_may_be_tried_again_is_tried_again_a_few_times(send: Send) -> None:
    with FakePubSub() as server:
        server.create("cron-ticks")
        server.fail("UNAVAILABLE", "UNAVAILABLE")
        assert send(tick(server))[0].success
        assert [entry["status"] for entry in server.published] == ["UNAVAILABLE", "UNAVAILABLE", "OK"]


def test_quota_that_stays_exhausted_ends_with_the_servers_reason(send: Send) -> None:
    with FakePubSub() as server:
        server.fail(*["RESOURCE_EXHAUSTED"] * 50)
        outcome, _ = send(tick(server))
        reason = "RESOURCE_EXHAUSTED: the fake says resource_exhausted"
        assert outcome.message == f"cannot publish to projects/acme-prod/topics/cron-ticks: {reason}"
        assert (outcome.reason, outcome.retryable) == ("executor_error", True)
        assert len(server.published) == 5


def test_the_timeout_ends_the_tries_and_tells_the_last_reason(send: Send) -> None:
    with FakePubSub() as server:
        server.fail(*["RESOURCE_EXHAUSTED"] * 50)
        outcome, _ = send(tick(server).but(timeout="500ms"))
    assert outcome.reason == "timeout"
    assert outcome.message == "no complete answer within 0.5 s: RESOURCE_EXHAUSTED: the fake says resource_exhausted"


@pytest.mark.parametrize("status", ["PERMISSION_DENIED", "INVALID_ARGUMENT", "FAILED_PRECONDITION"])
def test_what_cannot_get_better_fails_at_once(send: Send, status: str) -> None:
    with FakePubSub() as server:
        server.fail(*[status] * 3)
        outcome, _ = send(tick(server))
        assert f": {status}: the fake says {status.lower()}" in outcome.message
        assert not outcome.retryable
        assert len(server.published) == 1


def test_nothing_is_left_behind_after_many_messages(send: Send) -> None:
    with FakePubSub() as server:
        server.create("cron-ticks")
        for _ in range(5):
            send(tick(server))
        threads, files = resources()
        for number in range(200):
            assert send(tick(server))[0].success
            if number % 20 == 0:
                server.fail("PERMISSION_DENIED")
                send(tick(server))
        wait_until(
            lambda: resources()[0] <= threads + 2 and resources()[1] <= files + 2,
            description=f"threads and descriptors are as before: {threads}, {files}",
        )


# Options


@pytest.mark.parametrize(
    ("config", "field", "said"),
    [
        ({"topic": "ticks", "data": "eA=="}, "project", "missing project"),
        ({"project": "p", "data": "eA=="}, "topic", "missing topic"),
        (
            {"project": "p", "topic": "ticks"},
            "data",
            "convert config to pubsub message: at least one of these fields should be set 'attributes, data'",
        ),
        ({"project": "p", "topic": "ticks", "data": "x"}, "data", "invalid encoded data: "),
        ({"project": "p", "topic": "ticks", "text": "y", "attributes": "x"}, "attributes", "invalid attributes JSON: "),
        ({"project": "p", "topic": "ticks", "text": "y", "attributes": '{"a": 1}'}, "attributes", "is not text"),
        ({"project": "p", "topic": "ticks", "attributes": {"googx": "1"}}, "attributes", "cannot be the name"),
        ({"project": "p", "topic": "ticks", "attributes": {"a": "x" * 1025}}, "attributes", "more than 1024 bytes"),
        (
            {"project": "p", "topic": "ticks", "attributes": {f"a{n}": "x" for n in range(99)}},
            "attributes",
            "more than 98",
        ),
        ({"project": "p", "topic": "projects/p/topics/ticks", "text": "x"}, "topic", "did you mean 'ticks'?"),
        ({"project": "p", "topic": "1", "text": "x"}, "topic", "cannot be the name of a topic"),
        ({"project": "p", "topic": "ticks", "text": "x", "data": "eA=="}, "text", "only one can be sent"),
        ({"project": "p", "topic": "ticks", "text": "x" * 10_000_001}, "data", "more than 10000000 bytes"),
        ({"project": "p", "topic": "ticks", "text": "x", "emulator": "here"}, "emulator", "host:port"),
        ({"project": "p", "topic": "ticks", "text": "x", "emulator": "e:1", "endpoint": "e:2"}, "endpoint", "give one"),
        (
            {"project": "p", "topic": "ticks", "text": "x", "credentials": "{}", "credentials_file": "k"},
            "credentials_file",
            "give one",
        ),
    ],
)
def test_what_is_refused_when_the_job_is_saved(config: dict[str, object], field: str, said: str) -> None:
    with pytest.raises(InvalidError) as caught:
        PubSub.from_config(config)
    assert [problem.field for problem in caught.value.problems] == [f"executor_config.{field}"]
    assert said in str(caught.value)


def test_options_survive_being_written() -> None:
    options = PubSub("p", "ticks", b"\x00\xff", {"a": secret("k")}, ordering_key="k", timeout="1m")
    assert PubSub.from_config(options.to_config()) == options


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("google.pubsub_v1")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "google.pubsub_v1", None)
    with pytest.raises(PluginError, match=r"""'gcppubsub' needs the package google.*: pip install "dkronpy\[gcp\]"$"""):
        PubSubExecutor()
