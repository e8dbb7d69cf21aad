"""The options of the ecs executor: what is understood, and what is refused when a job is saved."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from dkronpy.errors import InvalidError, PluginError
from dkronpy.executors.ecs import Ecs, EcsExecutor
from dkronpy.testing.harness import ExecutorHarness

BODY = {"family": "reports", "containerDefinitions": [{"name": "app", "image": "acme/reports:3", "memory": 512}]}


def test_dkrons_keys() -> None:
    config = {
        "taskdefName": "reports",
        "region": "eu-west-1",
        "cluster": "batch",
        "fargate": "yes",
        "subnet": "subnet-1,subnet-2",
        "securityGroup": "sg-1",
        "service": "app",
        "overrides": "python,run.py,--all",
        "env": "STAGE=prod",
        "maxAttempts": "600",
        "logGroup": "reports",
        "enableExecuteCommand": "yes",
        "propagateTags": "TASK_DEFINITION",
    }
    options = Ecs.from_config(config)
    assert options == Ecs(
        task_definition="reports",
        region="eu-west-1",
        cluster="batch",
        fargate=True,
        subnets=("subnet-1", "subnet-2"),
        security_groups=("sg-1",),
        container="app",
        command=("python", "run.py", "--all"),
        env={"STAGE": "prod"},
        max_attempts=600,
        log_group="reports",
        enable_execute_command=True,
        propagate_tags="TASK_DEFINITION",
    )
    assert Ecs.from_config(options.to_config()) == options
    assert Ecs("reports").cluster == "default"


@pytest.mark.parametrize(
    "given", [BODY, json.dumps(BODY), {"taskDefinition": {**BODY, "revision": 3, "status": "ACTIVE"}}]
)
def test_a_definition_as_table_as_text_and_as_aws_answers(given: Any) -> None:
    assert Ecs.from_config({"taskdefBody": given}).body == BODY


@pytest.mark.parametrize(
    ("given", "read"), [("yes", "TASK_DEFINITION"), ("true", "TASK_DEFINITION"), ("no", ""), ("NONE", "")]
)
def test_propagate_tags(given: str, read: str) -> None:
    assert Ecs.from_config({"taskdefName": "a", "propagateTags": given}).propagate_tags == read


@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ({"cluster": "a"}, "task_definition", "taskdefName or taskdefBody must be given"),
        ({"taskdefName": "a", "taskdefBody": BODY}, "body", "only one can be run"),
        ({"taskdefBody": "{"}, "taskdefBody", "is not JSON"),
        ({"taskdefBody": {"family": "a"}}, "body", "needs family and containerDefinitions"),
        ({"taskdefName": "a b"}, "taskdefName", "is not a name or ARN"),
        ({"taskdefName": "a", "fargate": "maybe"}, "fargate", "is not a truth value"),
        ({"taskdefName": "a", "fargate": "yes", "capacity_provider": "X"}, "capacity_provider", "give one"),
        ({"taskdefName": "a", "securityGroup": "sg"}, "security_groups", "mean nothing without subnets"),
        ({"taskdefName": "a", "maxAttempts": "0"}, "max_attempts", "above zero"),
        ({"taskdefName": "a", "access_key": "x"}, "secret_key", "belong together"),
        ({"taskdefName": "a", "endpoint": "localhost"}, "endpoint", "the form is http://host:port"),
    ],
)
def test_mistakes_are_refused(config: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Ecs.from_config(config)
    assert caught.value.problems[0].field == f"executor_config.{field}"
    assert words in caught.value.problems[0].message


def test_without_the_package_one_line_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, harness: ExecutorHarness
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(PluginError) as caught:
        harness.run(EcsExecutor(), Ecs("a"))
    assert str(caught.value) == "'ecs' needs the package boto3: pip install \"dkronpy[aws]\""
