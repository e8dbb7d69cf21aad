"""The kafka executor before brokers that want to know whom they talk to: SASL and TLS."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dkronpy.executors.kafka import Kafka, KafkaExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.servers import Authority
from tests.executors.services.kafka import KafkaServer
from tests.executors.services.kafka_gate import KafkaGate

USER = ("sched", "s3cret-of-kafka")


@contextmanager
def guarded(*, user: tuple[str, str] | None = None, tls: ssl.SSLContext | None = None) -> Iterator[KafkaGate]:
    """A broker behind a gate."""
    with KafkaGate(user=user, tls=tls) as gate, KafkaServer(advertised=gate.port) as broker:
        gate.serve(broker.port)
        yield gate


@contextmanager
def sending(**secrets: str) -> Iterator[tuple[ExecutorHarness, KafkaExecutor]]:
    """A harness and an executor."""
    executor = KafkaExecutor()
    try:
        yield ExecutorHarness(job="ping", secrets=secrets), executor
    finally:
        executor.close()


def sent(options: Kafka) -> Outcome:
    """The outcome of one attempt."""
    with sending(password=USER[1]) as (harness, executor):
        return harness.run(executor, options)[0]


@pytest.fixture(scope="module")
def behind_sasl() -> Iterator[KafkaGate]:
    """A broker that wants a password."""
    with guarded(user=USER) as gate:
        yield gate


@pytest.mark.parametrize(
    ("mechanism", "used"), [("sha256", "SCRAM-SHA-256"), ("SCRAM-SHA-512", "SCRAM-SHA-512"), ("plain", "PLAIN")]
)
def test_sasl(behind_sasl: KafkaGate, mechanism: str, used: str) -> None:
    options = Kafka.from_config(
        {
            "brokerAddress": behind_sasl.address,
            "topic": f"by-{used}",
            "message": "in",
            "saslUsername": USER[0],
            "saslPassword": {"secret": "password"},
            "saslMechanism": mechanism,
        }
    )
    outcome = sent(options)
    assert outcome.success, outcome
    assert set(behind_sasl.signed_in[-1:]) == {used}


@pytest.mark.shows("wrong credentials")
@pytest.mark.parametrize("mechanism", ["plain", "sha256", "sha512"])
def test_a_wrong_password_is_said_at_once_and_is_no_matter_of_time(behind_sasl: KafkaGate, mechanism: str) -> None:
    options = Kafka(
        behind_sasl.address, "t", sasl_username=USER[0], sasl_password="wrong-one", sasl_mechanism=mechanism
    )  # type: ignore[arg-type]
    began = time.monotonic()
    outcome = sent(options)
    assert time.monotonic() - began < 10, "the client alone would show a time-out"
    assert (outcome.success, outcome.reason, outcome.retryable) == (False, "executor_error", False)
    assert "Authentication failed: who is that?" in outcome.message
    assert "wrong-one" not in outcome.message


def test_no_credentials_where_some_are_wanted(behind_sasl: KafkaGate) -> None:
    options = Kafka(
        behind_sasl.address, "t", sasl_username=USER[0], sasl_password=USER[1], sasl_mechanism="plain", timeout=10
    )
    assert sent(options).success
    outcome = sent(Kafka(behind_sasl.address, "t", timeout=1))
    assert not outcome.success
    assert behind_sasl.address in outcome.message


@pytest.mark.shows("own authority and a wrong one")
def test_tls(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Other CA")
    with guarded(user=USER, tls=authority.server_context()) as gate:
        options = Kafka(
            gate.address, "t", "m", tls=True, tls_ca=str(authority.ca), timeout=10,
            sasl_username=USER[0], sasl_password=secret("password"), sasl_mechanism="sha512",
        )  # fmt: skip
        outcome = sent(options)
        assert outcome.success, outcome
        for ca in (str(other.ca), ""):
            began = time.monotonic()
            wrong = sent(options.but(tls_ca=ca))
            assert time.monotonic() - began < 5, "the client alone would show a time-out"
            assert not wrong.success
            assert "certificate verify failed" in wrong.message, wrong
        dkron = {"brokerAddress": gate.address, "topic": "t", "tlsEnable": "true", "tlsInsecureSkipVerify": "true"}
        sasl = {"saslUsername": USER[0], "saslPassword": USER[1], "saslMechanism": "sha256"}
        assert sent(Kafka.from_config(dkron | sasl)).success


def test_a_client_certificate(authority: Authority) -> None:
    certificate = str(authority.issue("node1"))
    with guarded(tls=authority.server_context(ask_client=True)) as gate:
        options = Kafka(gate.address, "t", "m", tls=True, tls_ca=str(authority.ca), tls_cert=certificate, timeout=5)
        outcome = sent(options)
        assert outcome.success, outcome
        assert not sent(options.but(tls_cert="", timeout=2)).success


def test_tls_to_a_port_without_it_and_the_reverse(authority: Authority) -> None:
    with KafkaServer() as broker:
        assert sent(Kafka(broker.address, "t", timeout=10)).success
        assert not sent(Kafka(broker.address, "t", tls=True, tls_ca=str(authority.ca), timeout=1)).success
    with guarded(tls=authority.server_context()) as gate:
        assert sent(Kafka(gate.address, "t", tls=True, tls_ca=str(authority.ca), timeout=10)).success
        assert not sent(Kafka(gate.address, "t", timeout=1)).success


def test_files_that_cannot_be_used_are_named() -> None:
    outcome = sent(Kafka("127.0.0.1:9", "t", tls=True, tls_ca="/no/such.pem"))
    assert outcome.message == "tls_ca: cannot read /no/such.pem: No such file or directory"
