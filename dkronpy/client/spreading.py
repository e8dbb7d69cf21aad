"""Chooses for jobs with ``spread`` the minute that levels them, from the schedules and the run times of all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from statistics import median

from msgspec import structs

from dkronpy.execution import Run
from dkronpy.job import Job
from dkronpy.job.pins import pinned
from dkronpy.level import MINUTE_MS, Choice, Level, minutes_of
from dkronpy.store.stored import StoredJob, parsed

LOOKED_AT = 20
"""So many of a job's last successes say how long it usually takes."""
DAY_MS = 24 * 3600 * 1000
_MILLISECOND = timedelta(milliseconds=1)

Usual = Callable[[str], int | None]
"""How long a job usually takes, in ms; None where it never ran."""


def usual_run_ms(runs: Iterable[Run]) -> int | None:
    """The median time that successful runs took; None where there are none."""
    took = [run.finished_ms - run.fired_ms for run in runs if run.state == "success" and run.finished_ms]
    return round(median(took)) if took else None


def spread_jobs(
    jobs: Sequence[Job], stored: Callable[[], Iterable[StoredJob]], usual: Usual, now_ms: Callable[[], int]
) -> tuple[list[Job], dict[str, Choice]]:
    """*jobs* with a minute for each that wants one and has none, and by their names what was chosen.

    Who has one keeps it. The others are looked at, *stored* and *usual* asked, only where somebody wants one.
    """
    if not any(_wants(job) for job in jobs):
        return list(jobs), {}
    known = {one.job.name: one for one in stored()}
    settled = {job.name: pinned(job, known[job.name].job if job.name in known else None) for job in jobs}
    wanting = [job for job in settled.values() if _wants(job)]
    choices: dict[str, Choice] = {}
    if wanting:
        start_ms = now_ms() // DAY_MS * DAY_MS
        others = [(one.job, one.anchor_ms) for name, one in known.items() if name not in settled]
        others += [
            (job, known[name].anchor_ms if name in known else start_ms)
            for name, job in settled.items()
            if not _wants(job)
        ]
        level = _level(others, usual, start_ms)
        for job in wanting:
            choices[job.name] = _choose(level, job, usual(job.name) or 0)
            by = choices[job.name].by_ms * _MILLISECOND
            settled[job.name] = structs.replace(job, spread_by=by)
    return list(settled.values()), choices


def timing(job: Job, anchor_ms: int) -> tuple[object, ...]:
    """What decides when a job is due; alike for jobs that are due at the same moments."""
    phase = job.name if "~" in job.schedule or "H" in job.schedule else ""
    since = anchor_ms if "@every" in job.schedule else 0
    when = (job.schedule, job.timezone, job.gap, job.overlap, job.starts_at, job.expires_at, job.calendar, job.off_day)
    return (*when, job.hash_rule, job.spread_by, phase, since)


def _wants(job: Job) -> bool:
    return job.spread is not None and job.spread_by is None and bool(job.schedule) and not job.after


def _choose(level: Level, job: Job, took_ms: int) -> Choice:
    schedule = parsed(job, level.start_ms)
    assert job.spread is not None  # noqa: S101 - for mypy; who wants none is not asked
    choice = level.choose(job.name, schedule, job.spread, took_ms)
    level.add([due + choice.by_ms for due in level.due(schedule)], took_ms)
    return choice


def _level(jobs: Iterable[tuple[Job, int]], usual: Usual, start_ms: int) -> Level:
    """The runs of jobs, each with its phase; those that are alike are counted together."""
    level = Level(start_ms)
    alike: Counter[tuple[object, ...]] = Counter()
    examples: dict[tuple[object, ...], tuple[Job, int, int]] = {}
    for job, anchor_ms in jobs:
        if not job.enabled or not job.schedule or job.after:
            continue
        took = minutes_of(usual(job.name) or 0)
        key = (*timing(job, anchor_ms), took)
        alike[key] += 1
        examples.setdefault(key, (job, anchor_ms, took))
    for key, count in alike.items():
        job, anchor_ms, took = examples[key]
        level.add(level.due(parsed(job, anchor_ms)), took * MINUTE_MS, count)
    return level
