"""Jobs as the Python that a configuration would write for them, such that it makes exactly these jobs again."""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import msgspec

import dkronpy
from dkronpy.errors import DkronpyError
from dkronpy.job import Job, Run
from dkronpy.job.json import untyped
from dkronpy.job.retry import Retry
from dkronpy.node import Target, all_nodes, any_node, on_node
from dkronpy.plugins.registry import options_type
from dkronpy.schedule import cron
from dkronpy.schedule.durations import format_duration
from dkronpy.secret import Secret

WIDTH = 110
_SCHEDULE = ("schedule", "timezone")


@dataclass
class Source:
    """Python text as it grows, with the names that it has to import."""

    names: dict[str, set[str]] = field(default_factory=dict)

    def use(self, kind: Any) -> str:
        """The name of a class or function, which the text will import."""
        name = str(kind.__name__)
        public = name in dkronpy.__all__ or (name[:1].isupper() and getattr(dkronpy, name, None) is kind)
        self.names.setdefault("dkronpy" if public else kind.__module__, set()).add(name)
        return name

    def imports(self) -> str:
        """The import lines, those of the standard library first."""
        standard = [f"import {name}" for name in sorted(self.names) if not self.names[name]]
        ours = [
            f"from {module} import {', '.join(sorted(self.names[module]))}"
            for module in sorted(self.names)
            if self.names[module]
        ]
        return "\n".join([*standard, *([""] if standard and ours else []), *ours])


def jobs_source(jobs: Iterable[Job], head: str, notes: Mapping[str, Iterable[str]] | None = None) -> str:
    """A module that makes *jobs*: *head* is its docstring, *notes* are comments above the job of that name."""
    source = Source()
    blocks = []
    for job in jobs:
        comments = "".join(f"# {' '.join(note.split())}\n" for note in (notes or {}).get(job.name, ()))
        blocks.append(comments + job_source(job, source))
    quoted = head.replace("\\", "\\\\").replace('"""', "'''").strip()
    parts = [f'"""{quoted}\n"""' if "\n" in quoted else f'"""{quoted}"""', source.imports(), *blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def job_source(job: Job, source: Source) -> str:
    """One job as a call of ``Job``, with typed options and ``cron(...)`` where that makes the same job."""
    for typed in (True, False):
        trial = Source({module: set(names) for module, names in source.names.items()})
        text, again = _written(job, trial, typed=typed)
        if again is not None and untyped(again) == untyped(job):
            source.names = trial.names
            return text
    source.names = trial.names
    return text


def _written(job: Job, source: Source, *, typed: bool) -> tuple[str, Job | None]:
    """The text, and the job that it makes; None where it makes none."""
    name = source.use(Job)
    fields: dict[str, Any] = {"name": job.name, **_when(job, typed=typed), "run": _run(job, typed=typed)}
    for one in _fields():
        if one.name not in ("name", "run", *_SCHEDULE) and getattr(job, one.name) != _default(one):
            fields[one.name] = getattr(job, one.name)
    made: dict[str, Any] = {key: value.value if isinstance(value, _Call) else value for key, value in fields.items()}
    text = _call(name, [], {key: _text(value, source) for key, value in fields.items()})
    try:
        return text, Job(**made)
    except (TypeError, ValueError, DkronpyError):
        return text, None


@dataclass(frozen=True)
class _Call:
    """A call that makes *value*."""

    value: Any
    function: Any
    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)


def _when(job: Job, *, typed: bool) -> dict[str, Any]:
    """Schedule and zone, in one where that is possible."""
    if not job.schedule and not job.timezone:
        return {}
    if typed and job.timezone and job.schedule and not job.schedule.startswith("@") and "|" not in job.schedule:
        made = cron(job.schedule, tz=job.timezone)
        return {"schedule": _Call(made, cron, (job.schedule,), {"tz": job.timezone})}
    return {name: getattr(job, name) for name in _SCHEDULE if getattr(job, name)}


