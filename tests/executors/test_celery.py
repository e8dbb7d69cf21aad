"""The celery executor with real brokers and a real worker of a user's application."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from dkronpy.errors import InvalidError
from dkronpy.executors.celery import CeleryExecutor, CeleryTask
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
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


# What is sent


@pytest.mark.shows("read back byte by byte")
def test_the_message_is_one_that_every_worker_understands(
    broker: StoreServer, job: Harness, sender: CeleryExecutor
) -> None:
    attempt = job(job="close-day")
    options = CeleryTask(broker.url, "shop.close", [1, "ä"], {"word": secret("shop/word")}, queue="mute", priority=3)
    outcome, output = attempt.run(sender, options)
    assert outcome == Outcome(
        success=True, message="shop.close sent to queue mute", result="close-day@2026-11-23T02:30:00.000Z.0"
    )
    assert output == b"close-day@2026-11-23T02:30:00.000Z.0\n"
    keys = [b"mute\x06\x163", b"mute"]
    with broker.client() as client:
        (name,) = [key.decode() for key in keys if client.exists(key)]
    (message,) = queued(broker, name)
    assert message["body"] == (
        b'[[1, "\\u00e4"], {"word": "s3cr3t"}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
    )
    headers = message["headers"]
    assert (headers["task"], headers["id"]) == ("shop.close", attempt.execution_id)
    assert (headers["idempotency-key"], headers["dkronpy-fencing-token"]) == (attempt.execution_id, "7")
    assert "s3cr3t" not in json.dumps(headers), "workers log these, and Flower shows them"
    assert headers["ignore_result"] is True
    assert (message["content-type"], message["properties"]["priority"]) == ("application/json", 3)


def test_a_worker_runs_it(broker: StoreServer, shop: Worker, job: Harness, sender: CeleryExecutor) -> None:
    attempt = job()
    assert attempt.run(sender, CeleryTask(broker.url, "shop.close", ["x"], {"y": None}, queue="shop"))[0].success
    wait_until(lambda: shop.called(attempt.execution_id), description="the worker has run the task")
    (call,) = shop.called(attempt.execution_id)
    assert (call["args"], call["kwargs"]) == (["x"], {"y": None})
    assert call["headers"]["idempotency-key"] == attempt.execution_id


def test_the_environment_does_not_redirect_it(broker: StoreServer, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, f"redis://127.0.0.1:{free_port()}/0")
    assert send(CeleryTask(broker.url, "shop.close", queue="aside"))[0].success
    assert len(queued(broker, "aside")) == 1


# Waiting


def test_the_result_is_the_output(broker: StoreServer, shop: Worker, send: Send) -> None:
    options = CeleryTask(broker.url, "shop.close", ["ä"], wait=True, result_backend=broker.url)
    outcome, output = send(options)
    assert outcome == Outcome(success=True, message="shop.close succeeded", result={"args": ["ä"], "kwargs": {}})
    assert output == '{"args": ["ä"], "kwargs": {}}\n'.encode()


def test_a_failure_is_told_with_its_reason_and_a_retry_is_not_taken_in_by_it(
    broker: StoreServer, shop: Worker, job: Harness, sender: CeleryExecutor
) -> None:
    options = CeleryTask(broker.url, "shop.fail", [1], wait=True, result_backend=broker.url)
    attempt = job()
    outcome, output = attempt.run(sender, options)
    assert outcome.message == "shop.fail ended as FAILURE: ValueError: no stock"
    assert (outcome.success, outcome.reason, outcome.retryable) == (False, "executor_error", True)
    assert b"Traceback" in output
    retry = job(job=attempt.job, attempt=2)
    assert retry.run(sender, options)[0].result == "done"
    assert len(shop.called(attempt.execution_id)) == 2, "a worker sees by the id that it is a repetition"
    again = job(job=attempt.job, attempt=3)
    outcome, output = again.run(sender, options)
    assert (outcome.success, output) == (True, b'"done"\n')
    assert outcome.message == "an earlier attempt had finished it: shop.fail succeeded"
    assert len(shop.called(attempt.execution_id)) == 2, "what has succeeded is not done again"


def test_a_task_that_nobody_knows(broker: StoreServer, shop: Worker, send: Send) -> None:
    outcome, _ = send(CeleryTask(broker.url, "shop.nope", wait=True, result_backend=broker.url))
    assert outcome.message.startswith("shop.nope ended as FAILURE: NotRegistered: ")


def test_the_timeout_ends_the_task_too(broker: StoreServer, shop: Worker, job: Harness, sender: CeleryExecutor) -> None:
    attempt = job(timeout=timedelta(seconds=5))
    outcome, _ = attempt.run(sender, CeleryTask(broker.url, "shop.hang", wait=True, result_backend=broker.url))
    assert (outcome.reason, outcome.message) == ("timeout", "no complete answer within 5 s: its state is STARTED")
    wait_until(
        lambda: b"TimeLimitExceeded" in state(broker, attempt), description="the worker has ended the task by its limit"
    )


def test_without_a_worker_it_says_that_none_began(broker: StoreServer, send: Send) -> None:
    options = CeleryTask(broker.url, "shop.close", queue="unread", wait=True, result_backend=broker.url, timeout="2s")
    outcome, _ = send(options)
    assert outcome.reason == "timeout"
    assert outcome.message == "no complete answer within 2 s: no worker has said that it began"


def test_cancel_ends_the_task_and_says_that_it_was_seen(
    broker: StoreServer, shop: Worker, job: Harness, sender: CeleryExecutor
) -> None:
    attempt = job()
    options = CeleryTask(broker.url, "shop.hang", wait=True, result_backend=broker.url, timeout=0)
    with running(attempt, sender, options) as result:
        wait_until(lambda: shop.called(attempt.execution_id), description="the task runs")
        attempt.cancel()
    outcome = result[0][0]
    assert outcome.reason == "cancelled"
    assert outcome.message.endswith("; the workers have ended it")
    assert b"REVOKED" in state(broker, attempt)


def test_the_end_of_the_agent_does_not_spoil_the_retry(
    broker: StoreServer, shop: Worker, job: Harness, sender: CeleryExecutor
) -> None:
    attempt = job()
    options = CeleryTask(broker.url, "shop.hang", wait=True, result_backend=broker.url, timeout=0)
    with running(attempt, sender, options) as result:
        wait_until(lambda: shop.called(attempt.execution_id), description="the task runs")
        attempt.cancel("lease_lost_killed")
    assert result[0][0].reason == "lease_lost_killed"
    assert b"REVOKED" not in state(broker, attempt), "workers would refuse the same id for hours"
    assert job(job=attempt.job).run(sender, options.but(task="shop.close", timeout="20s"))[0].success


def state(server: StoreServer, attempt: ExecutorHarness) -> bytes:
    """What the backend has of the task."""
    with server.client() as client:
        found: bytes = client.get(f"celery-task-meta-{attempt.execution_id}") or b""
        return found


# Options


@pytest.mark.parametrize(
    ("config", "field", "said"),
    [
        ({"task": "a.b"}, "broker", "broker is missing"),
        ({"broker": "redis://h/0"}, "task", "task is missing"),
        ({"broker": "host:6379", "task": "a.b"}, "broker", "is not a URL"),
        ({"broker": "redis://h/0", "task": "a b"}, "task", "is not the name of a task"),
        ({"broker": "redis://h/0", "task": "a.b", "wait": "true"}, "wait", "without result_backend"),
        ({"broker": "redis://h/0", "task": "a.b", "result_backend": "rpc://"}, "result_backend", "rpc://"),
        ({"broker": "redis://h/0", "task": "a.b", "priority": "-1"}, "priority", "0 to 255"),
        ({"broker": "redis://h/0", "task": "a.b", "args": "[1"}, "args", "is not JSON"),
    ],
)
def test_what_is_refused_when_the_job_is_saved(config: dict[str, object], field: str, said: str) -> None:
    with pytest.raises(InvalidError) as caught:
        CeleryTask.from_config(config)
    assert [problem.field for problem in caught.value.problems] == [f"executor_config.{field}"]
    assert said in str(caught.value)


def test_an_unknown_kind_of_broker_or_backend(broker: StoreServer, send: Send) -> None:
    outcome, _ = send(CeleryTask("carrier-pigeon://h/0", "a.b"))
    assert outcome.message == "the broker's URL cannot be used: 'No such transport: carrier-pigeon'"
    assert not outcome.retryable
    outcome, _ = send(CeleryTask(broker.url, "a.b", wait=True, result_backend="pigeon://h/0"))
    assert outcome.message.startswith("cannot read results from h: ")


def test_options_survive_being_written() -> None:
    options = CeleryTask(
        secret("b"), "a.b", [1, {"x": [secret("k")]}], {"y": None}, wait=True, result_backend="redis://h/1"
    )
    assert CeleryTask.from_config(options.to_config()) == options
