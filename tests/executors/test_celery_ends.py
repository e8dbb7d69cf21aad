"""The celery executor ends in time when brokers are away, frozen or killed; TLS, RabbitMQ, and what is left behind."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dkronpy.executors.celery import CeleryExecutor, CeleryTask
from dkronpy.plugins.executor import Outcome
from dkronpy.testing.harness import ExecutorHarness
from tests.conftest import MakeStoreServer
from tests.executors.attempts import running
from tests.executors.servers import Authority
from tests.executors.services.rabbitmq import RabbitServer
from tests.executors.services.resources import resources
from tests.executors.services.shop import Worker, worker
from tests.support import StoreServer, free_port, wait_until

Harness = Callable[..., ExecutorHarness]
Send = Callable[[CeleryTask], tuple[Outcome, bytes]]


@pytest.fixture(scope="module")
def broker() -> Iterator[StoreServer]:
    """A Valkey that is broker and result backend."""
    with StoreServer() as server:
        yield server


@pytest.fixture(scope="module")
def shop(broker: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker of the user's application."""
    with worker(tmp_path_factory.mktemp("shop"), broker.url, broker.url) as running_worker:
        yield running_worker


@pytest.fixture
def sender() -> Iterator[CeleryExecutor]:
    """An executor with connections of its own."""
    made = CeleryExecutor()
    yield made
    made.close()


_numbers = itertools.count(1)


@pytest.fixture
def job() -> Harness:
    """Makes a harness for an execution of its own."""

    def make(**settings: Any) -> ExecutorHarness:
        settings.setdefault("job", f"job{next(_numbers)}")
        return ExecutorHarness(token=7, secrets={"shop/broker": "unset", "shop/word": "s3cr3t"}, **settings)

    return make


@pytest.fixture
def send(job: Harness, sender: CeleryExecutor) -> Send:
    """Runs an attempt of a new execution."""
    return lambda options: job().run(sender, options)


def queued(server: StoreServer, queue: str) -> list[dict[str, Any]]:
    """The messages in a queue, read without Celery; ``body`` as bytes."""
    with server.client() as client:
        found = [json.loads(entry) for entry in client.lrange(queue, 0, -1)]
    return [{**entry, "body": base64.b64decode(entry["body"])} for entry in found]


# What goes wrong is said in a line, and in time


@pytest.mark.shows("refused connection")
def test_nobody_listens(send: Send) -> None:
    port = free_port()
    outcome, _ = send(CeleryTask(f"redis://u:hidden@127.0.0.1:{port}/0", "shop.close"))
    assert outcome.message.startswith(f"cannot send to 127.0.0.1:{port}: ")
    assert outcome.message.endswith("Connection refused.")
    assert outcome.retryable
    outcome, _ = send(CeleryTask(f"amqp://u:hidden@127.0.0.1:{port}//", "shop.close"))
    assert outcome.message.startswith(f"cannot send to 127.0.0.1:{port}: ")
    assert "hidden" not in outcome.message


@pytest.mark.shows("wrong credentials")
def test_wrong_credentials(make_store_server: MakeStoreServer, send: Send) -> None:
    server = make_store_server(password="right")
    url = server.url.replace("right", "wrong")
    outcome, _ = send(CeleryTask(url, "shop.close"))
    assert outcome.message.startswith(f"cannot send to 127.0.0.1:{server.port}: ")
    assert not outcome.retryable
    outcome, _ = send(CeleryTask(server.url, "shop.close", wait=True, result_backend=url))
    assert outcome.message.startswith(f"cannot read results from 127.0.0.1:{server.port}: ")
    assert not outcome.retryable
    assert queued(server, "celery") == [], "nothing is sent whose result could not be read"
    assert send(CeleryTask(server.url, "shop.close"))[0].success


