"""Runs in SQL that are beyond what their jobs keep, asked for many jobs with one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from dkronpy.results.keep import FAILING, Keep
from dkronpy.results.schema import RUN

AT_ONCE = 50
"""Of so many jobs; SQLite takes at most 500 parts of a statement."""

_PART = f"""
SELECT * FROM (
  SELECT {{n}} AS part, aged_ms, id, state FROM {RUN.name} WHERE job = :job{{n}} AND (aged_ms < :before{{n}} OR (aged_ms, id) <= (
    SELECT aged_ms, id FROM {RUN.name} WHERE job = :job{{n}} ORDER BY aged_ms DESC, id DESC LIMIT 1 OFFSET :runs{{n}}
  )) ORDER BY aged_ms, id LIMIT :most{{n}}
) AS part{{n}}"""  # noqa: E501, S608 - SQL; no value stands in it


class Old(NamedTuple):
    """A run that is not among those that its job keeps of all; ordered as they are forgotten."""

    aged_ms: int
    id: str
    state: str


def surplus(
    connection: sa.Connection, keeps: Mapping[str, Keep], now_ms: int, most: int
) -> tuple[list[str], dict[str, Keep]]:
    """Up to *most* runs that are not to be kept of jobs, and those of the jobs that may have more of them.

    The statement sees one state of the table: of whatever it finds, as many later runs as the job keeps were there.
    Of a job whose failures are kept as many more are read: among so many there is always one that may go.
    """
    asked = list(islice(keeps.items(), AT_ONCE))
    found: list[list[Old]] = [[] for _ in asked]
    values: dict[str, Any] = {}
    for n, (job, keep) in enumerate(asked):
        one = {"job": job, "before": now_ms - keep.age_ms, "runs": keep.runs, "most": most + keep.failures}
        values.update((f"{name}{n}", value) for name, value in one.items())
    statement = " UNION ALL".join(_PART.format(n=n) for n in range(len(asked)))
    for part, *old in connection.execute(sa.text(statement), values):
        found[part].append(Old(*old))
    ids: list[str] = []
    rest = dict(islice(keeps.items(), AT_ONCE, None))
    unfinished: dict[str, Keep] = {}
    for (job, keep), olds in zip(asked, found, strict=True):
        gone = going(sorted(olds), keep, now_ms)
        if len(olds) == most + keep.failures or len(gone) > most - len(ids):
            unfinished[job] = keep
        ids += gone[: most - len(ids)]
    return ids, {**unfinished, **rest}


def going(olds: Sequence[Old], keep: Keep, now_ms: int) -> list[str]:
    """Those of *olds*, the oldest first, that are not kept as failures."""
    failed = [old.id for old in olds if old.state in FAILING and old.aged_ms >= now_ms - keep.failures_age_ms]
    kept = set(failed[-keep.failures :] if keep.failures else ())
    return [old.id for old in olds if old.id not in kept]
