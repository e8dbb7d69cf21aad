"""Parameters: read from Python, text and JSON alike, bounded, and refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from dkronpy.errors import InvalidError
from dkronpy.job import Job, Run
from dkronpy.job.param import Param, values_of

PARAMS = {
    "days": Param(type="integer", default=7, minimum=1, maximum=90),
    "customer": Param(pattern="[a-z]+"),
    "mode": Param(default="fast", choices=("fast", "full")),
    "share": Param(type="number", default=0.5),
    "force": Param(type="boolean", default=False),
}


def test_values_are_read_and_the_others_have_their_defaults() -> None:
    given = {"days": "30", "customer": "acme", "force": "yes"}
    assert values_of(PARAMS, given, job="j") == {
        "days": 30, "customer": "acme", "mode": "fast", "share": 0.5, "force": True
    }  # fmt: skip
    assert values_of(PARAMS, {"customer": "x", "days": 3, "share": 1, "force": False}, job="j")["share"] == 1.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "params.customer: a value is needed (--param customer=VALUE)"),
        ({"customer": "ACME"}, "'ACME' does not match [a-z]+"),
        ({"customer": "x", "days": "many"}, "'many' is not a whole number"),
        ({"customer": "x", "days": 0}, "0 is less than 1"),
        ({"customer": "x", "days": "91"}, "91 is more than 90"),
        ({"customer": "x", "days": True}, "True is not a whole number"),
        ({"customer": "x", "mode": "slow"}, "'slow' is not one of fast, full"),
        ({"customer": "x", "share": "nan"}, "'nan' is not a number"),
        ({"customer": "x", "force": "perhaps"}, "'perhaps' is neither true nor false"),
        ({"customer": 5}, "5 is not text"),
        ({"customer": "x" * 10_001}, "10001 characters"),
        ({"custmer": "x"}, "there is no parameter 'custmer'; known: days, customer"),
    ],
)
def test_values_that_do_not_fit_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidError) as raised:
        values_of(PARAMS, given, job="j")
    assert said in str(raised.value)


def job(params: Any, schedule: str = "@manually") -> Job:
    return Job(name="j", run=Run("shell", {"command": "true"}), schedule=schedule, params=params)


def test_plain_defaults_and_tables_are_parameters() -> None:
    made = job({"days": 7, "name": "x", "share": 0.5, "force": True, "mode": {"choices": ["a", "b"], "default": "a"}})
    assert made.check() == []
    assert {name: param.type for name, param in made.params.items()} == {
        "days": "integer", "name": "text", "share": "number", "force": "boolean", "mode": "text"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        ({"Days": 7}, "params", "'Days' is no name"),
        ({"days": None}, "params.days", "neither a parameter nor a default"),
        ({"days": Param(type="int")}, "params.days", "type 'int' is not one of"),  # type: ignore[arg-type]
        ({"days": Param(type="integer", default="x")}, "params.days", "default: 'x' is not a whole number"),
        ({"days": Param(default="c", choices=("a", "b"))}, "params.days", "default: 'c' is not one of a, b"),
        ({"days": Param(pattern="(")}, "params.days", "is no regular expression"),
        (5, "params", "does not map names to parameters"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(params: Any, field: str, said: str) -> None:
    problem = job(params).check()[0]
    assert problem.field == field
    assert said in problem.message


def test_a_job_on_a_schedule_has_a_default_for_each() -> None:
    (problem,) = job({"customer": Param()}, schedule="@daily").check()
    assert (problem.field, problem.message) == ("params.customer", "a run by schedule would have no value for it")
