"""How much of a job's history is kept: its latest runs, and of older ones those that failed."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TypeVar

import msgspec

from dkronpy.job import Job
from dkronpy.schedule import format_duration
from dkronpy.settings import Settings

FAILING = ("failed", "partially_failed", "lost")
"""The states of runs that are kept longer than others."""
_MILLISECOND = timedelta(milliseconds=1)
_Value = TypeVar("_Value", int, timedelta)


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """The *runs* of a job that ended last, each for *age*; of older ones the *failures* latest that failed.

    Those stay until they are *failures_age* old. A run goes as a whole, with its executions and output.
    """

    runs: int = 100
    age: timedelta = timedelta(days=30)
    failures: int = 20
    failures_age: timedelta = timedelta(days=90)

    def __str__(self) -> str:
        failures = f"; older ones that failed: {self.failures:,} for {_said(self.failures_age)}"
        return f"{self.runs:,} runs for {_said(self.age)}{failures if self.failures else ''}"

    @property
    def age_ms(self) -> int:
        """For how long a run may stay, whatever became of it."""
        return _ms(self.age)

    @property
    def failures_age_ms(self) -> int:
        """For how long one may stay that failed."""
        return _ms(self.failures_age)

    @property
    def longest_ms(self) -> int:
        """After which time nothing of it may be left."""
        return max(self.age_ms, self.failures_age_ms)


@lru_cache(maxsize=1024)
def _ms(age: timedelta) -> int:
    """The few ages that there are, of which each run that ends is asked."""
    return age // _MILLISECOND


def keep_of(job: Job | None, settings: Settings) -> Keep:
    """What *job* says of its history, and the settings where it says nothing; None for a job that is gone."""

    if job is None:
        job = _NOTHING_SAID
    return Keep(
        runs=_either(job.history_limit, settings.history_limit),
        age=_either(job.retention, settings.retention),
        failures=_either(job.failure_limit, settings.failure_limit),
        failures_age=_either(job.failure_retention, settings.failure_retention),
    )


_NOTHING_SAID = msgspec.convert({"name": "", "run": {"executor": ""}}, Job)


def _said(age: timedelta) -> str:
    days, rest = divmod(age, timedelta(days=1))
    return format_duration(age) if rest else f"{days}d"


def _either(said: _Value | None, usual: _Value) -> _Value:
    return usual if said is None else said
