"""Counters and dates that come with a job are kept where they are ahead, so that a restore keeps its figures."""

from __future__ import annotations

from dkronpy.api.catalogue import tell_changed
from dkronpy.clock import ms_of_rfc3339
from dkronpy.job.json import JobState
from dkronpy.store.connection import Store


def carry_state(store: Store, name: str, sent: JobState) -> None:
    """Raise counters to what was sent, move dates forward to it, and set a status where there is none."""
    if sent == JobState(next=sent.next, dependent_jobs=sent.dependent_jobs):
        return
    key = store.keys.job_state(name)
    fields = ("success_count", "error_count", "last_success_ms", "last_error_ms", "status")
    row = dict(zip(fields, store.client.hmget(key, fields), strict=True))
    given = {
        "success_count": sent.success_count,
        "error_count": sent.error_count,
        "last_success_ms": _ms(sent.last_success),
        "last_error_ms": _ms(sent.last_error),
    }
    with store.client.pipeline() as pipe:
        for field, value in given.items():
            behind = value - int(row[field] or 0)
            if behind > 0:  # added, so that a run that ends meanwhile is counted too
                pipe.hincrby(key, field, behind) if field.endswith("count") else pipe.hset(key, field, value)
        if sent.status and not row["status"]:
            pipe.hset(key, "status", sent.status)
        pipe.execute()
    tell_changed(store, name)


def _ms(text: str | None) -> int:
    """Milliseconds of Go's time text; 0 for none."""
    return max(0, ms_of_rfc3339(text)) if text else 0
