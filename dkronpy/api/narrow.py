"""``?fields=name,state``: of what a route of ours answers with, only the fields that somebody wants."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from litestar import Response

from dkronpy.api.failures import ApiError
from dkronpy.job import Job
from dkronpy.schedule.problems import did_you_mean

QUERY = "fields"
_ITEMS = "items"
_OF_JOBS = frozenset(Job.__struct_fields__)
"""A job is told without the fields of ours that it does not use, which are fields all the same."""


def narrowed(answer: Any, text: str) -> Any:
    """*answer* with the fields named in *text* (commas between them): of each item of a list, else of the whole.

    Raises ApiError (422) for a name that nothing has.
    """
    wanted = [name for part in text.split(",") if (name := part.strip())]
    if not wanted:
        return answer
    if not isinstance(answer, Response):
        return _pick(msgspec.to_builtins(answer), wanted)
    if answer.status_code == 200 and str(answer.media_type).startswith("application/json"):
        answer.content = msgspec.json.encode(_pick(msgspec.json.decode(answer.content), wanted))
    return answer


def _pick(value: Any, wanted: Collection[str]) -> Any:
    if isinstance(value, list):
        return _each(value, wanted)
    if isinstance(value.get(_ITEMS), list):
        return {**value, _ITEMS: _each(value[_ITEMS], wanted)}
    return _each([value], wanted)[0]


def _each(rows: list[Any], wanted: Collection[str]) -> list[Any]:
    known = {name for row in rows for name in row}
    unknown = [name for name in wanted if name not in known and name not in _OF_JOBS]
    if rows and unknown:
        raise ApiError(422, f"{QUERY}: there is no field {unknown[0]!r}", hint=_hint(unknown[0], known))
    return [{name: row[name] for name in wanted if name in row} for row in rows]


def _hint(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return did_you_mean(name, names) or f"there are {', '.join(names)}"
