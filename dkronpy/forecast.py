"""Counts what will be due, minute by minute, from the schedules alone: before it is, and without a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import chain, pairwise

import msgspec

from dkronpy.level import Level
from dkronpy.schedule import Schedule
from dkronpy.schedule.combined import Later

MINUTE_MS = 60_000
WORST = 10
NAMED = 5
"""How many of a minute's jobs are named, those with the most runs in it first."""
LOOKED_AT = 200
"""So many jobs of the worst minutes are looked at for who might be spread."""
SELDOM_MS = 10 * MINUTE_MS
"""Who is due more often than that is everywhere anyhow."""
WITHIN_MS = 60 * MINUTE_MS


class WorstMinute(msgspec.Struct, frozen=True, kw_only=True):
    """One of the busiest minutes: when it begins (ms), its runs, and the jobs that have the most of them."""

    minute_ms: int
    runs: int
    jobs: tuple[str, ...]


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs of the worst minutes to spread, each over ``within_ms``: then the fullest minute of the first week has
    ``after`` runs in place of ``before``.
    """

    jobs: tuple[str, ...]
    within_ms: int
    before: int
    after: int


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What is due in a window. ``minutes`` holds the minutes in which something is, by their beginning in ms."""

    start_ms: int
    end_ms: int
    runs: int
    minutes: Mapping[int, int]
    worst: tuple[WorstMinute, ...]
    advice: Advice | None = None


def forecast(schedules: Iterable[tuple[str, Schedule]], start_ms: int, end_ms: int, *, worst: int = WORST) -> Forecast:
    """Count the due times of named schedules after *start_ms* up to *end_ms*; the *worst* minutes are named.

    Of minutes with equally many runs the earliest come first. A run on many nodes counts once.
    """
    known = list(schedules)
    minutes: Counter[int] = Counter()
    for _, schedule in known:
        minutes.update(due // MINUTE_MS for due in schedule.between_ms(start_ms, end_ms))
    busiest = sorted(minutes.items(), key=lambda item: (-item[1], item[0]))[:worst]
    due_in = [_jobs(known, minute, start_ms, end_ms) for minute, _ in busiest]
    return Forecast(
        start_ms=start_ms,
        end_ms=end_ms,
        runs=sum(minutes.values()),
        minutes={minute * MINUTE_MS: minutes[minute] for minute in sorted(minutes)},
        worst=tuple(
            WorstMinute(minute_ms=minute * MINUTE_MS, runs=runs, jobs=names[:NAMED])
            for (minute, runs), names in zip(busiest, due_in, strict=True)
        ),
        advice=_advice(dict(known), list(dict.fromkeys(chain.from_iterable(due_in))), minutes, start_ms),
    )


def _jobs(known: list[tuple[str, Schedule]], minute: int, start_ms: int, end_ms: int) -> tuple[str, ...]:
    """The jobs that are due in a minute, those with the most runs in it first."""
    begin = max(start_ms, minute * MINUTE_MS - 1)
    end = min(end_ms, (minute + 1) * MINUTE_MS - 1)
    runs = {name: sum(1 for _ in schedule.between_ms(begin, end)) for name, schedule in known}
    return tuple(sorted((name for name in runs if runs[name]), key=lambda name: (-runs[name], name)))


def _advice(
    known: Mapping[str, Schedule], names: list[str], minutes: Mapping[int, int], start_ms: int
) -> Advice | None:
    """Whom of those to spread: who is due seldom enough, and then stands in a minute that is less full."""
    level = Level(start_ms // MINUTE_MS * MINUTE_MS)
    for minute, runs in minutes.items():
        level.add([minute * MINUTE_MS], MINUTE_MS, runs)
    before, advised = level.peak, []
    for name in names[:LOOKED_AT]:
        schedule, due = known[name], level.due(known[name])
        apart = min((later - earlier for earlier, later in pairwise(due)), default=WITHIN_MS)
        if isinstance(schedule, Later) or apart < SELDOM_MS:
            continue
        level.add(due, MINUTE_MS, -1)
        choice = level.choose(name, schedule, timedelta(milliseconds=WITHIN_MS), MINUTE_MS)
        by_ms = choice.by_ms if choice.peak < choice.before else 0
        advised += [name] if by_ms else []
        level.add([one + by_ms for one in due], MINUTE_MS)
    if level.peak >= before:
        return None
    return Advice(jobs=tuple(advised), within_ms=WITHIN_MS, before=before, after=level.peak)
