"""What differs between two definitions, field by field, with what is secret in them left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from dkronpy.job.job import Job
from dkronpy.job.json import untyped
from dkronpy.schedule.durations import format_duration

MASK = "***"
_SECRET = re.compile(r"passw|secret|token|api_?key|credential|authorization|private", re.IGNORECASE)


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """One field, such as ``schedule`` or ``run.config.command``, as it was and as it is; None where it is not set."""

    field: str
    old: Any
    new: Any


def differences(old: Job, new: Job) -> tuple[FieldChange, ...]:
    """The fields in which two definitions differ, in the order of the fields of a job."""
    before, after = fields_of(old), fields_of(new)
    names = dict.fromkeys((*before, *after))
    order = {name: place for place, name in enumerate(Job.__struct_fields__)}
    changed = [name for name in names if before.get(name) != after.get(name)]
    return tuple(
        FieldChange(field=name, old=shown(name, before.get(name)), new=shown(name, after.get(name)))
        for name in sorted(changed, key=lambda name: order[name.partition(".")[0]])
    )


def fields_of(job: Job) -> dict[str, Any]:
    """Every field that is set, by its path, as JSON has it; those that have their default are left out.

    Of a target and of retries what is set is shown also where it is the default: the parts say more together.
    """
    plain = untyped(job)
    found: dict[str, Any] = {}
    for field in _fields(Job):
        value = getattr(plain, field.name)
        if isinstance(value, msgspec.Struct) or not _is_default(field, value):
            found.update(_flat(field.name, _plain(value)))
    if len(job.processors) > 1:
        found["processors"] = list(job.processors)  # their order counts
    return found


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value and set(value) != {"secret"}:
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}", inner)
    else:
        yield path, value


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a type; finding them out takes most of the time otherwise."""
    return msgspec.structs.fields(kind)


def _is_default(field: Any, value: Any) -> bool:
    if field.required:
        return False
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return bool(value == default)


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, msgspec.Struct):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in _fields(type(value))
            if not _is_default(field, getattr(value, field.name))
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def shown(path: str, value: Any) -> Any:
    """The value of a field; asterisks for text of a field that is called a secret. A reference to one is none."""
    return MASK if isinstance(value, str) and value and _SECRET.search(path.rpartition(".")[2]) else value
