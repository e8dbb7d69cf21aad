"""Runs a task in Amazon ECS to its end: exit codes decide, CloudWatch logs are the output."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.codes import RetryCodes, SkipCodes
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.plugins.options import doc
from dkronpy.plugins.registry import import_extra
from dkronpy.plugins.tls import TlsOptions
from dkronpy.plugins.values import Text

from ._ecs_values import read_body, read_name, read_propagate, read_switch, read_url, read_words
from ._process import Env, Statuses, Timeout

if TYPE_CHECKING:
    from ._ecs_clients import Clients

Propagate = Literal["", "TASK_DEFINITION"]


def _reads(reader: Any, kind: str) -> msgspec.Meta:
    return msgspec.Meta(extra={"read": reader, "kind": kind})


_NAME = _reads(read_name, "text")
_BODY = _reads(read_body, "JSON")
_SWITCH = _reads(read_switch, "bool, yes or no")
_WORDS = _reads(read_words, "list of text")
_PROPAGATE = _reads(read_propagate, "TASK_DEFINITION")
_URL = _reads(read_url, "text")


class Ecs(TlsOptions, frozen=True):
    """A task: ``Ecs("reports", command=["python", "run.py"], cluster="batch", fargate=True, subnets=["subnet-1"])``."""

    plugin: ClassVar[str] = "ecs"

    task_definition: Annotated[
        str, _NAME, doc("A task definition that exists: `family`, `family:revision`, or its ARN.", dkron="taskdefName")
    ] = ""
    body: Annotated[
        dict[str, Any], _BODY, doc("A task definition to register and run, as JSON.", dkron="taskdefBody")
    ] = {}  # noqa: RUF012 - msgspec copies it for each
    cluster: Annotated[str, _NAME, doc("The cluster, by name or ARN.")] = "default"
    region: Annotated[str, doc("The AWS region; by default that of the agent's environment.")] = ""
    fargate: Annotated[bool, _SWITCH, doc("Run it on Fargate; else where the cluster does by itself, or on EC2.")] = (
        False
    )
    capacity_provider: Annotated[str, _NAME, doc("Run it there instead, as `FARGATE_SPOT`.")] = ""
    subnets: Annotated[tuple[str, ...], doc("For a task with a network interface of its own.", dkron="subnet")] = ()
    security_groups: Annotated[tuple[str, ...], doc("For that interface.", dkron="securityGroup")] = ()
    public_ip: Annotated[
        bool | None, doc("Whether it gets a public address; by default on Fargate only.", kind="bool")
    ] = None
    container: Annotated[
        str, doc("The container that `command` and `env` are for, and whose exit code decides.", dkron="service")
    ] = ""
    command: Annotated[
        tuple[str, ...], _WORDS, doc("What runs instead; as text with commas: `python,run.py`.", dkron="overrides")
    ] = ()
    env: Annotated[Env, doc("Variables, on top of the definition's. As text: `NAME=value,NAME2=value2`.")] = {}  # noqa: RUF012
    cpu: Annotated[int | None, doc("CPU units of the task instead of the definition's.")] = None
    memory: Annotated[int | None, doc("Memory of the task in MiB instead of the definition's.")] = None
    task_role: Annotated[str, _NAME, doc("The role that its containers take, instead of the definition's.")] = ""
    tags: Annotated[dict[str, str], doc("Tags of the task.")] = {}  # noqa: RUF012
    propagate_tags: Annotated[
        Propagate, _PROPAGATE, doc("The tags of the definition as well.", dkron="propagateTags")
    ] = ""
    enable_execute_command: Annotated[bool, _SWITCH, doc("Allow ECS Exec into it.", dkron="enableExecuteCommand")] = (
        False
    )
    log_group: Annotated[
        str, doc("CloudWatch group for the containers of a `body` that say nothing of logs.", dkron="logGroup")
    ] = ""
    timeout: Annotated[Timeout, doc("Then the task is stopped. 0 is no limit.")] = None
    max_attempts: Annotated[
        int | None, doc("Dkron's limit: so many times 6 s. By default there is none.", dkron="maxAttempts")
    ] = None
    success_codes: Annotated[Statuses, doc("The exit statuses that are a success, as `0,1,2`.")] = (0,)
    skip_codes: SkipCodes = ""
    retry_codes: RetryCodes = ""
    access_key: Annotated[Text, doc("AWS access key; by default what boto3 finds on the node.")] = ""
    secret_key: Annotated[Text, doc("The secret key for it.")] = ""
    session_token: Annotated[Text, doc("The session token for them, if they are temporary.")] = ""
    endpoint: Annotated[str, _URL, doc("Another endpoint than Amazon's, for ECS and logs.")] = ""

    def check(self) -> Iterator[Problem]:
        """One definition must be there, and what belongs together must be given together."""
        yield from super().check()
        if not self.task_definition and not self.body:
            yield self.problem("task_definition", "taskdefName or taskdefBody must be given")
        if self.task_definition and self.body:
            yield self.problem("body", "task_definition and body are both given; only one can be run")
        if self.body and not (self.body.get("family") and isinstance(self.body.get("containerDefinitions"), list)):
            yield self.problem("body", "a task definition needs family and containerDefinitions")
        if self.fargate and self.capacity_provider:
            yield self.problem("capacity_provider", "fargate is given as well; give one")
        if self.security_groups and not self.subnets:
            yield self.problem("security_groups", "they mean nothing without subnets (subnet)")
        for name in ("cpu", "memory", "max_attempts"):
            if (value := getattr(self, name)) is not None and value <= 0:
                yield self.problem(name, "it must be above zero")
        if not self.success_codes:
            yield self.problem("success_codes", "no exit status would be a success", "leave it out for 0")
        if bool(self.access_key) != bool(self.secret_key):
            name = "secret_key" if self.access_key else "access_key"
            yield self.problem(name, "access_key and secret_key belong together; one is missing")


class EcsExecutor(Executor[Ecs]):
    """Runs tasks through clients that are kept between attempts.

    It looks after a task every *pace*, growing to six times that; waits *settle* for the last of its logs;
    *patience* is how long AWS may be away, and how long a task may take to stop.
    """

    options = Ecs

    def __init__(
        self,
        pace: timedelta = timedelta(seconds=1),
        settle: timedelta = timedelta(seconds=3),
        patience: timedelta = timedelta(minutes=3),
    ) -> None:
        self._pace, self._settle, self._patience = (span.total_seconds() for span in (pace, settle, patience))
        self._lock = threading.Lock()
        self._kept: Clients | None = None

    def close(self) -> None:
        """Close the kept connections."""
        if self._kept is not None:
            self._kept.close()

    def execute(self, options: Ecs, context: ExecutionContext) -> Outcome:
        """Run the task to its end; its logs are the output, the exit status of its container the exit code.

        Raises ExecutorError for what AWS refuses, in its own words; PluginError without the package ``boto3``.
        """
        import_extra("boto3", extra="aws", plugin="ecs")
        from ._ecs_clients import Clients
        from ._ecs_run import TaskRun, Times

        with self._lock:
            if self._kept is None:
                self._kept = Clients()
        times = Times(pace=self._pace, settle=self._settle, patience=self._patience)
        return TaskRun(options, context, self._kept, times).run()
