"""The ecs executor always ends, says whether its task has, and cannot be fooled by servers that are away."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dkronpy.executors.ecs import Ecs, EcsExecutor
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.servers import Authority
from tests.executors.services.ecs import REGION, EcsServer
from tests.support import free_port, wait_until

_NUMBERS = itertools.count(1)
SLEEP = "echo ready; exec sleep 60"


@pytest.fixture(scope="module")
def aws() -> Iterator[EcsServer]:
    """A simulator that the tests of this module share."""
    with EcsServer() as server:
        yield server


@pytest.fixture
def own_aws() -> Iterator[EcsServer]:
    """A simulator to be killed and frozen."""
    with EcsServer() as server:
        yield server


@pytest.fixture
def ecs() -> Iterator[EcsExecutor]:
    """An executor that looks often and gives up soon."""
    executor = EcsExecutor(timedelta(seconds=0.05), timedelta(seconds=0.2), timedelta(seconds=3))
    yield executor
    executor.close()


@pytest.fixture
def report() -> ExecutorHarness:
    """A harness for an execution of its own."""
    return ExecutorHarness(job=f"report{next(_NUMBERS)}")


def task(aws: EcsServer, script: str, definition: dict[str, Any] | None = None, **options: Any) -> Ecs:
    family = aws.register(script, family=f"family{next(_NUMBERS)}", **(definition or {}))
    settings = {"cluster": "jobs", "region": REGION, "endpoint": aws.url, **aws.keys()}
    return Ecs(family, **{**settings, **options})


# Time and cancellation


def test_the_timeout_stops_the_task_and_sees_it_stopped(
    aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness
) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    outcome, output = report.run(ecs, task(aws, script, timeout="5s"))
    assert outcome.reason == "timeout"
    assert outcome.message.startswith("it had not ended within 5s; the task ")
    assert "was stopped, confirmed gone at 20" in outcome.message
    assert output == b"ready\nbye\n"
    assert aws.running() == []
    assert aws.tasks()[-1]["stoppedReason"] == "dkronpy: it had not ended within 5s"


@pytest.mark.parametrize("reason", ["cancelled", "lease_lost_killed", "shutdown"])
def test_cancel_stops_the_task(aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness, reason: str) -> None:
    with running(report, ecs, task(aws, SLEEP)) as result:
        wait_until(lambda: report.output, description="it runs")
        assert len(aws.running()) == 1
        report.cancel(reason)
    assert result[0][0].reason == reason
    assert "was stopped, confirmed gone at 20" in result[0][0].message
    assert aws.running() == []


def test_cancel_before_the_start_starts_nothing(aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness) -> None:
    before = len(aws.tasks())
    report.cancel()
    outcome, _ = report.run(ecs, task(aws, SLEEP))
    assert (outcome.reason, outcome.message) == ("cancelled", "it was cancelled; no task was started")
    assert len(aws.tasks()) == before


def test_a_task_that_does_not_stop_is_not_said_to_have(
    aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness
) -> None:
    script = "trap '' TERM; echo ready; i=0; while [ $i -lt 100 ]; do sleep 0.05; i=$((i+1)); done"
    with running(report, ecs, task(aws, script, {"stopTimeout": 20})) as result:
        wait_until(lambda: report.output, description="it runs")
        report.cancel()
    assert "could not confirm that the task " in result[0][0].message
    assert result[0][0].message.endswith("has stopped: it is still RUNNING after 3 s")
    wait_until(lambda: not aws.running(), description="it stops in the end")


def test_somebody_else_stops_the_task(aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness) -> None:
    script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    with running(report, ecs, task(aws, script)) as result:
        wait_until(lambda: report.output, description="it runs")
        arn = aws.running()[0]["taskArn"]
        aws.client("ecs").stop_task(cluster="jobs", task=arn, reason="by hand")
    outcome, _ = result[0]
    assert not outcome.success, "though its exit code is 0"
    assert outcome.message == "the task was stopped from outside: UserInitiated: by hand"


def test_the_task_of_an_earlier_attempt_is_stopped_first(aws: EcsServer, ecs: EcsExecutor) -> None:
    first, second = ExecutorHarness(job="twice", token=1), ExecutorHarness(job="twice", token=2, attempt=2)
    options = task(aws, SLEEP)
    with running(first, ecs, options) as result:
        wait_until(lambda: first.output, description="it runs")
        outcome, output = second.run(ecs, options.but(command=("echo", "second")))
    assert (outcome.success, output) == (True, b"second\n")
    assert "dkronpy: a later attempt begins" in result[0][0].message
    assert aws.running() == []


# Servers that are away


@pytest.mark.shows("refused connection")
def test_nobody_listens(ecs: EcsExecutor, report: ExecutorHarness) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    options = Ecs("reports", region=REGION, endpoint=url, access_key="x", secret_key="y", timeout="20s")
    outcome, _ = report.run(ecs, options)
    assert outcome.message.startswith(f'AWS cannot be reached: Could not connect to the endpoint URL: "{url}')
    assert outcome.retryable


@pytest.mark.shows("killed in mid run and back")
def test_a_server_that_dies_in_mid_run_and_comes_back(own_aws: EcsServer, ecs: EcsExecutor) -> None:
    first, second = ExecutorHarness(job="dies"), ExecutorHarness(job="dies", token=2, attempt=2)
    options = task(own_aws, "echo ready; exec sleep 4")
    with running(first, ecs, options) as result:
        wait_until(lambda: first.output, description="it runs")
        own_aws.kill()
    outcome, _ = result[0]
    assert (outcome.success, outcome.retryable) == (False, True)
    assert "could not confirm that it has stopped" in outcome.message
    own_aws.start()
    again = own_aws.register("echo again", family=options.task_definition)
    assert second.run(ecs, options.but(task_definition=again, **own_aws.keys()))[1] == b"again\n"


def test_a_server_that_forgets_the_task(own_aws: EcsServer, report: ExecutorHarness) -> None:
    patient = EcsExecutor(timedelta(seconds=0.05), timedelta(seconds=0.2), timedelta(seconds=25))
    with running(report, patient, task(own_aws, "echo ready; exec sleep 4")) as result:
        wait_until(lambda: report.output, description="it runs")
        own_aws.kill()
        own_aws.start()
    patient.close()
    assert "ECS does not know it any more; could not confirm" in result[0][0].message


def test_a_server_that_is_frozen_for_a_while(own_aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness) -> None:
    with running(report, ecs, task(own_aws, "echo ready; sleep 0.5; echo done; exit 6")) as result:
        wait_until(lambda: report.output, description="it runs")
        own_aws.freeze()
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 1, description="a second has passed")
        assert not result
        own_aws.thaw()
    assert (result[0][0].exit_code, result[0][1]) == (6, b"ready\ndone\n")


def test_cancel_with_a_frozen_server_ends_in_could_not_confirm(
    own_aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness
) -> None:
    with running(report, ecs, task(own_aws, "echo ready; exec sleep 3")) as result:
        wait_until(lambda: report.output, description="it runs")
        own_aws.freeze()
        report.cancel()
    assert result[0][0].reason == "cancelled"
    assert "has stopped: no answer within " in result[0][0].message


def test_the_timeout_bounds_a_request_that_is_not_answered(
    own_aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness
) -> None:
    options = task(own_aws, "true", timeout="500ms")
    own_aws.freeze()
    began = time.monotonic()
    outcome, _ = report.run(ecs, options)
    assert time.monotonic() - began < 8
    assert (outcome.reason, outcome.message) == ("timeout", "it had not ended within 500ms; no task was started")


# Credentials and TLS


@pytest.mark.shows("wrong credentials")
def test_credentials(ecs: EcsExecutor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with EcsServer(auth=True) as aws:
        good = task(aws, "echo hi")
        keys = aws.keys()
        report = ExecutorHarness(job="signed", secrets={"aws/secret": keys["secret_key"]})
        outcome, output = report.run(ecs, good.but(secret_key=secret("aws/secret")))
        assert (outcome.success, output) == (True, b"hi\n")
        for name, words in (("access_key", "UnrecognizedClientException"), ("secret_key", "InvalidSignatureException")):
            outcome, _ = report.run(ecs, good.but(**{name: "AKIAWRONG"}))
            assert f"AWS says: {words}: " in outcome.message, outcome
            assert not outcome.retryable
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        outcome, _ = report.run(ecs, good.but(access_key="", secret_key=""))
        assert (outcome.message, outcome.retryable) == ("AWS cannot be asked: Unable to locate credentials", False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["access_key"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["secret_key"])
        assert ExecutorHarness(job="chain").run(EcsExecutor(), good.but(access_key="", secret_key=""))[0].success


@pytest.mark.shows("own authority and a wrong one")
def test_tls(ecs: EcsExecutor, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = str(Authority(tmp_path, "Other CA").ca)
    monkeypatch.setenv("AWS_CA_BUNDLE", other)
    with EcsServer(certificate=str(authority.issue("localhost")), ca=str(authority.ca)) as aws:
        good = task(aws, "echo hi", tls_ca=str(authority.ca))
        assert ExecutorHarness(job="trusted").run(ecs, good)[1] == b"hi\n"
        assert ExecutorHarness(job="any").run(ecs, good.but(tls_ca="", tls_no_verify=True))[1] == b"hi\n"
        for wrong in (good.but(tls_ca=other), good.but(tls_ca="")):
            outcome, _ = ExecutorHarness(job="wrong").run(ecs, wrong)
            assert outcome.message.startswith("TLS with AWS failed: SSL validation failed")
            assert not outcome.retryable
        outcome, _ = ExecutorHarness(job="none").run(ecs, good.but(tls_ca="/no/such.pem"))
        assert outcome.message == "tls_ca: cannot read /no/such.pem: No such file or directory"
