"""Jobs as JSON: Dkron's form for people and programs, and the compact form that the store keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dkronpy.clock import from_ms
from dkronpy.errors import ConfigError, InvalidError, Problem
from dkronpy.job.job import Job, Run
from dkronpy.job.notify import rule_json
from dkronpy.job.pins import has_tilde, pinned
from dkronpy.job.retry import Retry
from dkronpy.job.shapes import RETRY_KEYS, TARGET_KEYS, json_type, type_problems
from dkronpy.node import Target
from dkronpy.schedule.durations import format_duration
from dkronpy.signing import split

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time, which Dkron writes for a ``next`` that does not exist."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_DEFAULTS: Mapping[str, Any] = {
    field.name: field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    for field in msgspec.structs.fields(Job)
    if not field.required
}


class JobState(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a job so far: the read-only part of Dkron's JSON.

    Times are RFC 3339 text, since Dkron's nanoseconds have to come out as they went in; ``go_time``
    makes them.
    """

    success_count: int = 0
    error_count: int = 0
    last_success: str | None = None
    last_error: str | None = None
    status: str = ""
    next: str = NEVER
    dependent_jobs: tuple[str, ...] = ()


def go_time(moment: datetime | int) -> str:
    """A moment (aware, or milliseconds since the epoch) as Go writes it: no more digits than it needs."""
    if isinstance(moment, int):
        text = from_ms(moment).isoformat()[:-6]
        return (text.rstrip("0") if "." in text else text) + "Z"
    text = moment.replace(tzinfo=None).isoformat(timespec="microseconds").rstrip("0").rstrip(".")
    offset = moment.isoformat(timespec="microseconds")[26:]
    return text + ("Z" if offset == "+00:00" else offset)


def encode_job(job: Job, state: JobState | None = None) -> dict[str, Any]:
    """*job* in Dkron's JSON: every field of Dkron's in its order, then each of ours that differs from
    what its absence means.
    """
    state = state or JobState()
    return {
        "id": job.name,
        "name": job.name,
        "displayname": job.display_name,
        "timezone": job.timezone,
        "schedule": job.schedule,
        "owner": job.owner,
        "owner_email": job.owner_email,
        "success_count": state.success_count,
        "error_count": state.error_count,
        "last_success": state.last_success,
        "last_error": state.last_error,
        "disabled": not job.enabled,
        "tags": job.on.tags or None,
        "metadata": job.metadata or None,
        "retries": job.retry.max,
        "dependent_jobs": list(state.dependent_jobs) or None,
        "parent_job": job.after[0] if job.after else "",
        "processors": job.processors,
        "concurrency": job.concurrency,
        "executor": job.executor,
        "executor_config": job.executor_config or None,
        "status": state.status,
        "next": state.next,
        "ephemeral": job.ephemeral,
        "starts_at": None if job.starts_at is None else go_time(job.starts_at),
        "expires_at": None if job.expires_at is None else go_time(job.expires_at),
        **_ours(job),
    }


def _ours(job: Job) -> dict[str, Any]:
    """The fields that Dkron does not know."""
    on = {name: list(value) if isinstance(value, tuple) else value for name, value in _target_fields(job).items()}
    retry: dict[str, Any] = {
        "delay": format_duration(job.retry.delay),
        "backoff": job.retry.backoff,
        "cap": format_duration(job.retry.cap),
        "jitter": job.retry.jitter,
    }
    retry.update({"on": list(job.retry.on)} if job.retry.on else {})
    retry.update({"elsewhere": True} if job.retry.elsewhere else {})
    values: dict[str, Any] = {
        "on": on,
        "after": list(job.after) if len(job.after) > 1 else [],
        "retry": {} if job.retry == Retry(job.retry.max) else retry,
    }
    ours = {name: value for name, value in values.items() if value}
    if has_tilde(job.schedule):
        ours["hash_rule"] = job.hash_rule or ""
    if job.notify is not None:
        ours["notify"] = [rule_json(rule) for rule in job.notify]
    if job.calendar is not None:
        ours["calendar"] = job.calendar.name if job.calendar.off is None else msgspec.to_builtins(job.calendar)
    if job.params:
        ours["params"] = msgspec.to_builtins(job.params)
    for name in _PLAIN:
        value = getattr(job, name)
        if value != _DEFAULTS[name]:
            ours[name] = format_duration(value) if isinstance(value, timedelta) else value
    return ours


def _target_fields(job: Job) -> dict[str, Any]:
    """What its target says besides its tags, where that differs from what saying nothing means."""
    plain = Target()
    return {name: getattr(job.on, name) for name in TARGET_KEYS if getattr(job.on, name) != getattr(plain, name)}


_PLAIN = (
    "max_active", "concurrency_key", "queue_limit", "pools", "rate", "priority", "when", "join", "timeout",
    "run_timeout", "catch_up",
    "catch_up_window", "catch_up_limit", "start_deadline", "delivery", "on_lease_loss", "output_limit", "gap",
    "overlap", "doc", "deadline", "stale_after", "pause_after", "off_day", "catch_up_spacing", "max_lateness",
    "history_limit", "retention", "failure_limit", "failure_retention", "spread", "spread_by",
)  # fmt: skip