def _run(job: Job, *, typed: bool) -> Any:
    """What it runs: typed options where they come to the same configuration."""
    config = job.executor_config
    if typed:
        try:
            kind = options_type(job.executor)
            given = {key: _with_secrets(value) for key, value in config.items() if key.isidentifier()}
            first = msgspec.structs.fields(kind)[0].name
            if kind.__name__ == "Shell" and config.get("shell") == isinstance(config.get("command"), str):
                del given["shell"]
            options = kind(**given)
            if options.to_config() == config:
                head = (given.pop(first),) if first in given else ()
                return _Call(options, kind, head, given)
        except (TypeError, ValueError, DkronpyError):
            pass
    return _Call(Run(job.executor, config), Run, (job.executor, config))


def _with_secrets(value: Any) -> Any:
    """The value of an option, with references to secrets as such."""
    if isinstance(value, Mapping):
        if set(value) == {"secret"} and isinstance(value["secret"], str):
            return Secret(value["secret"])
        return {key: _with_secrets(one) for key, one in value.items()}
    return [_with_secrets(one) for one in value] if isinstance(value, list) else value


def _text(value: Any, source: Source) -> str:
    """A value as Python."""
    if isinstance(value, _Call):
        positional = [_text(one, source) for one in value.positional]
        return _call(
            source.use(value.function), positional, {key: _text(one, source) for key, one in value.named.items()}
        )
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, timedelta):
        return json.dumps(format_duration(value))
    if isinstance(value, datetime):
        source.names.setdefault("datetime", set()).add("datetime")
        return f'datetime.fromisoformat("{value.isoformat()}")'
    if isinstance(value, Secret):
        return _call(source.use(dkronpy.secret), [json.dumps(value.secret)], {})
    if isinstance(value, msgspec.Struct):
        return _struct(value, source)
    if isinstance(value, Mapping):
        return _items("{", [f"{_text(key, source)}: {_text(one, source)}" for key, one in value.items()], "}")
    if isinstance(value, (list, tuple)):
        items = [_text(one, source) for one in value]
        closing = ",)" if isinstance(value, tuple) and len(items) == 1 else ")"
        return _items("[", items, "]") if isinstance(value, list) else _items("(", items, closing)
    return repr(value)


def _struct(value: msgspec.Struct, source: Source) -> str:
    """A value such as a target or retries, by the shortest call that makes it."""
    set_ = {
        one.name: getattr(value, one.name)
        for one in msgspec.structs.fields(value)
        if getattr(value, one.name) != _default(one)
    }
    if isinstance(value, Target) and (text := _target(value, set_, source)):
        return text
    if isinstance(value, Retry):
        if value == Retry(value.max):
            return str(value.max)
        return _call(
            source.use(Retry), [str(value.max)], {key: _text(one, source) for key, one in set_.items() if key != "max"}
        )
    return _call(source.use(type(value)), [], {key: _text(one, source) for key, one in set_.items()})


def _target(value: Target, given: Mapping[str, Any], source: Source) -> str:
    """A target as ``any_node(...)``, ``all_nodes(...)`` or ``on_node(...)``; '' where it is none of them."""
    if value == Target(nodes=value.nodes) and value.nodes:
        return _call(source.use(on_node), [_text(node, source) for node in value.nodes], {})
    reserved = {*Target.__struct_fields__, *keyword.kwlist}
    if not all(tag.isidentifier() and tag not in reserved for tag in value.tags):
        return ""
    function: Any = all_nodes if value.count is None else any_node
    count = [] if value.count in (None, 1) else [value.count]
    named = {name: one for name, one in given.items() if name not in ("count", "tags")} | value.tags
    try:
        made = function(*count, **named)
    except TypeError:
        return ""
    if made != value:
        return ""
    return _call(source.use(function), list(map(str, count)), {name: _text(one, source) for name, one in named.items()})


def _call(name: str, positional: list[str], named: Mapping[str, str]) -> str:
    return _items(f"{name}(", [*positional, *(f"{key}={text}" for key, text in named.items())], ")")


def _items(opening: str, items: list[str], closing: str) -> str:
    """On one line where it fits, else an item a line."""
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) <= WIDTH - 12 and "\n" not in line and not (opening == "Job(" and len(line) > 80):
        return line
    inner = "".join(f"    {item.replace(chr(10), chr(10) + '    ')},\n" for item in items)
    return f"{opening}\n{inner}{closing.removeprefix(',')}"


@cache
def _fields() -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(Job)


def _default(one: msgspec.structs.FieldInfo) -> Any:
    return one.default if one.default_factory is msgspec.NODEFAULT else one.default_factory()
