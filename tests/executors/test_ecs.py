"""The ecs executor on moto with tasks that really run: what is asked for, what comes back, who decides."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dkronpy.executors.ecs import Ecs, EcsExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.services.ecs import LOG_GROUP, REGION, EcsServer, container
from tests.executors.services.resources import resources
from tests.support import wait_until

_NUMBERS = itertools.count(1)
Task = Callable[..., Ecs]


@pytest.fixture(scope="module")
def aws() -> Iterator[EcsServer]:
    """A simulator that the tests of this module share; each has a task definition of its own."""
    with EcsServer() as server:
        yield server


@pytest.fixture
def ecs(aws: EcsServer) -> Iterator[EcsExecutor]:
    """An executor that looks often; afterwards no task runs."""
    executor = EcsExecutor(timedelta(seconds=0.05), timedelta(seconds=0.3), timedelta(seconds=5))
    yield executor
    executor.close()
    assert aws.running() == []


@pytest.fixture
def report() -> ExecutorHarness:
    """A harness for an execution of its own: a task is started once for each."""
    return ExecutorHarness(job=f"report{next(_NUMBERS)}", secrets={"aws/key": "AKIASECRET", "aws/secret": "s3cret-key"})


@pytest.fixture
def task(aws: EcsServer) -> Task:
    """Registers a definition with a script, and gives the options that run it."""

    def make(script: str, *others: dict[str, Any], definition: dict[str, Any] | None = None, **options: Any) -> Ecs:
        family = aws.register(script, *others, family=f"family{next(_NUMBERS)}", **(definition or {}))
        settings = {"cluster": "jobs", "region": REGION, "endpoint": aws.url, **aws.keys()}
        return Ecs(family, **{**settings, **options})

    return make


# What runs


@pytest.mark.shows("read back byte by byte")
def test_a_task_as_dkron_writes_it(aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness, task: Task) -> None:
    made = task("exit 9")
    ec2 = aws.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    config = {
        "taskdefName": made.task_definition,
        "region": REGION,
        "cluster": "jobs",
        "fargate": "yes",
        "subnet": subnet,
        "securityGroup": group,
        "service": "app",
        "overrides": "sh,-c,echo $STAGE; exit 3",
        "env": "STAGE=prod",
        "maxAttempts": "600",
        "endpoint": aws.url,
        **aws.keys(),
    }
    outcome, output = report.run(ecs, Ecs.from_config(config))
    assert outcome == Outcome(success=False, reason="exit", message="exit status 3", exit_code=3)
    assert output == b"prod\n"
    seen = aws.tasks()[-1]
    assert seen["launchType"] == "FARGATE"


def test_a_task_on_ec2_with_overrides_and_tags(
    aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness, task: Task
) -> None:
    script = "echo $A $B $DKRONPY_JOB $DKRONPY_FENCING_TOKEN"
    options = task(script, env={"A": "1", "B": secret("aws/secret")}, tags={"team": "bi"}, cpu=256, memory=512)
    outcome, output = report.run(ecs, options.but(task_role="arn:aws:iam::123456789012:role/reports"))
    assert outcome == Outcome(success=True, exit_code=0)
    assert output == f"1 *** {report.job} 1\n".encode()
    seen = next(one for one in aws.tasks() if options.task_definition in one["taskDefinitionArn"])
    assert seen["startedBy"].startswith("dkronpy-")
    assert len(seen["startedBy"]) == 36
    assert {"key": "team", "value": "bi"} in seen["tags"]
    overrides = seen["overrides"]
    assert (overrides["cpu"], overrides["memory"]) == ("256", "512")
    assert overrides["taskRoleArn"].endswith("role/reports")
    assert "containerInstanceArn" in seen


def test_a_given_definition_is_registered_once_and_gets_logs(
    aws: EcsServer, ecs: EcsExecutor, make_harness: Callable[..., ExecutorHarness]
) -> None:
    bare = container("echo from the body")
    del bare["logConfiguration"]
    body = json.dumps({"family": "given", "containerDefinitions": [bare], "revision": 7, "status": "ACTIVE"})
    config = {"taskdefBody": body, "cluster": "jobs", "region": REGION, "logGroup": LOG_GROUP, "endpoint": aws.url}
    options = Ecs.from_config({**config, **aws.keys()})
    for number in range(3):
        outcome, output = make_harness(job=f"given{number}").run(ecs, options)
        assert (outcome.success, output) == (True, b"from the body\n")
    registered = aws.client("ecs").list_task_definitions(familyPrefix="given")["taskDefinitionArns"]
    assert [arn.rpartition("/")[2] for arn in registered] == ["given:1"]


def test_the_output_is_live(
    aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness, task: Task, tmp_path: Path
) -> None:
    options = task(f"echo first; while [ ! -e {tmp_path}/open ]; do sleep 0.05; done; printf second")
    with running(report, ecs, options) as result:
        wait_until(lambda: report.output == b"first\n", description="the first line is there while it runs")
        assert not result
        (tmp_path / "open").touch()
    assert result[0][0].success
    assert report.output == b"first\nsecond\n"


def test_long_output_is_complete(ecs: EcsExecutor, report: ExecutorHarness, task: Task) -> None:
    outcome, output = report.run(ecs, task("seq 1 12000"))
    assert outcome.success
    assert output.split() == [b"%d" % number for number in range(1, 12_001)]


def test_a_group_that_may_not_be_read_is_told_once_and_fails_nothing(
    aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness, task: Task
) -> None:
    options = task("sleep 0.4; exit 4")
    aws.fail("GetLogEvents", "denied", 100)
    outcome, output = report.run(ecs, options)
    aws.fail("GetLogEvents", "clear", 0)
    assert outcome.exit_code == 4
    assert output == b"ecs: the logs cannot be read: AccessDeniedException: User: x is not authorized\n"


# Who decides


@pytest.mark.parametrize(
    ("given", "success", "retryable"),
    [
        ({}, False, True),
        ({"success_codes": "0,7"}, True, True),
        ({"skip_codes": 7}, True, True),
        ({"retry_codes": "75"}, False, False),
    ],
)
def test_what_a_job_makes_of_codes(
    ecs: EcsExecutor, report: ExecutorHarness, task: Task, given: dict[str, Any], *, success: bool, retryable: bool
) -> None:
    outcome, _ = report.run(ecs, task("exit 7", **given))
    assert (outcome.success, outcome.retryable, outcome.exit_code) == (success, retryable, 7)


def test_with_several_containers_each_essential_one_decides(
    aws: EcsServer, ecs: EcsExecutor, make_harness: Callable[..., ExecutorHarness], task: Task
) -> None:
    sidecar = container("echo side; exec sleep 30", "proxy", stopTimeout=5)
    helper = container("exit 5", "init", essential=False)
    options = task("sleep 0.3; echo main; exit 3", sidecar, helper)
    outcome, output = make_harness(job="several").run(ecs, options)
    assert (outcome.exit_code, outcome.message) == (3, "container app: exit status 3")
    assert sorted(output.splitlines()) == [b"app | main", b"proxy | side"]
    chosen = options.but(container="app", command=("/bin/sh", "-c", "exit 0"))
    assert make_harness(job="several-app").run(ecs, chosen)[0].success, "the proxy was only stopped along"
    unclear, _ = make_harness(job="several-unclear").run(ecs, options.but(command=("true",)))
    assert "say for which container command and env are" in unclear.message
    assert not unclear.retryable
    unknown, _ = make_harness(job="several-unknown").run(ecs, options.but(container="ap"))
    assert unknown.message.startswith("there is no container ap: family")


def test_too_much_memory_is_named(ecs: EcsExecutor, report: ExecutorHarness, task: Task) -> None:
    outcome, _ = report.run(ecs, task("true", command=("oom",)))
    assert (outcome.reason, outcome.exit_code) == ("oom", 137)
    assert "OutOfMemoryError: Container killed due to memory usage" in outcome.message


def test_a_task_that_never_ran_is_no_success(ecs: EcsExecutor, report: ExecutorHarness, task: Task) -> None:
    outcome, _ = report.run(ecs, task("true", definition={"image": "missing/app:1"}))
    assert (outcome.success, outcome.exit_code, outcome.retryable) == (False, None, False)
    assert outcome.message == "the task did not run: CannotPullContainerError: image missing/app:1: not found"


# What cannot run


def test_what_aws_refuses_is_told_in_its_words(
    aws: EcsServer, ecs: EcsExecutor, make_harness: Callable[..., ExecutorHarness], task: Task
) -> None:
    good = task("true")
    for number, (wrong, words) in enumerate(
        [
            (good.but(task_definition="nosuch"), "ClientException: Unable to describe task definition."),
            (good.but(cluster="nosuch"), "ClusterNotFoundException: Cluster not found."),
            (good.but(region=""), "AWS cannot be asked: You must specify a region."),
        ]
    ):
        outcome, _ = make_harness(job=f"wrong{number}").run(ecs, wrong)
        assert words in outcome.message
        assert (outcome.reason, outcome.retryable) == ("executor_error", False)


@pytest.mark.parametrize(
    ("answer", "words", "retryable"),
    [
        ("memory", "ECS started no task: RESOURCE:MEMORY (arn:aws:ecs:x:1:i/a)", True),
        ("attribute", "ECS started no task: ATTRIBUTE no such agent", False),
        ("unknown", "ECS started no task: it does not say why", True),
        ("denied", "AWS says: AccessDeniedException: User: x is not authorized", False),
    ],
)
def test_failures_of_placement_are_named(
    aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness, task: Task, answer: str, words: str, *, retryable: bool
) -> None:
    options = task("true")
    aws.fail("RunTask", answer)
    outcome, _ = report.run(ecs, options)
    assert (outcome.message, outcome.retryable) == (words, retryable)


def test_a_lost_answer_starts_no_second_task(
    aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness, task: Task
) -> None:
    options = task("echo once")
    aws.fail("RunTask", "lost")
    outcome, output = report.run(ecs, options)
    assert (outcome.success, output) == (True, b"once\n")
    assert report.run(ecs, options)[0].success, "the same attempt once more is the same task"
    assert len([one for one in aws.tasks() if f"/{options.task_definition}:" in one["taskDefinitionArn"]]) == 1


def test_throttling_is_waited_out(aws: EcsServer, ecs: EcsExecutor, report: ExecutorHarness, task: Task) -> None:
    options = task("echo slow")
    aws.fail("DescribeTasks", "throttled", 3)
    assert report.run(ecs, options)[1] == b"slow\n"


def test_many_runs_leave_nothing_behind(
    ecs: EcsExecutor, make_harness: Callable[..., ExecutorHarness], task: Task
) -> None:
    options = task("true")
    for number in range(12):
        if number == 2:
            before = resources()
        assert make_harness(job=f"many{number}").run(ecs, options)[0].success
    wait_until(
        lambda: all(now <= then + 2 for now, then in zip(resources(), before, strict=True)),
        description="as few threads and descriptors as before",
    )