@pytest.mark.parametrize("wait", [False, True])
def test_a_frozen_broker(make_store_server: MakeStoreServer, send: Send, wait: bool) -> None:
    server = make_store_server()
    options = CeleryTask(server.url, "shop.close", wait=wait, result_backend=server.url)
    assert send(options.but(wait=False))[0].success
    server.pause()
    began = time.monotonic()
    outcome, _ = send(options.but(timeout="700ms"))
    assert time.monotonic() - began < 8
    assert (outcome.reason, outcome.success) == ("timeout", False)
    outcome, _ = send(options.but(timeout=0))
    assert time.monotonic() - began < 20, "sending is bounded even without a timeout"
    assert not outcome.success
    server.resume()
    assert send(options.but(wait=False))[0].success


def test_cancel_while_the_broker_is_frozen(
    make_store_server: MakeStoreServer, job: Harness, sender: CeleryExecutor
) -> None:
    server = make_store_server()
    server.pause()
    attempt = job()
    with running(attempt, sender, CeleryTask(server.url, "shop.close", timeout=0)) as result:
        time_to_connect = time.monotonic() + 0.3
        wait_until(lambda: time.monotonic() > time_to_connect, description="it has connected")
        attempt.cancel()
    assert result[0][0].reason == "cancelled"
    assert "the workers could not be told to end it" in result[0][0].message


def test_cancel_before_the_start_sends_nothing(broker: StoreServer, job: Harness, sender: CeleryExecutor) -> None:
    attempt = job()
    attempt.cancel()
    assert attempt.run(sender, CeleryTask(broker.url, "shop.close", queue="none"))[0].reason == "cancelled"
    assert queued(broker, "none") == []


@pytest.mark.shows("killed in mid run and back")
def test_killed_in_mid_run_and_back(
    make_store_server: MakeStoreServer, job: Harness, sender: CeleryExecutor, tmp_path: Path
) -> None:
    server = make_store_server()
    options = CeleryTask(server.url, "shop.hang", wait=True, result_backend=server.url, timeout="3s")
    with worker(tmp_path, server.url, server.url) as shop:
        attempt = job()
        with running(attempt, sender, options) as result:
            wait_until(lambda: shop.called(attempt.execution_id), description="the task runs")
            server.kill()
        assert result[0][0].reason == "timeout"
        assert f"cannot read results from 127.0.0.1:{server.port}: " in result[0][0].message
        assert not job().run(sender, options)[0].success
        server.start()
        retry = job(job=attempt.job, attempt=2)
        assert retry.run(sender, options.but(task="shop.close", timeout="20s"))[0].success, "at the first try"


def test_a_kept_connection_that_the_broker_has_closed(make_store_server: MakeStoreServer, send: Send) -> None:
    server = make_store_server()
    assert send(CeleryTask(server.url, "shop.close"))[0].success
    server.restart()
    assert send(CeleryTask(server.url, "shop.close"))[0].success
    assert len(queued(server, "celery")) == 2


def test_nothing_is_left_behind_after_many_tasks(broker: StoreServer, shop: Worker, send: Send) -> None:
    options = CeleryTask(broker.url, "shop.close", wait=True, result_backend=broker.url)
    nobody = CeleryTask(f"redis://127.0.0.1:{free_port()}/0", "shop.close")
    for _ in range(5):
        send(options)
        send(nobody)
    threads, files = resources()
    for number in range(200):
        assert send(options)[0].success
        if number % 20 == 0:
            send(nobody)
            send(options.but(queue="unread", timeout="30ms"))
    wait_until(
        lambda: resources()[0] <= threads + 2 and resources()[1] <= files + 4,
        description=f"threads and descriptors are as before: {threads}, {files}",
    )


# TLS


