"""RedBeat's side of a job's entry: how it writes a due time and a definition, for its own tools to go on reading."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from functools import lru_cache

from dkronpy.clock import from_ms, to_ms
from dkronpy.job import Job

CARRIER_TASK = "dkronpy.run"


def score_of(due_ms: int | None) -> str:
    """A due time as RedBeat's score: seconds, here with milliseconds, as text; '' for none."""
    return "" if due_ms is None else f"{due_ms // 1000}.{due_ms % 1000:03d}"


def ms_of(score: float) -> int:
    """The due time of a score."""
    return round(score * 1000)


@lru_cache(maxsize=1024)  # many due times fall together
def redbeat_meta(due_ms: int) -> str:
    """RedBeat's ``meta``: when the entry last ran, so that RedBeat's own tools show it."""
    moment = from_ms(due_ms)
    return (
        f'{{"last_run_at":{{"__type__":"datetime","year":{moment.year},"month":{moment.month},'
        f'"day":{moment.day},"hour":{moment.hour},"minute":{moment.minute},"second":{moment.second},'
        f'"microsecond":{moment.microsecond},"timezone":"UTC"}}}}'
    )


def last_due_of(meta: bytes | None) -> int:
    """The last due time that an entry's ``meta`` tells of; 0 where none has been dispatched, or it cannot be read."""
    try:
        told = json.loads(meta or b"{}").get("last_run_at", {})
        fields = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return to_ms(datetime(**{field: told[field] for field in fields}, tzinfo=timezone.utc))
    except (ValueError, TypeError, KeyError, AttributeError):
        return 0


def redbeat_definition(job: Job) -> str:
    """RedBeat's ``definition`` of a job: the carrier task with our schedule type."""
    schedule = {"__type__": "dkronpy", "text": job.schedule, "timezone": job.timezone, "job": job.name}
    if job.hash_rule is not None:
        schedule["hash_rule"] = job.hash_rule
    definition = {
        "name": job.name, "task": CARRIER_TASK, "args": [job.name], "kwargs": {}, "options": {},
        "schedule": schedule, "enabled": job.enabled,
    }  # fmt: skip
    return json.dumps(definition, separators=(",", ":"))
