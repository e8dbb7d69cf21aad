"""What became of due times, out of the events that tell of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta

from dkronpy.audit import LATE
from dkronpy.clock import ISO_LENGTH
from dkronpy.execution import due_of

LATE_MS = LATE // timedelta(milliseconds=1)
LATE_FIELD = "late"
OUTCOMES = ("success", "failed", "partially_failed", "skipped", "lost", "amended")
"""``amended`` is a due time that was counted as lost, and whose outcome was told after all."""


def due_counts(
    changes: Sequence[Mapping[bytes, bytes]], amended: Collection[str], counts_of: Callable[[list[str]], list[int]]
) -> Counter[str]:
    """How many due times came to each outcome, and how many of them beat came to late.

    *amended* are executions whose outcome was told after they counted as lost; *counts_of* says for how many due times
    runs stand that were skipped.
    """
    found: Counter[str] = Counter()
    skipped = []
    settled: set[str] = set()
    for row in changes:
        kind = row.get(b"event")
        if kind == b"fired":
            found[LATE_FIELD] += _is_late(row[b"run"].decode(), int(row[b"at"]))
        elif kind == b"execution" and row[b"execution"].decode() in amended:
            # its loss may be among these changes as well: only what it came to after all is news of a settled run
            (settled.discard if row[b"state"] == b"lost" else settled.add)(row[b"run"].decode())
        elif kind == b"run" and is_due_time(name := row[b"run"].decode()):
            state = row[b"state"].decode()
            if name in settled:
                found["amended"] += 1
            elif state == "skipped":
                skipped.append(name)
            elif state in OUTCOMES:
                found[state] += 1
    found["skipped"] += sum(counts_of(skipped)) if skipped else 0
    return +found


def is_due_time(run_id: str) -> bool:
    """Whether a run is the one that a schedule owed; the ids of others have something behind the moment."""
    return len(run_id.partition("@")[2]) == ISO_LENGTH


def _is_late(run_id: str, at_ms: int) -> bool:
    return is_due_time(run_id) and at_ms - due_of(run_id) > LATE_MS
