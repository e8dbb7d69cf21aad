"""After which failures, and after what pause, an execution is tried again."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from dkronpy.job import Job, Run
from dkronpy.job.json import decode_job, encode_job
from dkronpy.job.retry import Retry
from dkronpy.node import all_nodes


def problems(retry: Retry, **fields: object) -> list[str]:
    job = Job(**{"name": "a", "run": Run("shell"), "schedule": "@manually", "retry": retry, **fields})  # type: ignore[arg-type]
    return [str(problem) for problem in job.check()]


@pytest.mark.parametrize(
    ("on", "reason", "code", "wanted"),
    [
        ((), "exit", 1, True),
        (("timeout",), "timeout", None, True),
        (("timeout",), "exit", 1, False),
        ((75,), "exit", 75, True),
        ((75,), "exit", 76, False),
        (("70-79", "signal"), "exit", 79, True),
        (("70-79",), "exit", 80, False),
        (("70-79",), "exit", None, False),
        (("5xx", 429), "executor_error", 503, True),
        (("5xx", 429), "executor_error", 429, True),
        (("5xx", 429), "executor_error", 404, False),
        ("executor_error", "executor_error", 404, True),
    ],
)
def test_a_failure_is_tried_again_if_it_is_among_those_named(
    on: tuple[str | int, ...] | str, reason: str, code: int | None, wanted: bool
) -> None:
    retry = Retry(3, on=on)
    assert problems(retry) == []
    assert retry.wants(reason, code) is wanted


@pytest.mark.parametrize(
    ("on", "said"),
    [
        (("timeuot",), "did you mean 'timeout'?"),
        (("79-70",), "'79-70' is neither a kind of failure nor a code (accepted: exit, timeout"),
        (("lost",), "'lost' is neither a kind of failure nor a code"),
        ((True,), "True is neither"),
    ],
)
def test_what_is_no_failure_is_refused(on: tuple[str, ...], said: str) -> None:
    (found,) = problems(Retry(3, on=on))
    assert said in found


def test_a_job_on_every_node_has_no_elsewhere() -> None:
    assert problems(Retry(1, elsewhere=True)) == []
    (found,) = problems(Retry(1, elsewhere=True), on=all_nodes())
    assert "has no other" in found


def test_pauses_are_fixed_or_double_up_to_a_ceiling_and_may_be_drawn() -> None:
    rng = random.Random(3)
    seconds = [Retry(9, delay="2s", cap="10s", jitter=False).pause(n, rng) / timedelta(seconds=1) for n in range(1, 6)]
    assert seconds == [2, 4, 8, 10, 10]
    assert Retry(9, delay="2s", backoff="fixed", jitter=False).pause(7, rng) == timedelta(seconds=2)
    drawn = {Retry(9, delay="2s").pause(1, rng) for _ in range(50)}
    assert len(drawn) > 40
    assert min(drawn) >= timedelta(seconds=1)
    assert max(drawn) <= timedelta(seconds=2)


def test_json_carries_it_there_and_back() -> None:
    job = Job(name="a", run=Run("shell"), schedule="@manually", retry=Retry(2, on=("timeout", 75), elsewhere=True))
    form = encode_job(job)
    assert (form["retries"], form["retry"]["on"], form["retry"]["elsewhere"]) == (2, ["timeout", "75"], True)
    assert decode_job(form)[0] == job
    numbers = decode_job('{"name": "a", "retries": 2, "retry": {"on": [503, "timeout"]}}')[0].retry
    assert numbers == Retry(2, on=("503", "timeout"))


def test_a_pause_that_has_doubled_beyond_all_time_is_the_longest_there_is() -> None:
    retry = Retry(delay="1d", max=40, cap="48h", jitter=False)

    assert retry.pause(31, random.Random()) == timedelta(hours=48)
    assert retry.pause(2, random.Random()) == timedelta(hours=48)
    assert retry.pause(1, random.Random()) == timedelta(hours=24)
