"""Counts what will be due, minute by minute, from the schedules alone: before it is, and without a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from dkronpy.schedule import Schedule

MINUTE_MS = 60_000
WORST = 10
NAMED = 5
"""How many of a minute's jobs are named, those with the most runs in it first."""


class WorstMinute(msgspec.Struct, frozen=True, kw_only=True):
    """One of the busiest minutes: when it begins (ms), its runs, and the jobs that have the most of them."""

    minute_ms: int
    runs: int
    jobs: tuple[str, ...]


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What is due in a window. ``minutes`` holds the minutes in which something is, by their beginning in ms."""

    start_ms: int
    end_ms: int
    runs: int
    minutes: Mapping[int, int]
    worst: tuple[WorstMinute, ...]


def forecast(schedules: Iterable[tuple[str, Schedule]], start_ms: int, end_ms: int, *, worst: int = WORST) -> Forecast:
    """Count the due times of named schedules after *start_ms* up to *end_ms*; the *worst* minutes are named.

    Of minutes with equally many runs the earliest come first. A run on many nodes counts once.
    """
    known = list(schedules)
    minutes: Counter[int] = Counter()
    for _, schedule in known:
        minutes.update(due // MINUTE_MS for due in schedule.between_ms(start_ms, end_ms))
    busiest = sorted(minutes.items(), key=lambda item: (-item[1], item[0]))[:worst]
    return Forecast(
        start_ms=start_ms,
        end_ms=end_ms,
        runs=sum(minutes.values()),
        minutes={minute * MINUTE_MS: minutes[minute] for minute in sorted(minutes)},
        worst=tuple(
            WorstMinute(minute_ms=minute * MINUTE_MS, runs=runs, jobs=_jobs(known, minute, start_ms, end_ms))
            for minute, runs in busiest
        ),
    )


def _jobs(known: list[tuple[str, Schedule]], minute: int, start_ms: int, end_ms: int) -> tuple[str, ...]:
    begin = max(start_ms, minute * MINUTE_MS - 1)
    end = min(end_ms, (minute + 1) * MINUTE_MS - 1)
    runs = {name: sum(1 for _ in schedule.between_ms(begin, end)) for name, schedule in known}
    return tuple(sorted((name for name in runs if runs[name]), key=lambda name: (-runs[name], name))[:NAMED])
