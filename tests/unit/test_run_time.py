"""What is left for an attempt of the time of its run."""

from __future__ import annotations

from datetime import timedelta

from dkronpy.agent.run_time import RunTime
from dkronpy.clock import SystemClock
from dkronpy.job import Job, Run
from dkronpy.plugins.executor import Outcome

HOUR = timedelta(hours=1)
JOB = Job(name="load", run=Run("shell", {"command": "load"}), schedule="@manually", run_timeout=HOUR)
LATE = Outcome(success=False, reason="timeout", message="it was ended")


def in_seconds(seconds: float) -> RunTime:
    return RunTime(SystemClock().monotonic() + seconds)


def test_a_run_without_a_limit_leaves_an_attempt_its_own() -> None:
    free = RunTime(None)

    assert (free.limit(None), free.limit(HOUR)) == (None, HOUR)
    assert not free.over
    assert free.allows(1000 * HOUR)


def test_an_attempt_has_what_is_left_of_its_run_where_that_is_less() -> None:
    half = in_seconds(1800)

    assert half.limit(timedelta(minutes=10)) == timedelta(minutes=10)
    for limit in (half.limit(HOUR), half.limit(None)):
        assert limit is not None
        assert timedelta(minutes=29) < limit <= timedelta(minutes=30)
    assert half.allows(timedelta(minutes=10))
    assert not half.allows(HOUR)


def test_a_run_whose_time_is_over_has_nothing_left_and_says_so() -> None:
    over = in_seconds(-1)

    assert over.over
    assert over.limit(HOUR) == timedelta(0)
    assert not over.allows(timedelta(0))
    assert over.told(LATE, JOB).message == "its run took longer than its run_timeout of 1h: it was ended"


def test_an_attempt_that_was_over_its_own_time_only_says_that() -> None:
    assert in_seconds(60).told(LATE, JOB) == LATE
    other = Outcome(success=False, reason="exit", message="exit status 1")
    assert in_seconds(-1).told(other, JOB) == other
