"""The kafka executor against a real broker: what arrives, and what is said when nothing can."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from dkronpy.errors import InvalidError
from dkronpy.executors.kafka import Kafka, KafkaExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.services.kafka import Faults, KafkaServer, consumed, faulty_cluster
from tests.executors.services.resources import no_more_than, resources
from tests.support import free_port, wait_until

Send = Callable[[Kafka], tuple[Outcome, bytes]]


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaServer]:
    """A broker that the tests of this module share; each has a topic of its own."""
    with KafkaServer() as server:
        yield server


@pytest.fixture
def kafka() -> Iterator[KafkaExecutor]:
    """An executor with producers of its own."""
    running = KafkaExecutor()
    yield running
    running.close()


@pytest.fixture
def send(kafka: KafkaExecutor, ping: ExecutorHarness) -> Send:
    """Runs an attempt of the job ``ping``."""
    return lambda options: ping.run(kafka, options)


@pytest.fixture
def free_address() -> str:
    """An address where nobody listens."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def faults() -> Iterator[Faults]:
    """A cluster that answers as it is told."""
    with faulty_cluster() as cluster:
        yield cluster


# What arrives


@pytest.mark.shows("read back byte by byte")
def test_a_message_as_dkron_writes_it_arrives_byte_by_byte(broker: KafkaServer, send: Send) -> None:
    broker.create("dkron")
    config = {"brokerAddress": broker.address, "topic": "dkron", "key": "tenant-7", "message": '{"tick":1}'}
    outcome, output = send(Kafka.from_config(config))
    assert outcome.success, outcome
    assert output == b"Result: successfully produced the message on Kafka broker\n"
    assert (outcome.message, outcome.result["offset"]) == ("dkron, partition 0, offset 0", 0)
    (message,) = consumed(broker.address, "dkron")
    assert (message.value(), message.key()) == (b'{"tick":1}', b"tenant-7")
    assert dict(message.headers() or []) == {
        "dkronpy-execution-id": b"ping@2026-11-23T02:30:00.000Z.0",
        "dkronpy-fencing-token": b"7",
    }


def test_an_absent_key_is_null_and_an_empty_one_is_empty(broker: KafkaServer, send: Send) -> None:
    broker.create("keys")
    assert send(Kafka(broker.address, "keys", "none"))[0].success
    assert send(Kafka.from_config({"brokerAddress": broker.address, "topic": "keys", "message": "m", "key": ""}))[0]
    none, empty = consumed(broker.address, "keys", 2)
    assert (none.key(), empty.key()) == (None, None), "Dkron sends an empty key, which gathers in one partition"


def test_bytes_text_headers_and_secrets(broker: KafkaServer, send: Send) -> None:
    broker.create("bytes")
    options = Kafka.from_config(
        {
            "brokers": broker.address,
            "topic": "bytes",
            "message_base64": "AAH/",
            "key_base64": "/w==",
            "headers": {"x-who": "Zoë", "x-token": {"secret": "crm/token"}, "Dkronpy-Fencing-Token": "mine"},
            "compression": "zstd",
            "debug": "true",
        }
    )
    outcome, output = send(options)
    assert outcome.success, outcome
    assert b"3 bytes" in output
    assert b"s3cr3t" not in output
    assert send(Kafka(broker.address, "bytes", "grüße ☃", headers={"x-token": secret("crm/token")}))[0].success
    raw, text = consumed(broker.address, "bytes", 2)
    assert (raw.value(), raw.key()) == (b"\x00\x01\xff", b"\xff")
    assert dict(raw.headers() or []) == {
        "x-who": "Zoë".encode(),
        "x-token": b"s3cr3t-value",
        "Dkronpy-Fencing-Token": b"mine",
        "dkronpy-execution-id": b"ping@2026-11-23T02:30:00.000Z.0",
    }
    assert text.value() == "grüße ☃".encode()


def fnv1a(key: bytes) -> int:
    """FNV-1a as the clients of Dkron's language fold it: a signed number without its sign."""
    value = 0x811C9DC5
    for byte in key:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return abs(value - (1 << 32) if value >= 1 << 31 else value)


