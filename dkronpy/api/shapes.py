"""What goes over Dkron's routes and into ours, as types: for the description of the API, and for nothing else."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

_JOB = {
    "name": "report", "schedule": "0 0 6 * * *", "timezone": "Europe/Berlin", "executor": "shell",
    "executor_config": {"command": "make report"}, "tags": {"role": "worker:1"}, "retries": 2,
}  # fmt: skip
_RULES = {"path": {"/v1/jobs/*": {"capabilities": ["read"]}}}


def _with(example: Any, text: str = "") -> msgspec.Meta:
    return msgspec.Meta(examples=[example], description=text or None)


class JobBody(msgspec.Struct, omit_defaults=True):
    """A job as it is sent: Dkron's fields, and ours. Null means not given; what is unknown is ignored."""

    name: Annotated[str | None, _with("report", "Lower-case letters, digits, `-` and `_`.")] = None
    displayname: str | None = None
    schedule: Annotated[str | None, _with("0 0 6 * * *")] = None
    timezone: Annotated[str | None, _with("Europe/Berlin")] = None
    owner: str | None = None
    owner_email: str | None = None
    disabled: bool | None = None
    tags: Annotated[dict[str, str] | None, _with({"role": "worker:1"})] = None
    metadata: dict[str, str] | None = None
    retries: Annotated[int, msgspec.Meta(ge=0)] | None = None
    parent_job: str | None = None
    processors: dict[str, dict[str, Any]] | None = None
    concurrency: str | None = None
    executor: Annotated[str | None, _with("shell")] = None
    executor_config: Annotated[dict[str, Any] | None, _with({"command": "make report"})] = None
    ephemeral: bool | None = None
    starts_at: str | None = None
    expires_at: str | None = None
    on: Annotated[dict[str, Any] | None, _with({"count": 1})] = None
    after: list[str] | None = None
    when: str | None = None
    timeout: Annotated[str | None, _with("10m")] = None
    retry: dict[str, Any] | None = None
    catch_up: str | None = None
    delivery: str | None = None
    doc: str | None = None


class Job(msgspec.Struct):
    """A job as it is shown: every field of Dkron's, then those of ours that say more than their absence."""

    id: str
    name: str
    displayname: str
    timezone: str
    schedule: str
    owner: str
    owner_email: str
    success_count: int
    error_count: int
    last_success: str | None
    last_error: str | None
    disabled: bool
    tags: dict[str, str] | None
    metadata: dict[str, str] | None
    retries: int
    dependent_jobs: list[str] | None
    parent_job: str
    processors: dict[str, dict[str, Any]] | None
    concurrency: str
    executor: str
    executor_config: dict[str, Any] | None
    status: str
    next: str
    ephemeral: bool
    starts_at: str | None
    expires_at: str | None


class Record(msgspec.Struct):
    """An attempt that has begun: Dkron's execution. ``output`` is left out where there is none."""

    id: str
    job_name: str
    started_at: str
    finished_at: str
    success: bool
    node_name: str
    group: int
    attempt: int
    output: str = ""
    output_truncated: bool = False


class Member(msgspec.Struct):
    """A node in Dkron's form. Status: 1 alive, 4 failed."""

    Name: str
    Addr: str
    Port: int
    Tags: dict[str, str]
    Status: int
    id: str = ""
    statusText: str = ""  # noqa: N815 - Dkron's


class Summary(msgspec.Struct):
    """Dkron's summary of a server, every number as text."""

    agent: dict[str, str]
    serf: dict[str, str]
    tags: dict[str, str]


class Day(msgspec.Struct):
    """How many attempts ended well and badly on a day."""

    date: str
    success_count: int
    failed_count: int


class Stats(msgspec.Struct):
    """The last days, the oldest first."""

    stats: list[Day]


class Paused(msgspec.Struct):
    """Whether submissions are paused."""

    paused: bool


class Policy(msgspec.Struct):
    """A policy with its rules as text."""

    Name: str
    Rules: str


class PolicyBody(msgspec.Struct):
    """The rules of a policy: as they are, or below ``Rules`` as text or as an object."""

    path: Annotated[dict[str, dict[str, list[str]]] | None, _with(_RULES["path"])] = None
    Rules: str | dict[str, Any] | None = None


class File(msgspec.Struct):
    """A form with the answer of ``GET /v1/jobs`` as a file."""

    file: Annotated[str, msgspec.Meta(description="A JSON array of jobs.", extra_json_schema={"format": "binary"})]


class Health(msgspec.Struct):
    """Whether jobs are being fired."""

    status: str
    leader: bool
    issues: list[str] = []


class Variables(msgspec.Struct):
    """Dkron's variables."""

    cmdline: list[str]
    memstats: dict[str, Any]
    node: str
    cron_entries: dict[str, str]
    scheduler_started: int


class Message(msgspec.Struct):
    """What went wrong, on Dkron's routes."""

    message: Annotated[str, _with("there is no job named 'x'")]


class FieldError(msgspec.Struct):
    """One thing that is wrong with one field."""

    path: str
    message: str
    hint: str = ""


class ProblemDocument(msgspec.Struct):
    """What went wrong, on our routes (RFC 9457)."""

    type: str
    title: Annotated[str, _with("Not found")]
    status: Annotated[int, _with(404)]
    detail: Annotated[str, _with("there is no job named 'x'")]
    hint: str = ""
    errors: list[FieldError] = []


EXAMPLE = _JOB
"""A job, for who begins."""
