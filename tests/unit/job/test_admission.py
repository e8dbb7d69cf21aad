"""The fields of a job that say what its runs have to pass, and what is wrong with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dkronpy.config.check import full_check
from dkronpy.job import Job, Run
from dkronpy.job.admission import read_rate


def a_job(**fields: Any) -> Job:
    return Job(**{"name": "sample", "run": Run("shell", {"command": "true"}), "schedule": "@manually", **fields})


@pytest.mark.parametrize(
    ("text", "count", "seconds"), [("100/m", 100, 60), ("5/s", 5, 1), ("10/15m", 10, 900), (" 1 / 2h30m ", 1, 9000)]
)
def test_rates(text: str, count: int, seconds: int) -> None:
    rate = read_rate(text)
    assert (rate.count, rate.per) == (count, timedelta(seconds=seconds))


@pytest.mark.parametrize("text", ["100", "m/100", "0/m", "1/0s", "-1/m", "1/fortnight", "20000/s", "1/8d"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_rate(text)
    (problem,) = a_job(rate=text).check()
    assert (problem.field, problem.hint) == ("rate", "as in '100/m', '5/s', '10/15m'")


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"concurrency": "queue"}, "concurrency", 'invalid concurrency policy value, use "allow" or "forbid"'),
        ({"max_active": 3}, "max_active", "concurrency='allow' has no limit"),
        ({"concurrency_key": "x"}, "concurrency_key", "concurrency='allow' has no limit"),
        ({"max_active": 0, "concurrency": "forbid"}, "max_active", "0 is not a whole number from 1"),
        ({"queue_limit": 0}, "queue_limit", "0 is not a whole number from 1"),
        ({"pools": {"db": 0}}, "pools", "0 slots of 'db'"),
        ({"pools": 3}, "pools", "3 does not map pools to slots"),
        ({"priority": 101}, "priority", "101 is not a whole number from -100 to 100"),
        ({"concurrency": "forbid", "concurrency_key": "{{ node }}"}, "concurrency_key", "it cannot be rendered"),
        ({"concurrency": "forbid", "concurrency_key": "{{ nobody }}"}, "concurrency_key", "there is no 'nobody'"),
    ],
)
def test_what_cannot_be_meant_is_named(fields: dict[str, Any], field: str, said: str) -> None:
    (problem,) = full_check(a_job(**fields))
    assert problem.field == field
    assert said in str(problem)


def test_pools_are_written_in_three_ways() -> None:
    assert a_job(pools="db").pools == a_job(pools=["db"]).pools == a_job(pools={"db": 1}).pools == {"db": 1}
    assert a_job(pools={"db": 2}).check() == []


def test_plain_jobs_have_no_gate() -> None:
    assert not any(a_job(concurrency=policy).gated for policy in ("allow", "forbid", ""))
    gated = (
        {"pools": "db"}, {"rate": "1/m"}, {"concurrency": "queue_one"}, {"concurrency": "forbid", "max_active": 2},
        {"concurrency": "forbid", "concurrency_key": "{{ params.x }}"},
    )  # fmt: skip
    assert all(a_job(**fields).gated and not a_job(**fields).forbids_overlap for fields in gated)