def test_keys_find_the_partition_that_dkron_gives_them(broker: KafkaServer, send: Send) -> None:
    broker.create("spread", 5)
    for key in ("tenant-7", "a", "zz", "Zoë"):
        outcome, _ = send(Kafka(broker.address, "spread", key=key))
        assert outcome.result["partition"] == fnv1a(key.encode()) % 5, key
    assert send(Kafka(broker.address, "spread", key="a", partition=3))[0].result["partition"] == 3
    refused, _ = send(Kafka(broker.address, "spread", partition=17, timeout=5))
    assert (refused.success, refused.retryable) == (False, False)


def test_an_empty_message_arrives(broker: KafkaServer, send: Send) -> None:
    broker.create("empty")
    assert send(Kafka(broker.address, "empty"))[0].success
    assert consumed(broker.address, "empty")[0].value() == b""


# What goes wrong


@pytest.mark.shows("refused connection")
def test_nobody_listens(free_address: str, send: Send) -> None:
    outcome, output = send(Kafka(free_address, "t", timeout=1))
    assert (outcome.success, outcome.reason, outcome.retryable) == (False, "timeout", True)
    assert outcome.message.startswith(f"no acknowledgement from {free_address} within 1 s: {free_address}: Connect to")
    assert outcome.message.endswith("Connection refused (the message was not sent)")
    assert output == b""


def test_an_unknown_host_is_named(send: Send) -> None:
    outcome, _ = send(Kafka("nowhere.invalid:9092", "t", timeout=2))
    assert "nowhere.invalid:9092" in outcome.message
    assert "resolve" in outcome.message


def test_an_unknown_topic_is_no_matter_of_time(faults: Faults, broker: KafkaServer, send: Send) -> None:
    faults.unknown("nothing")
    for address in (faults.address, broker.address):
        outcome, _ = send(Kafka(address, "nothing", create_topic=False))
        assert (outcome.success, outcome.retryable) == (False, False), outcome
        assert "UNKNOWN_TOPIC" in outcome.message


@pytest.mark.parametrize(
    ("codes", "name", "retryable"),
    [
        ([29], "TOPIC_AUTHORIZATION_FAILED", False),
        ([10], "MSG_SIZE_TOO_LARGE", False),
        ([17], "TOPIC_EXCEPTION", False),
        ([56], "KAFKA_STORAGE_ERROR", True),
    ],
)
def test_a_refusal_of_the_broker_is_told_in_its_words(
    faults: Faults, send: Send, codes: list[int], name: str, retryable: bool
) -> None:
    faults.answer(*codes * 20)
    outcome, _ = send(Kafka(faults.address, "t", timeout=15))
    assert (outcome.success, outcome.reason, outcome.retryable) == (False, "executor_error", retryable), outcome
    assert f"({name})" in outcome.message
    assert "Broker: " in outcome.message


def test_what_passes_by_itself_is_tried_again_within_the_attempt(faults: Faults, send: Send) -> None:
    faults.answer(7, 19, 6)  # timed out, not enough replicas, no longer the leader
    assert send(Kafka(faults.address, "t", "m"))[0].success


def test_a_frozen_broker_is_left_when_time_is_up(kafka: KafkaExecutor, send: Send) -> None:
    with KafkaServer() as server:
        assert send(Kafka(server.address, "t", "before"))[0].success
        server.freeze()
        began = time.monotonic()
        outcome, _ = send(Kafka(server.address, "t", "meanwhile", timeout=1))
        assert time.monotonic() - began < 8
        assert (outcome.reason, outcome.retryable) == ("timeout", True)
        assert (
            outcome.message
            == f"no acknowledgement from {server.address} within 1 s (it was sent, and may have arrived)"
        )


def test_the_timeout_of_the_job_counts_too(free_address: str, kafka: KafkaExecutor) -> None:
    harness = ExecutorHarness(timeout=timedelta(seconds=0.5))
    outcome, _ = harness.run(kafka, Kafka(free_address, "t", timeout=0))
    assert outcome.reason == "timeout"


def test_cancel_ends_it_in_mid_run(kafka: KafkaExecutor, ping: ExecutorHarness) -> None:
    with KafkaServer() as server:
        assert ping.run(kafka, Kafka(server.address, "t", "before"))[0].success
        server.freeze()
        timer = threading.Timer(1.5, ping.cancel)
        timer.start()
        began = time.monotonic()
        outcome, _ = ping.run(kafka, Kafka(server.address, "t", "meanwhile"))
        assert time.monotonic() - began < 8
        timer.join()
    assert (outcome.reason, outcome.success) == ("cancelled", False)
    assert outcome.message.startswith("it was cancelled; no acknowledgement from")


