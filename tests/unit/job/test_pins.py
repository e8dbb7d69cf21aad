"""What was chosen for a job once stays with it, until what it was chosen for changes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dkronpy.job import Job, Run
from dkronpy.job.json import decode_definition, decode_job, encode_definition, encode_job
from dkronpy.job.pins import pinned

CHOSEN = timedelta(minutes=17)


def job(**fields: object) -> Job:
    return Job(**{"name": "sample", "run": Run("shell"), "schedule": "0 2 * * *", **fields})  # type: ignore[arg-type]


def test_a_new_tilde_is_read_evenly_and_an_old_one_as_it_was() -> None:
    tilde = job(schedule="~ 2 * * *")
    assert pinned(tilde, None).hash_rule == "even"
    assert pinned(tilde, job(schedule="~ 3 * * *", hash_rule="dkron")).hash_rule == "dkron"
    assert pinned(tilde, job(schedule="0 3 * * *")).hash_rule == "even"
    said = job(schedule="~ 2 * * *", hash_rule="even")
    assert pinned(said, job(schedule="~ 2 * * *", hash_rule="dkron")) is said
    assert pinned(job(), None).hash_rule is None, "without ~ there is nothing to choose"


def test_a_definition_of_before_there_was_a_choice_keeps_dkrons_value() -> None:
    stored = encode_definition(job(schedule="~ 2 * * *")).replace(b',"hash_rule":"even"', b"")
    assert b"hash_rule" not in stored
    assert decode_definition(stored).hash_rule == "dkron"
    assert decode_definition(encode_definition(job(schedule="~ 2 * * *"))).hash_rule == "even"


def test_json_that_does_not_say_is_dkrons_and_ours_always_says() -> None:
    plain = {"name": "sample", "executor": "shell", "schedule": "0 ~ 2 * * *"}
    assert decode_job(plain)[0].hash_rule == "dkron"
    for rule in (None, "even", "dkron"):
        found = job(schedule="~ 2 * * *", hash_rule=rule)
        assert decode_job(encode_job(found))[0].hash_rule == rule
    assert "hash_rule" not in encode_job(job())


def test_a_minute_that_was_chosen_stays() -> None:
    old = job(spread="1h", spread_by=CHOSEN)
    assert pinned(job(spread="1h"), old) == old
    assert pinned(job(spread="20m"), old).spread_by == CHOSEN, "it lies within that as well"
    assert pinned(job(spread="1h", spread_by=0), old).spread_by == timedelta(0), "who says it himself is obeyed"
    assert pinned(job(spread="1h", retry=2), old).spread_by == CHOSEN


@pytest.mark.parametrize("changed", [{"spread": "10m"}, {"schedule": "0 3 * * *"}, {"timezone": "Europe/Berlin"}])
def test_it_is_chosen_anew_where_it_would_mean_something_else(changed: dict[str, object]) -> None:
    assert pinned(job(**{"spread": "1h", **changed}), job(spread="1h", spread_by=CHOSEN)).spread_by is None
