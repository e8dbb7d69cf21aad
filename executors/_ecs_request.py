"""What ECS is asked to run: the task definition, the overrides, and the token that makes it one task."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from dkronpy.plugins.executor import ExecutionContext, ExecutorError

from ._ecs_clients import Aws, asked
from ._process import texts

if TYPE_CHECKING:
    from .ecs import Ecs

_PREFIX = "dkronpy"
_KEPT = 64


def started_by(context: ExecutionContext) -> str:
    """The mark of every task of the execution: ECS finds tasks by it. At most 36 letters are taken everywhere."""
    return "dkronpy-" + hashlib.sha256(context.execution_id.encode()).hexdigest()[:28]


def client_token(context: ExecutionContext) -> str:
    """The same for each request of an attempt, so that a repeated one starts no second task."""
    told = f"{context.execution_id}/{context.attempt}/{context.token}"
    return hashlib.sha256(told.encode()).hexdigest()


def definition_of(options: Ecs, aws: Aws) -> dict[str, Any]:
    """The task definition as ECS has it; a body is registered unless that was done already."""
    if not options.body:
        found = asked(lambda: aws.ecs.describe_task_definition(taskDefinition=options.task_definition))
        return dict(found["taskDefinition"])
    body = _with_logs(options, aws.region)
    key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    if key not in aws.registered:
        while len(aws.registered) >= _KEPT:
            aws.registered.pop(next(iter(aws.registered)))
        aws.registered[key] = dict(asked(lambda: aws.ecs.register_task_definition(**body))["taskDefinition"])
    return aws.registered[key]


def _with_logs(options: Ecs, region: str) -> dict[str, Any]:
    if not options.log_group:
        return options.body
    log: dict[str, Any] = {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": options.log_group,
            "awslogs-region": region,
            "awslogs-stream-prefix": _PREFIX,
        },
    }
    containers = [{"logConfiguration": log, **container} for container in options.body["containerDefinitions"]]
    return {**options.body, "containerDefinitions": containers}


def request(options: Ecs, context: ExecutionContext, definition: dict[str, Any]) -> dict[str, Any]:
    """The arguments of RunTask. Raises ExecutorError where it is not clear which container is meant."""
    asked_for: dict[str, Any] = {
        "cluster": options.cluster,
        "taskDefinition": definition["taskDefinitionArn"],
        "count": 1,
        "clientToken": client_token(context),
        "startedBy": started_by(context),
        "enableExecuteCommand": options.enable_execute_command,
        "overrides": _overrides(options, context, definition),
    }
    if options.fargate:
        asked_for["launchType"] = "FARGATE"
    if options.capacity_provider:
        strategy = {"capacityProvider": options.capacity_provider, "weight": 1}
        asked_for["capacityProviderStrategy"] = [strategy]
    if options.subnets:
        asked_for["networkConfiguration"] = {"awsvpcConfiguration": _network(options)}
    if options.tags:
        asked_for["tags"] = [{"key": key, "value": value} for key, value in options.tags.items()]
    if options.propagate_tags:
        asked_for["propagateTags"] = options.propagate_tags
    return asked_for


def _network(options: Ecs) -> dict[str, Any]:
    network: dict[str, Any] = {"subnets": list(options.subnets), "securityGroups": list(options.security_groups)}
    on_fargate = options.fargate or options.capacity_provider.startswith("FARGATE")
    if options.public_ip is not None or on_fargate:  # EC2 refuses to hear of it at all
        network["assignPublicIp"] = "DISABLED" if options.public_ip is False else "ENABLED"
    return network


def _overrides(options: Ecs, context: ExecutionContext, definition: dict[str, Any]) -> dict[str, Any]:
    facts = {name: value for name, value in context.environment({}).items() if name.startswith("DKRONPY_")}
    chosen = _chosen(options, definition)
    containers = []
    for container in definition["containerDefinitions"]:
        ours = container["name"] == chosen
        env = texts(options.env) | facts if ours else facts
        override: dict[str, Any] = {
            "name": container["name"],
            "environment": [{"name": name, "value": value} for name, value in env.items()],
        }
        if ours and options.command:
            override["command"] = list(options.command)
        containers.append(override)
    overrides: dict[str, Any] = {"containerOverrides": containers}
    for key, value in (("cpu", options.cpu), ("memory", options.memory), ("taskRoleArn", options.task_role)):
        if value:
            overrides[key] = str(value)
    return overrides


def _chosen(options: Ecs, definition: dict[str, Any]) -> str:
    """The container that options speak of: the one that is named, or the only one."""
    names = [str(container["name"]) for container in definition["containerDefinitions"]]
    known = f"{definition['family']} has {', '.join(names)}"
    if options.container and options.container not in names:
        raise ExecutorError(f"there is no container {options.container}: {known}", retryable=False)
    if not options.container and len(names) > 1 and (options.command or options.env):
        raise ExecutorError(f"say for which container command and env are: {known}", retryable=False)
    return options.container or names[0]
