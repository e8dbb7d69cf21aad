"""What a job says of its history wins over the settings, field by field."""

from __future__ import annotations

from datetime import timedelta

from dkronpy.job import Job, Run
from dkronpy.results.keep import Keep, keep_of
from dkronpy.settings import Settings

SETTINGS = Settings(history_limit=50, retention=timedelta(days=7), failure_limit=5)


def job(**fields: object) -> Job:
    return Job(name="sample", run=Run("shell"), schedule="@manually", **fields)  # type: ignore[arg-type]


def test_a_job_that_says_nothing_keeps_what_the_settings_say() -> None:
    usual = Keep(runs=50, age=timedelta(days=7), failures=5, failures_age=timedelta(days=90))
    assert keep_of(job(), SETTINGS) == usual
    assert keep_of(None, SETTINGS) == usual, "also one that is gone"


def test_a_job_may_say_otherwise_field_by_field() -> None:
    found = keep_of(job(history_limit=3, failure_retention="1d", failure_limit=0), SETTINGS)
    assert found == Keep(runs=3, age=timedelta(days=7), failures=0, failures_age=timedelta(days=1))


def test_it_is_said_in_a_sentence() -> None:
    assert str(Keep()) == "100 runs for 30d; older ones that failed: 20 for 90d"
    assert str(Keep(runs=1_000, failures=0)) == "1,000 runs for 30d"
