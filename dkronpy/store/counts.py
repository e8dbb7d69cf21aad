"""What the runs of a job came to so far, to be carried from one deployment to another."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dkronpy.store.connection import Store
from dkronpy.store.redbeat import last_due_of, redbeat_meta


class Counts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Counters and last outcomes of a job, by the names of their fields in the store; 0 and '' for none."""

    success_count: int = 0
    error_count: int = 0
    skipped_count: int = 0
    lost_count: int = 0
    last_success_ms: int = 0
    last_error_ms: int = 0
    anew_ms: int = 0
    """Since when its failures count, of a job that paused itself and was resumed."""
    status: str = ""


def read_counts(store: Store, names: Sequence[str]) -> dict[str, Counts]:
    """The counts of the named jobs. redis-py's errors pass through."""
    fields = Counts.__struct_fields__
    with store.client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hmget(store.keys.job_state(name), *fields)
        rows = pipe.execute()
    return {name: _counts(row) for name, row in zip(names, rows, strict=True)}


def read_last_due(store: Store, names: Sequence[str]) -> dict[str, int]:
    """The last due time of each named job that was dispatched; 0 for none. redis-py's errors pass through."""
    with store.client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hget(store.keys.entry(name), "meta")
        rows = pipe.execute()
    return {name: last_due_of(meta) for name, meta in zip(names, rows, strict=True)}


def prepare(store: Store, name: str, anchor_ms: int, counts: Counts, *, last_due_ms: int = 0) -> bool:
    """Lay down the phase, the last due time that was dispatched (0: none) and the counts that a job which is saved next
    begins with; False where the job exists."""
    given = msgspec.to_builtins(counts)
    flat = [part for field, value in given.items() for part in (field, value)]
    meta = redbeat_meta(last_due_ms) if last_due_ms else ""
    return bool(store.scripts.call("restore", name, anchor_ms, meta, *flat)[0])


def _counts(row: Sequence[bytes | None]) -> Counts:
    *numbers, status = row
    values = [int(number or 0) for number in numbers]
    return Counts(**dict(zip(Counts.__struct_fields__, [*values, (status or b"").decode()], strict=True)))  # type: ignore[arg-type]
