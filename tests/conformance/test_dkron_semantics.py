"""What Dkron does with a job, statement by statement, and that the same happens here.

The numbers in the names are those of the statement's subject: 1 the job object (1.1 fields, 1.2 validation, 1.3 upsert,
1.5 status, 1.6 next), 2 schedules, which have a file of their own, ``test_dkron_schedules.py``,
3 target nodes (3.2 tags, 3.3 no node, 3.4 groups), 4 the life of a run (4.1 overlap, 4.2 dispatch, 4.3 output,
4.4 completion, 4.5 deaths, 4.6 disabled, 4.7 ephemeral, 4.8 chains), which has a file of its own,
``test_dkron_runs.py``. Where Dkron has a defect that nobody can rely on, the test says what is right.
What concerns the REST API alone is in ``tests/api``.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import datetime, timezone
from typing import Any

import pytest

from dkronpy.config import full_check
from dkronpy.dispatch.strategies import Chooser
from dkronpy.dispatch.targets import LiveNodes
from dkronpy.errors import InvalidError
from dkronpy.job import Job
from dkronpy.job.json import decode_job, encode_job
from dkronpy.node import Node

UTC = timezone.utc


def given(**fields: Any) -> Job:
    """A job as Dkron's JSON defines it."""
    plain = {"name": "sample", "schedule": "@manually", "executor": "shell", "executor_config": {"command": "true"}}
    return decode_job(json.dumps({**plain, **fields}))[0]


def problem(**fields: Any) -> str:
    return given(**fields).check()[0].message


def due(schedule: str, *after: int, count: int = 3, **fields: Any) -> list[datetime]:
    """The next due times in UTC."""
    moment = datetime(*after, tzinfo=UTC)  # type: ignore[misc, arg-type]
    found = []
    parsed = given(schedule=schedule, **fields).parsed_schedule(anchor=moment)
    while len(found) < count and (following := parsed.next(moment)) is not None:
        moment = following
        found.append(following.astimezone(UTC))
    return found


# 1.1 fields


def test_1_1_what_is_absent_or_null_has_dkrons_value() -> None:
    bare = decode_job('{"name": "a", "timezone": null, "retries": null, "disabled": null, "concurrency": null}')[0]
    form = encode_job(bare)
    assert (form["timezone"], form["retries"], form["disabled"], form["concurrency"]) == ("", 0, False, "allow")
    assert (form["tags"], form["metadata"], form["parent_job"], form["ephemeral"]) == (None, None, "", False)
    assert (form["success_count"], form["last_success"], form["status"], form["next"]) == (
        0, None, "", "0001-01-01T00:00:00Z",
    )  # fmt: skip


def test_1_1_an_explicit_empty_concurrency_is_kept_and_means_allow() -> None:
    job = given(concurrency="")
    assert job.check() == []
    assert encode_job(job)["concurrency"] == ""
    assert not job.forbids_overlap


def test_1_1_the_id_is_the_name_whatever_was_sent() -> None:
    assert encode_job(given(id="other"))["id"] == "sample"


def test_1_1_input_is_read_generously() -> None:
    job, _ = decode_job('{"NAME": "a", "Schedule": "@daily", "unknown": 1, "executor": "shell"} and more')
    assert (job.name, job.schedule) == ("a", "@daily")


@pytest.mark.parametrize("fields", [{"retries": -1}, {"retries": 1.5}, {"tags": {"n": 1}}, {"disabled": "yes"}])
def test_1_1_a_value_of_a_wrong_type_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        given(**fields)


def test_1_1_bounds_are_moments_with_a_zone() -> None:
    assert given(starts_at="2027-01-01T09:00:00+01:00").starts_at == datetime(2027, 1, 1, 8, tzinfo=UTC)
    assert given(starts_at="2027-01-01T09:00").starts_at == datetime(2027, 1, 1, 9, tzinfo=UTC)
    assert problem(starts_at="").endswith("is not a moment with a time zone")


def test_1_1_what_dkron_does_not_look_at_is_not_looked_at() -> None:
    free = {"owner_email": "no address", "retries": 400, "tags": {"a b": "c:d:e"}, "metadata": {"x": ""}}
    assert given(**free).check() == []
    assert given(starts_at="2027-01-01T00:00:00Z", schedule="@daily").check() == []