def decode_job(data: bytes | str | Mapping[str, Any]) -> tuple[Job, JobState]:
    """The job that Dkron's JSON (with our fields, or without) stands for, and the state that was sent
    along.

    Reads as Dkron does: keys match in any case, unknown ones are ignored, null means not given, what
    follows the first JSON value is ignored. Without our ``on`` it has Dkron's targets: every node that
    has the tags; without our ``hash_rule``, its ``~`` has Dkron's value.

    Raises ConfigError for what is not JSON, InvalidError that names every value of a wrong type. What a
    job has to be like beyond that is for ``Job.check``.
    """
    fields = _parsed(data) if isinstance(data, (bytes, str)) else data
    if not isinstance(fields, Mapping):
        raise ConfigError(f"a job is a JSON object, not {json_type(fields)}")
    given = {str(key).lower(): value for key, value in fields.items() if value is not None}
    problems = [problem for name, value in given.items() for problem in type_problems(name, value)]
    if not problems:
        problems = _disagreements(given)
    if problems:
        raise InvalidError(str(given.get("name") or "job"), problems)
    return _job(given), _state(given)


def _parsed(data: bytes | str) -> Any:
    # As Go does: a byte that is not UTF-8, and half a surrogate pair, become U+FFFD.
    text = data.decode("utf-8-sig", "replace") if isinstance(data, bytes) else data
    try:
        value, _ = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text.lstrip(" \t\r\n"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"this is not JSON: {error}") from None
    return _mended(value) if "\\ud" in text.lower() or _SURROGATE.search(text) else value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(one) for one in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(one) for key, one in value.items()}
    return value


def _job(given: Mapping[str, Any]) -> Job:
    on = given.get("on", {})
    retry = given.get("retry", {})
    retries = retry if isinstance(retry, int) else given.get("retries", retry.get("max", 0))
    pauses = {name: retry[name] for name in RETRY_KEYS if name in retry} if isinstance(retry, dict) else {}
    after = given.get("after") or given.get("parent_job") or ()
    target: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in on.items()}
    plain = {field: given[key] for key, field in _SAME.items() if key in given}
    if has_tilde(given.get("schedule", "")):
        plain.setdefault("hash_rule", "dkron")
    return Job(
        name=given.get("name", ""),
        run=Run(given.get("executor", ""), dict(given.get("executor_config", {}))),
        on=Target(tags=given.get("tags", {}), **target),
        after=after,
        retry=Retry(retries, **pauses),
        enabled=not given.get("disabled", False),
        **plain,
    )


def _state(given: Mapping[str, Any]) -> JobState:
    names = {name: given[name] for name in JobState.__struct_fields__ if name in given}
    return JobState(**{**names, "dependent_jobs": tuple(given.get("dependent_jobs", ()))})


_SAME = {
    "displayname": "display_name",
    **{
        name: name
        for name in (
            "timezone", "schedule", "owner", "owner_email", "metadata", "processors", "concurrency",
            "ephemeral", "starts_at", "expires_at", "notify", "calendar", "params", "hash_rule", *_PLAIN,
        )
    },
}  # fmt: skip


def _disagreements(given: Mapping[str, Any]) -> list[Problem]:
    """Where a field of ours and one of Dkron's say the same thing differently."""
    problems = []
    after, parent = given.get("after"), given.get("parent_job")
    if after and parent and parent != (after if isinstance(after, str) else next(iter(after))):
        problems.append(
            Problem("after", after, f"parent_job is {parent!r}; it has to be the first of 'after'", "give one")
        )
    retry, retries = given.get("retry"), given.get("retries")
    most = retry.get("max") if isinstance(retry, dict) else retry
    if most is not None and retries is not None and most != retries:
        problems.append(Problem("retry", most, f"retries is {retries}, and retry says {most}", "give one of them"))
    return problems


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Job)


def untyped(job: Job) -> Job:
    """*job* with its executor's options as the pair of name and configuration that the store keeps."""
    if isinstance(job.run, Run):
        return job
    return msgspec.structs.replace(job, run=Run(job.executor, job.executor_config))


def _plain(job: Job) -> Job:
    """*job* untyped, and with the very defaults where it has values equal to them: only those are left out."""
    usual = {}
    for name, default in _DEFAULTS.items():
        value = getattr(job, name)
        if value is not default and type(value) is type(default) and value == default:
            usual[name] = default
    job = untyped(job)
    return msgspec.structs.replace(job, **usual) if usual else job


def encode_definition(job: Job) -> bytes:
    """The definition as the store keeps it: JSON, the same bytes for equal jobs, nothing that changes
    by itself. Tables are sorted, all but that of the processors, whose order is part of the definition.
    """
    job = pinned(_plain(job), None)
    if len(job.processors) > 1:
        pairs = (_encoder.encode(name) + b":" + _encoder.encode(config) for name, config in job.processors.items())
        job = msgspec.structs.replace(job, processors=msgspec.Raw(b"{" + b",".join(pairs) + b"}"))
    return _encoder.encode(job)


def same_definition(one: Job, other: Job) -> bool:
    """Whether two jobs have the same ``encode_definition``, without encoding all of them."""
    one, other = untyped(one), untyped(other)
    return one == other and _loose(one) == _loose(other)


def _loose(job: Job) -> bytes:
    """Those parts in which values may be equal that JSON tells apart: 1 and true, and the order of processors."""
    return _encoder.encode((job.run, list(job.processors.items()), job.params))


def decode_definition(data: bytes) -> Job:
    """The job of a stored definition, signed or not. Raises ConfigError for bytes that are none.

    Before definitions said how ``~`` is read, all had Dkron's value: those keep it.
    """
    try:
        job = _decoder.decode(split(data)[0])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"a stored job cannot be read: {error}") from None
    if job.hash_rule is None and has_tilde(job.schedule):
        return msgspec.structs.replace(job, hash_rule="dkron")
    return job
