"""Dkron's jobs, out of the JSON of its API or from a server that answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from dkronpy.errors import ConfigError, DkronpyError
from dkronpy.importers.imported import Gathering, Imported
from dkronpy.job import Job
from dkronpy.job.json import decode_job, encode_job
from dkronpy.job.shapes import json_type
from dkronpy.plugins.registry import options_type
from dkronpy.plugins.template import has_templates

_IGNORED = frozenset(
    {"id", "next", "status", "dependent_jobs", "success_count", "error_count", "last_success", "last_error"}
)


def read_dkron(text: str | bytes) -> Imported:
    """The jobs of an array such as ``GET /v1/jobs`` answers, or of one job. Raises ConfigError for other text."""
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"this is not JSON: {error}", hint="what `curl http://HOST:8080/v1/jobs` answers") from None
    if isinstance(rows, Mapping):
        rows = [rows]
    if not isinstance(rows, list):
        raise ConfigError(f"an array of Dkron's jobs is needed, not {json_type(rows)}")
    found = Gathering()
    for number, row in enumerate(rows, 1):
        _job(found, row, number)
    return found.done(_parents_there(found))


def _job(found: Gathering, row: Any, number: int) -> None:
    if not isinstance(row, Mapping):
        found.lose(f"entry {number}", f"left out: a job is a JSON object, not {json_type(row)}")
        return
    where = str(row.get("name") or f"entry {number}")
    try:
        job, state = decode_job(row)
    except ConfigError as error:
        found.lose(where, f"left out: {' '.join(str(error).split())}")
        return
    known = {key.lower() for key in encode_job(job)} | _IGNORED
    for key in row:
        if key.lower() not in known and row[key] not in (None, "", {}, []):
            found.lose(where, f"{key} is not known here and is not kept", job.name)
    if state.success_count or state.error_count:
        count = state.success_count + state.error_count
        found.lose(where, f"its counters and history stay in Dkron ({count} runs)", job.name)
    found.add(typed(job), where)


def typed(job: Job) -> Job:
    """The job with what it runs as the options of our executor, where that means the same."""
    try:
        options = options_type(job.executor).from_config(job.executor_config, job=job.name)
    except (DkronpyError, ValueError):
        return job
    return job if has_templates(options) else msgspec.structs.replace(job, run=options)


def _parents_there(found: Gathering) -> list[Job]:
    """The jobs without those whose parent was left out."""
    kept = list(found.jobs)
    while missing := [job for job in kept if any(parent not in {one.name for one in kept} for parent in job.after)]:
        for job in missing:
            found.lose(job.name, f"left out: it follows {', '.join(job.after)}, which is not there")
            kept.remove(job)
    return kept