def test_1_1_the_options_of_an_executor_are_text_there_and_values_here() -> None:
    # Dkron answers 400 to a number
    assert full_check(given(executor_config={"command": "true", "timeout": "5m", "shell": "true"})) == []
    assert full_check(given(executor_config={"command": ["true"], "timeout": 300})) == []


@pytest.mark.parametrize("text", ["2027-01-01T09:00:00", "2027-01-01T09:00:00Z", "2027-01-01T09:00:00.000000001Z"])
def test_1_1_bounds_of_other_forms_are_read_too(text: str) -> None:
    assert given(starts_at=text).starts_at == datetime(2027, 1, 1, 9, tzinfo=UTC)


# 1.2 validation


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": ""}, "name cannot be empty"),
        ({"name": "Backup"}, "name contains illegal character 'B'"),
        ({"name": "a b"}, "name contains illegal character ' '"),
        ({"parent_job": "sample"}, "the job can not have itself as parent"),
        ({"concurrency": "replace"}, 'invalid concurrency policy value, use "allow" or "forbid"'),
        ({"timezone": "Mars/Base"}, "unknown time zone 'Mars/Base'"),
    ],
)
def test_1_2_what_is_refused_is_refused_in_dkrons_words(fields: dict[str, Any], text: str) -> None:
    assert problem(**fields) == text


@pytest.mark.parametrize("name", ["ok-1_x", "ñß", "\u017f"])
def test_1_2_names_are_lower_case_letters_of_any_script_digits_dash_and_underscore(name: str) -> None:
    assert given(name=name).check() == []


@pytest.mark.parametrize("name", ["a.b", "a/b", "漢", "ª", "٣"])
def test_1_2_other_characters_are_not(name: str) -> None:
    assert given(name=name).check() != []


def test_1_2_the_first_problem_is_dkrons_first() -> None:
    bad = given(name="A", schedule="x", concurrency="y", timezone="z")
    assert [one.field for one in bad.check()][:4] == ["name", "schedule", "concurrency", "timezone"]


def test_1_2_an_executor_that_is_not_known_here_is_no_error_of_the_job() -> None:
    assert given(executor="somebody-elses", executor_config={"x": "1"}).check() == []


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"command": "true", "timeout": "soon"}, "executor_config.timeout"),
        ({"command": "true", "mem_limit": "5PB"}, "executor_config.mem_limit"),
        ({"command": "true", "mem_limit": "0"}, "executor_config.mem_limit"),
        ({"command": "echo 'a"}, "executor_config.command"),
        ({}, "executor_config.command"),
    ],
)
def test_1_2_the_options_of_the_shell_are_looked_at_when_it_is_saved(config: dict[str, str], field: str) -> None:
    assert [one.field for one in full_check(given(executor_config=config))] == [field]


# 3 target nodes

NODES = [
    Node(name="n1", tags={"role": "web", "dc": "a"}),
    Node(name="n2", tags={"role": "web", "dc": "b"}),
    Node(name="n3", tags={"role": "db", "dc": "a"}),
    Node(name="n4", tags={"role": "web", "dc": "a"}, alive=False),
    Node(name="n5", tags={"role": "Web", "url": "http://x:80"}),
]


def chosen(tags: dict[str, str] | None, seed: int = 1) -> list[str]:
    return sorted(LiveNodes(NODES).choose(given(tags=tags), Chooser(random.Random(seed))))


@pytest.mark.parametrize(
    ("tags", "nodes"),
    [
        (None, ["n1", "n2", "n3", "n5"]),
        ({"role": "web"}, ["n1", "n2"]),
        ({"role": "web", "dc": "a"}, ["n1"]),
        ({"role": "web:9"}, ["n1", "n2"]),
        ({"role": "web:x"}, []),
        ({"role": "web:0"}, []),
        ({"role": "cache"}, []),
        ({"missing": ""}, []),
    ],
)
def test_3_2_every_tag_has_to_be_equal_and_only_live_nodes_count(tags: dict[str, str] | None, nodes: list[str]) -> None:
    assert chosen(tags) == nodes


def test_3_2_the_smallest_count_wins() -> None:
    assert len(chosen({"role": "web:2", "dc": "a:1"})) == 1
    assert len(chosen({"role": "web:1"})) == 1


def test_3_2_the_draw_is_uniform_and_has_no_memory() -> None:
    drawn = Counter(chosen({"role": "web:1"}, seed)[0] for seed in range(400))
    assert set(drawn) == {"n1", "n2"}
    assert min(drawn.values()) > 150