@pytest.mark.shows("own authority and a wrong one")
def test_tls_with_a_private_authority(
    authority: Authority, tmp_path: Path, make_store_server: MakeStoreServer, send: Send
) -> None:
    pair, port = str(authority.issue("localhost")), free_port()
    make_store_server(
        kind="redis", tls_port=str(port), tls_cert_file=pair, tls_key_file=pair, tls_ca_cert_file=str(authority.ca),
        tls_auth_clients="yes",
    )  # fmt: skip
    node = str(authority.issue("node1"))
    url = f"rediss://127.0.0.1:{port}/0"
    options = CeleryTask(url, "shop.close", tls_ca=str(authority.ca), tls_cert=node)
    assert send(options)[0].success
    waiting = options.but(wait=True, result_backend=url, timeout="3s")
    assert send(waiting)[0].message.endswith("no worker has said that it began"), "the backend is reached as well"
    for wrong in (options.but(tls_ca=str(Authority(tmp_path, "Other CA").ca)), options.but(tls_cert="")):
        outcome, _ = send(wrong)
        assert outcome.message.startswith(f"cannot send to 127.0.0.1:{port}: ")
        assert "ssl" in outcome.message.lower()
    assert send(options.but(tls_ca="", tls_no_verify=True))[0].success
    assert not send(options.but(tls_ca=""))[0].success, "rediss:// alone does not mean to trust anybody"
    outcome, _ = send(options.but(tls_ca="/no/ca.pem"))
    assert outcome.message == "tls_ca: cannot read /no/ca.pem: No such file or directory"


@pytest.mark.shows("own authority and a wrong one")
def test_tls_to_rabbitmq(authority: Authority, tmp_path: Path, send: Send) -> None:
    with RabbitServer(tls=(authority.issue("localhost"), authority.ca)) as server:
        url = f"amqps://guest:guest@127.0.0.1:{server.tls_port}//"
        options = CeleryTask(url, "shop.close", tls_ca=str(authority.ca))
        outcome, _ = send(options)
        assert outcome.success, outcome
        assert server.taken("celery")[0].headers["task"] == "shop.close"
        for wrong in ("", str(Authority(tmp_path, "Other CA").ca)):
            outcome, _ = send(options.but(tls_ca=wrong))
            assert "certificate verify failed" in outcome.message.lower()
        assert send(options.but(tls_ca="", tls_no_verify=True))[0].success


# RabbitMQ


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitServer]:
    """A RabbitMQ for the tests of this module."""
    with RabbitServer() as server:
        yield server


def test_rabbitmq_has_the_task(rabbit: RabbitServer, job: Harness, sender: CeleryExecutor) -> None:
    attempt = job()
    assert attempt.run(sender, CeleryTask(rabbit.url(), "shop.close", ["x"]))[0].success
    properties, body = rabbit.taken("celery")
    assert (properties.headers["task"], properties.headers["id"]) == ("shop.close", attempt.execution_id)
    assert (properties.correlation_id, properties.delivery_mode) == (attempt.execution_id, 2)
    assert json.loads(body)[:2] == [["x"], {}]


def test_a_queue_with_arguments_of_its_own_is_used_as_it_is(rabbit: RabbitServer, send: Send) -> None:
    with rabbit.channel() as channel:
        channel.queue_declare("safe", durable=True, arguments={"x-queue-type": "quorum"})
    for _ in range(2):
        outcome, _ = send(CeleryTask(rabbit.url(), "shop.close", queue="safe"))
        assert outcome.success, outcome
        assert rabbit.taken("safe")[0].headers["task"] == "shop.close"


@pytest.mark.shows("wrong credentials")
def test_a_wrong_password_for_rabbitmq(rabbit: RabbitServer, send: Send) -> None:
    outcome, _ = send(CeleryTask(rabbit.url("guest:wrong"), "shop.close"))
    assert "ACCESS_REFUSED" in outcome.message
    assert not outcome.retryable


def test_a_frozen_rabbitmq(rabbit: RabbitServer, send: Send) -> None:
    assert send(CeleryTask(rabbit.url(), "shop.close", queue="cold"))[0].success
    rabbit.freeze()
    began = time.monotonic()
    try:
        for _ in range(2):
            assert send(CeleryTask(rabbit.url(), "shop.close", queue="cold", timeout="1s"))[0].reason == "timeout"
        assert time.monotonic() - began < 8
        assert not send(CeleryTask(rabbit.url(), "shop.close", queue="cold", timeout=0))[0].success
        assert time.monotonic() - began < 36
    finally:
        rabbit.thaw()
