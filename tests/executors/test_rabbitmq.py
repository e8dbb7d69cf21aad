"""The rabbitmq executor against a real broker: what arrives in a queue, and what is said when nothing can."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pika
import pytest

from dkronpy.errors import InvalidError
from dkronpy.executors.rabbitmq import RabbitMQ, RabbitMQExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.servers import Authority
from tests.executors.services.rabbitmq import RabbitServer
from tests.executors.services.resources import no_more_than, resources
from tests.support import free_port, wait_until

Send = Callable[[RabbitMQ], tuple[Outcome, bytes]]


@pytest.fixture(scope="module")
def broker(authority: Authority) -> Iterator[RabbitServer]:
    """A broker that the tests of this module share; each has a queue of its own."""
    with RabbitServer(tls=(authority.issue("localhost"), authority.ca)) as server:
        yield server


@pytest.fixture
def executor() -> Iterator[RabbitMQExecutor]:
    """An executor with connections of its own."""
    running = RabbitMQExecutor()
    yield running
    running.close()


@pytest.fixture
def send(executor: RabbitMQExecutor, ping: ExecutorHarness) -> Send:
    """Runs an attempt of the job ``ping``."""
    return lambda options: ping.run(executor, options)


# What arrives


@pytest.mark.shows("read back byte by byte")
def test_a_message_as_dkron_writes_it_arrives_byte_by_byte(broker: RabbitServer, send: Send) -> None:
    broker.control("add_vhost", "prod")
    broker.control("set_permissions", "-p", "prod", "guest", ".*", ".*", ".*")
    config = {
        "url": broker.url(vhost="prod"),
        "queue.name": "invoices",
        "queue.create": "true",
        "queue.durable": "true",
        "message.content_type": "application/json",
        "message.delivery_mode": "2",
        "message.body": '{"month":"2026-07"}',
    }
    outcome, output = send(RabbitMQ.from_config(config))
    assert outcome.success, outcome
    assert (outcome.message, output) == (f"confirmed by {broker.address}", b"")
    parameters = pika.URLParameters(broker.url(vhost="prod"))
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare("invoices", passive=True)
    _, properties, body = channel.basic_get("invoices", auto_ack=True)
    connection.close()
    assert body == b'{"month":"2026-07"}'
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert properties.message_id == "ping@2026-11-23T02:30:00.000Z.0"
    assert properties.headers == {
        "dkronpy-execution-id": "ping@2026-11-23T02:30:00.000Z.0", "dkronpy-fencing-token": "7",
    }  # fmt: skip


def test_every_property_and_bytes(broker: RabbitServer, send: Send) -> None:
    options = RabbitMQ.from_config(
        {
            "url": broker.url(),
            "queue": "every",
            "queue_create": True,
            "queue_arguments": {"x-max-priority": 9},
            "message.base64": "AAH/",
            "message.messageId": "mine",
            "headers": {"x-who": "Zoë", "x-token": {"secret": "crm/token"}},
            "priority": 5,
            "ttl": "1m30s",
            "debug": "true",
        }
    )
    outcome, output = send(options)
    assert outcome.success, outcome
    assert output == f"> exchange '', routing key 'every' at {broker.address}\n".encode()
    properties, body = broker.taken("every")
    assert body == b"\x00\x01\xff"
    assert (properties.message_id, properties.priority, properties.expiration) == ("mine", 5, "90000")
    assert (properties.content_type, properties.delivery_mode) == ("text/plain", None)
    assert (properties.headers["x-who"], properties.headers["x-token"]) == ("Zoë", "s3cr3t-value")


def test_an_exchange_with_a_bound_queue(broker: RabbitServer, send: Send) -> None:
    options = RabbitMQ(
        broker.url(), "reports-eu", "go", exchange="reports", exchange_type="topic", routing_key="eu.daily",
        queue_create=True, queue_bind=True,
    )  # fmt: skip
    outcome, _ = send(options)
    assert outcome.success, outcome
    assert broker.taken("reports-eu")[1] == b"go"


def test_the_default_exchange_by_the_name_that_dkrons_example_has(broker: RabbitServer, send: Send) -> None:
    options = RabbitMQ(broker.url(), "by-default", "m", exchange="amq.default", queue_create=True)
    outcome, _ = send(options)
    assert outcome.success, "RabbitMQ itself has no exchange of that name; in Dkron the message is lost"
    assert broker.taken("by-default")[1] == b"m"


def test_a_quorum_queue(broker: RabbitServer, send: Send) -> None:
    arguments = {"x-queue-type": "quorum"}
    options = RabbitMQ(broker.url(), "q", "m", queue_create=True, queue_durable=True, queue_arguments=arguments)
    assert send(options)[0].success
    assert broker.taken("q")[1] == b"m"


def test_an_exclusive_queue_does_not_stay_locked(broker: RabbitServer, send: Send) -> None:
    options = RabbitMQ(broker.url(), "mine", "m", queue_create=True, queue_exclusive=True)
    for _ in range(3):
        assert send(options)[0].success
    with broker.channel() as channel:
        wait_until(lambda: not exists(broker, "mine"), description="the queue went with its connection")
        channel.queue_declare("mine")


def exists(broker: RabbitServer, queue: str) -> bool:
    """Whether there is such a queue."""
    with broker.channel() as channel:
        try:
            channel.queue_declare(queue, passive=True)
        except pika.exceptions.ChannelClosedByBroker as error:
            return bool(error.reply_code == 405)
        return True


# What the broker does not take


def test_a_message_that_no_queue_takes_is_a_failure(broker: RabbitServer, send: Send) -> None:
    outcome, _ = send(RabbitMQ(broker.url(), "no-such-queue", "m"))
    assert (outcome.success, outcome.reason) == (False, "executor_error"), "in Dkron it is a success"
    assert outcome.message == "no queue takes the message: 312 NO_ROUTE"


def test_an_exchange_that_is_not_there(broker: RabbitServer, send: Send) -> None:
    outcome, _ = send(RabbitMQ(broker.url(), "k", "m", exchange="no-such-exchange"))
    assert (outcome.success, outcome.retryable) == (False, False)
    said = f"{broker.address} says: 404 NOT_FOUND - no exchange 'no-such-exchange' in vhost '/'"
    assert outcome.message == said


def test_a_full_queue_refuses(broker: RabbitServer, send: Send) -> None:
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    options = RabbitMQ(broker.url(), "full", "m", queue_create=True, queue_arguments=arguments)
    assert send(options)[0].success
    outcome, _ = send(options)
    assert (outcome.success, outcome.retryable) == (False, True)
    assert outcome.message == f"{broker.address} has refused the message (basic.nack): the queue may be full"


def test_a_queue_that_is_otherwise(broker: RabbitServer, send: Send) -> None:
    assert send(RabbitMQ(broker.url(), "plain", "m", queue_create=True))[0].success
    outcome, _ = send(RabbitMQ(broker.url(), "plain", "m", queue_create=True, queue_durable=True))
    assert (outcome.success, outcome.retryable) == (False, False)
    assert "406 PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'plain'" in outcome.message
    assert send(RabbitMQ(broker.url(), "plain", "m"))[0].success, "the next attempt has a channel that works"


def test_a_broker_short_of_memory_says_so_when_time_is_up(broker: RabbitServer, send: Send) -> None:
    options = RabbitMQ(broker.url(), "short", "m", queue_create=True, timeout=1)
    assert send(options)[0].success
    broker.control("set_vm_memory_high_watermark", "absolute", "10MB")
    try:
        outcome, _ = send(options)
    finally:
        broker.control("set_vm_memory_high_watermark", "0.4")
    assert (outcome.success, outcome.reason, outcome.retryable) == (False, "timeout", True)
    said = f"no confirmation from {broker.address} within 1 s: it takes no messages for the moment: low on memory"
    assert outcome.message == said
    assert send(options.but(timeout=10))[0].success


# Signing in


@pytest.mark.shows("wrong credentials")
def test_credentials(broker: RabbitServer, send: Send) -> None:
    broker.control("add_user", "sched", "s3cr3t-value")
    ours = r"^(mine-.*|amq\.default)$"
    broker.control("set_permissions", "sched", ours, ours, ours)
    options = RabbitMQ(f"amqp://sched@{broker.address}", "mine-a", queue_create=True, password=secret("crm/token"))
    outcome, _ = send(options)
    assert outcome.success, outcome
    wrong, _ = send(options.but(password="wrong-one"))
    assert (wrong.success, wrong.retryable) == (False, False)
    assert wrong.message.startswith(f"{broker.address} says: 403 ACCESS_REFUSED - Login was refused")
    assert "wrong-one" not in wrong.message
    forbidden, _ = send(options.but(queue="closed"))
    assert (forbidden.success, forbidden.retryable) == (False, False)
    assert "403 ACCESS_REFUSED" in forbidden.message
    nowhere, _ = send(options.but(url=f"amqp://sched@{broker.address}/nowhere"))
    assert (nowhere.success, nowhere.retryable) == (False, False)
    assert nowhere.message == f"{broker.address} says: 530 NOT_ALLOWED - vhost nowhere not found"


@pytest.mark.shows("own authority and a wrong one")
def test_tls(broker: RabbitServer, authority: Authority, tmp_path: Path, send: Send) -> None:
    address = f"127.0.0.1:{broker.tls_port}"
    other = Authority(tmp_path, "Other CA")
    options = RabbitMQ(f"amqps://{address}", "tls", "m", queue_create=True, tls_ca=str(authority.ca))
    outcome, _ = send(options)
    assert outcome.success, outcome
    assert send(options.but(tls_cert=str(authority.issue("node1"))))[0].success
    for ca in (str(other.ca), ""):
        wrong, _ = send(options.but(tls_ca=ca))
        assert wrong.message.startswith(f"the certificate of {address} cannot be trusted: "), wrong
    assert send(options.but(tls_ca="", tls_no_verify=True))[0].success
    stranger, _ = send(options.but(tls_cert=str(other.issue("stranger"))))
    assert not stranger.success
    plain, _ = send(options.but(url=f"amqps://{broker.address}", timeout=5))
    assert not plain.success
    assert send(options.but(tls_ca="/no/such.pem"))[0].message.startswith("tls_ca: cannot read /no/such.pem")


# What goes wrong


@pytest.mark.shows("refused connection")
def test_nobody_listens(send: Send) -> None:
    address = f"127.0.0.1:{free_port()}"
    outcome, _ = send(RabbitMQ(f"amqp://us:pw@{address}", "t"))
    assert (outcome.success, outcome.reason, outcome.retryable) == (False, "executor_error", True)
    assert outcome.message == f"no connection to {address}: Connection refused"
    unknown, _ = send(RabbitMQ("amqp://nowhere.invalid", "t"))
    assert unknown.message.startswith("cannot find nowhere.invalid:5672: ")


def test_a_frozen_broker_is_left_when_time_is_up(broker: RabbitServer, send: Send) -> None:
    options = RabbitMQ(broker.url(), "frozen", "m", queue_create=True, timeout=1)
    assert send(options)[0].success
    broker.freeze()
    try:
        for _ in range(2):  # over the kept connection, then over a new one
            began = time.monotonic()
            outcome, _ = send(options)
            assert time.monotonic() - began < 8, "the client alone would wait for ever"
            assert (outcome.success, outcome.reason, outcome.retryable) == (False, "timeout", True)
            assert outcome.message == f"no confirmation from {broker.address} within 1 s"
    finally:
        broker.thaw()
    assert send(options.but(timeout=20))[0].success


def test_cancel_ends_it_in_mid_run(broker: RabbitServer, executor: RabbitMQExecutor, ping: ExecutorHarness) -> None:
    options = RabbitMQ(broker.url(), "cancelled", "m", queue_create=True)
    assert ping.run(executor, options)[0].success
    broker.freeze()
    timer = threading.Timer(1.5, ping.cancel)
    try:
        timer.start()
        began = time.monotonic()
        outcome, _ = ping.run(executor, options)
        assert time.monotonic() - began < 8
    finally:
        broker.thaw()
        timer.join()
    assert (outcome.success, outcome.reason) == (False, "cancelled")
    assert outcome.message == f"it was cancelled; no confirmation from {broker.address} until then"


def test_the_timeout_of_the_job_counts_too(broker: RabbitServer, executor: RabbitMQExecutor) -> None:
    broker.freeze()
    try:
        harness = ExecutorHarness(timeout=timedelta(seconds=0.4))
        assert harness.run(executor, RabbitMQ(broker.url(), "t", timeout=0))[0].reason == "timeout"
    finally:
        broker.thaw()


def test_connections_are_kept_and_nothing_leaks(broker: RabbitServer, executor: RabbitMQExecutor, send: Send) -> None:
    nothing = resources()
    options = RabbitMQ(broker.url(), "many", "m", queue_create=True)
    assert send(options)[0].success
    before = resources()
    for _ in range(300):
        assert send(options)[0].success
    wait_until(lambda: no_more_than(before), description="the same connections are used again")
    for _ in range(20):
        assert not send(RabbitMQ(broker.url("guest:wrong"), "many"))[0].success
        assert not send(RabbitMQ(broker.url(), "no-such-queue"))[0].success
    assert send(options)[0].success
    wait_until(lambda: resources() <= before, description="failed attempts leave nothing behind")
    executor.close()
    wait_until(lambda: resources() <= nothing, description="the loop's thread and descriptors are gone")


@pytest.mark.shows("killed in mid run and back")
def test_a_broker_that_is_killed_in_mid_run_and_is_back_gets_the_retry(
    broker: RabbitServer, executor: RabbitMQExecutor, ping: ExecutorHarness
) -> None:
    options = RabbitMQ(broker.url(), "durable", "m", queue_create=True, queue_durable=True, delivery_mode=2)
    assert ping.run(executor, options)[0].success
    broker.freeze()
    with running(ping, executor, options) as result:
        broker.kill()
    lost = result[0][0]
    assert (lost.success, lost.retryable) == (False, True)
    # The kept connection may not have been seen to end yet.
    where = broker.address
    assert lost.message in (f"no connection to {where}: Connection refused", f"lost the connection to {where}")
    broker.start()
    outcome, _ = ping.run(executor, options)
    assert outcome.success, outcome
    assert [broker.taken("durable")[0].message_id for _ in range(2)] == ["ping@2026-11-23T02:30:00.000Z.0"] * 2


# Options


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"queue.name": "q"}, "RabbitMQ url is empty"),
        ({"url": "amqp://h"}, "RabbitMQ queue name is empty"),
        ({"url": "http://h", "queue.name": "q"}, "it is not the URL of a RabbitMQ"),
        ({"url": "amqps://h?cacertfile=/ca.pem", "queue.name": "q"}, "cacertfile in a URL is not read"),
        (
            {"url": "amqp://h", "queue.name": "q", "message.body": "a", "message.base64Body": "YQ=="},
            "RabbitMQ message.body and message.base64Body are both set",
        ),
        ({"url": "amqp://h", "queue.name": "q", "message.base64": "?"}, "is not base64"),
        ({"url": "amqp://h", "queue.name": "q", "message.delivery_mode": "256"}, "accepted: 0 to 255"),
        ({"url": "amqp://h", "queue.name": "q", "priority": -1}, "accepted: 0 to 255"),
        ({"url": "amqp://h", "queue.name": "q" * 256}, "longer than 255 bytes"),
        ({"url": "amqp://h", "queue.name": "q", "tls_ca": "/ca.pem"}, "it means nothing without TLS"),
        ({"url": "amqp://h", "queue.name": "q", "exchange_type": "topic"}, "it needs exchange"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_saved(config: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidError, match="executor_config") as error:
        RabbitMQ.from_config(config)
    assert message in str(error.value)


@pytest.mark.parametrize(("given", "read"), [("false", False), ("true", True), ("yes", True), ("0", False)])
def test_whether_to_declare_the_queue(given: str, read: bool) -> None:
    assert RabbitMQ.from_config({"url": "amqp://h", "queue.name": "q", "queue.create": given}).queue_create is read
