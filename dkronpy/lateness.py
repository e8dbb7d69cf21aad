"""How late runs were: from the due time to the queue, to the node, and to the executor's first instruction."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import timedelta

import msgspec

from dkronpy.execution import Execution

BOUNDS_MS = (5, 10, 20, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000)
"""Up to which lateness each bucket of a histogram counts; one more counts what is above."""
_MILLISECOND = timedelta(milliseconds=1)


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """How often which lateness was seen, in ms: ``counts`` by ``BOUNDS_MS``, and some of them exactly."""

    counts: tuple[int, ...]
    total: int
    median: int
    p95: int
    p99: int
    most: int


class Lateness(msgspec.Struct, frozen=True, kw_only=True):
    """How late one job was, over the executions of its schedule.

    ``queued`` is from the due time until the record and its message were written, ``taken`` from there until a node
    took it up, ``began`` from there to the executor's first instruction, and ``started`` from the due time to that.
    ``broken`` counts those that started later than ``promised_ms``, what the job promises, or that did not start
    (``never``).
    """

    job: str
    queued: Histogram
    taken: Histogram
    began: Histogram
    started: Histogram
    never: int = 0
    promised_ms: int | None = None
    broken: int = 0

    @property
    def kept(self) -> float | None:
        """The share of executions that kept the promise; None where nothing is promised or nothing ran."""
        count = self.started.total + self.never
        return None if self.promised_ms is None or not count else 1 - self.broken / count


def histogram(values: Iterable[int]) -> Histogram:
    """The histogram of *values* in ms."""
    known = sorted(max(0, value) for value in values)
    counts = [0] * (len(BOUNDS_MS) + 1)
    for value in known:
        counts[bisect_left(BOUNDS_MS, value)] += 1

    def at(share: float) -> int:
        return known[min(len(known) - 1, int(share * len(known)))] if known else 0

    return Histogram(
        counts=tuple(counts),
        total=len(known),
        median=at(0.5),
        p95=at(0.95),
        p99=at(0.99),
        most=known[-1] if known else 0,
    )


def lateness(job: str, executions: Iterable[Execution], max_lateness: timedelta | None) -> Lateness:
    """How late *job* was, from those of its executions that a schedule caused and that are over or running.

    What never started broke the promise, unless it was skipped by a rule: for overlap, a pause, or somebody's cancel.
    """
    known = [one for one in executions if one.trigger == "schedule" and one.queued_ms]
    started = [one for one in known if one.attempts and one.started_ms]
    never = [one for one in known if not one.started_ms and one.reason in ("no_live_node", "not_started_in_deadline")]
    promised = None if max_lateness is None else max_lateness // _MILLISECOND
    due_to_begin = [_began_ms(one) - one.due_ms for one in started]
    broken = 0 if promised is None else len(never) + sum(1 for late in due_to_begin if late > promised)
    return Lateness(
        job=job,
        queued=histogram(one.queued_ms - one.due_ms for one in known),
        taken=histogram(one.started_ms - one.queued_ms for one in started),
        began=histogram(_began_ms(one) - one.started_ms for one in started),
        started=histogram(due_to_begin),
        never=len(never),
        promised_ms=promised,
        broken=broken,
    )


def _began_ms(execution: Execution) -> int:
    """When the executor of the first attempt began; where no node said so, when it was taken up."""
    return execution.attempts[0].began_ms or execution.started_ms