def test_what_was_given_up_is_not_sent_by_a_later_attempt(send: Send, kafka: KafkaExecutor) -> None:
    with KafkaServer() as server:
        server.kill()
        assert not send(Kafka(server.address, "t", "given up", partition=0, timeout=0.5))[0].success
        server.start()
        assert send(Kafka(server.address, "t", "second", partition=0))[0].success
        assert [message.value() for message in consumed(server.address, "t")] == [b"second"]


@pytest.mark.shows("killed in mid run and back")
def test_a_broker_that_is_killed_in_mid_run_and_is_back_gets_the_retry(
    kafka: KafkaExecutor, ping: ExecutorHarness
) -> None:
    with KafkaServer() as server:
        options = Kafka(server.address, "t", "m", partition=0, timeout=2)
        assert ping.run(kafka, options)[0].success
        server.freeze()
        with running(ping, kafka, options) as result:
            server.kill()
        lost = result[0][0]
        assert (lost.success, lost.retryable) == (False, True), lost
        server.start()
        outcome, _ = ping.run(kafka, options.but(timeout=20))
        assert outcome.success, outcome
        assert [message.value() for message in consumed(server.address, "t")] == [b"m"], "it forgets as it dies"


# What is kept


def test_connections_are_kept_and_nothing_leaks(broker: KafkaServer, kafka: KafkaExecutor, send: Send) -> None:
    broker.create("many")
    options = Kafka(broker.address, "many", "m")
    assert send(options)[0].success
    before = resources()
    for _ in range(300):
        assert send(options)[0].success
    wait_until(lambda: no_more_than(before), description="the same connections are used again")
    kafka.close()
    wait_until(lambda: resources() < before, description="the producer's threads and descriptors are gone")


def test_failures_leave_nothing_behind(free_address: str, send: Send) -> None:
    before = resources()
    for _ in range(10):
        assert not send(Kafka(free_address, "t", timeout=0.1))[0].success
    wait_until(lambda: resources() <= before, description="the producers' threads and descriptors are gone")


def test_attempts_beside_each_other_have_producers_of_their_own(broker: KafkaServer, kafka: KafkaExecutor) -> None:
    broker.create("beside")
    outcomes: list[Outcome] = []

    def attempt(number: int) -> None:
        outcomes.append(ExecutorHarness().run(kafka, Kafka(broker.address, "beside", str(number)))[0])

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [outcome.success for outcome in outcomes] == [True] * 8
    found = {int(message.value() or b"") for message in consumed(broker.address, "beside", 8)}
    assert found == set(range(8))


# Options


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"topic": "t"}, "brokerAddress is empty"),
        ({"brokerAddress": "k:9092"}, "topic is empty"),
        ({"brokerAddress": "k:9092", "topic": "a b"}, "a topic's name has"),
        ({"brokerAddress": "http://k:9092", "topic": "t"}, "is not an address"),
        ({"brokerAddress": "k", "topic": "t", "saslUsername": "u", "saslPassword": "p"}, "invalid SASL mechanism"),
        (
            {"brokerAddress": "k", "topic": "t", "saslUsername": "u", "saslPassword": "p", "saslMechanism": "md5"},
            "invalid SASL mechanism, must be 'sha256' or 'sha512'",
        ),
        ({"brokerAddress": "k", "topic": "t", "saslUsername": "u"}, "one is missing"),
        ({"brokerAddress": "k", "topic": "t", "tls_ca": "/ca.pem"}, "it means nothing without TLS"),
        ({"brokerAddress": "k", "topic": "t", "message": "a", "message_base64": "YQ=="}, "only one can be sent"),
        ({"brokerAddress": "k", "topic": "t", "message_base64": "?"}, "is not base64"),
        ({"brokerAddress": "k", "topic": "t", "headers": ["a: b"]}, "is not a table"),
        ({"brokerAddress": "k", "topic": "t", "partition": "-1"}, "it is below zero"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_when_it_is_saved(config: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidError, match="executor_config") as error:
        Kafka.from_config(config)
    assert message in str(error.value)
