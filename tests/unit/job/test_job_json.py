"""Dkron's JSON goes in and comes out unchanged; ours rides along; the stored form is stable and fast."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.errors import ConfigError, InvalidError
from dkronpy.job import Job, Run
from dkronpy.job.json import (
    NEVER,
    JobState,
    decode_definition,
    decode_job,
    encode_definition,
    encode_job,
    go_time,
)
from dkronpy.job.notify import EVENTS, Notify
from dkronpy.job.param import Param
from dkronpy.job.retry import Retry
from dkronpy.node import Target, all_nodes, any_node
from dkronpy.schedule.calendar import Calendar

EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "dkron_jobs.json").read_text("utf-8"))
FULL = {
    "id": "nightly-dump", "name": "nightly-dump", "displayname": "Nightly dump", "timezone": "Europe/Lisbon",
    "schedule": "0 15 2 * * *", "owner": "Data", "owner_email": "data@example.com", "success_count": 412,
    "error_count": 3, "last_success": "2026-07-22T02:15:04.123456789+01:00", "last_error": None,
    "disabled": True, "tags": {"server": "true:1", "dc": "lis"}, "metadata": {"team": "bi"}, "retries": 2,
    "dependent_jobs": ["report"], "parent_job": "", "processors": {"files": {"forward": "true"}},
    "concurrency": "forbid", "executor": "shell", "executor_config": {"command": "dump", "shell": "true"},
    "status": "success", "next": "2026-07-23T01:15:00Z", "ephemeral": True,
    "starts_at": "2026-01-01T00:00:00Z", "expires_at": "2027-01-01T09:30:00.5+01:00",
}  # fmt: skip


def round_trip(value: Any) -> dict[str, Any]:
    return encode_job(*decode_job(json.dumps(value)))


def test_a_whole_job_comes_out_as_it_went_in_field_by_field_and_in_order() -> None:
    assert json.dumps(round_trip(FULL)) == json.dumps(FULL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.get("executor", "processors"))
def test_jobs_written_for_dkron_come_out_unchanged(example: dict[str, Any]) -> None:
    out = round_trip(example)
    assert {key: out[key] for key in example} == example
    assert set(out) == set(FULL), "nothing of ours is added"
    assert round_trip(out) == out


def test_what_is_absent_has_dkrons_value() -> None:
    out = encode_job(*decode_job('{"name": "a"}'))
    assert out == {
        "id": "a", "name": "a", "displayname": "", "timezone": "", "schedule": "", "owner": "", "owner_email": "",
        "success_count": 0, "error_count": 0, "last_success": None, "last_error": None, "disabled": False,
        "tags": None, "metadata": None, "retries": 0, "dependent_jobs": None, "parent_job": "", "processors": {},
        "concurrency": "allow", "executor": "", "executor_config": None, "status": "", "next": NEVER,
        "ephemeral": False, "starts_at": None, "expires_at": None,
    }  # fmt: skip


def test_null_means_not_given_as_dkrons_web_page_sends_it() -> None:
    nulls = {key: None for key in FULL if key != "name"} | {"name": "a"}
    assert round_trip(nulls) == round_trip({"name": "a"})
    assert round_trip({"name": "a", "concurrency": ""})["concurrency"] == ""


def test_it_reads_as_dkron_does() -> None:
    job, _ = decode_job(b'{"NAME": "a", "Executor_Config": {"Key": "v"}, "future": [1]} trailing')
    assert (job.name, job.executor_config) == ("a", {"Key": "v"})
    assert decode_job('{"name": "a", "owner": "x\\ud800"}')[0].owner == "x\ufffd"
    assert decode_job(b'{"name": "a", "owner": "\xff"}')[0].owner == "\ufffd"
    assert decode_job('{"name": "a", "starts_at": "2027-01-01T09:30"}')[0].starts_at == datetime(
        2027, 1, 1, 9, 30, tzinfo=timezone.utc
    )


def test_the_id_is_the_name() -> None:
    assert round_trip({"id": "other", "name": "a"})["id"] == "a"


def test_without_our_field_it_runs_on_every_node_and_a_python_job_on_one() -> None:
    assert decode_job('{"name": "a"}')[0].on == all_nodes()
    assert decode_job('{"name": "a", "tags": {"role": "web:2"}}')[0].on == Target(tags={"role": "web:2"})
    ours = encode_job(Job(name="a", run=Run("shell")))
    assert ours["on"] == {"count": 1}
    assert decode_job(ours)[0].on == any_node()
    assert "on" not in encode_job(Job(name="a", run=Run("shell"), on=all_nodes(role="web")))


def test_our_fields_are_written_only_when_they_say_something() -> None:
    plain = encode_job(Job(name="a", run=Run("shell"), on=all_nodes(), retry=3, after="parent"))
    assert set(plain) == set(FULL)
    assert (plain["retries"], plain["parent_job"]) == (3, "parent")
    told = encode_job(
        Job(name="a", run=Run("shell"), on=all_nodes(), retry=Retry(3, delay="2s"), after=["b", "c"], timeout="90s")
    )
    assert {key: told[key] for key in set(told) - set(FULL)} == {
        "retry": {"delay": "2s", "backoff": "exponential", "cap": "5m", "jitter": True},
        "after": ["b", "c"],
        "timeout": "1m30s",
    }


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ('{"executor_config": 5}', "executor_config", "an object is needed, not a number (5)"),
        ('{"retries": -1}', "retries", "a whole number from 0 up is needed"),
        ('{"retries": 1.5}', "retries", "a whole number"),
        ('{"disabled": "yes"}', "disabled", "true or false is needed, not text (yes)"),
        ('{"tags": {"shard": 3}}', "tags", "an object of texts"),
        ('{"processors": {"log": "forward"}}', "processors", "an object of objects is needed"),
        ('{"last_success": "yesterday"}', "last_success", "an RFC 3339 time"),
        ('{"on": {"cout": 1}}', "on.cout", "did you mean 'count'?"),
        ('{"on": {"tags": {}}}', "on.tags", "tags stand beside 'on'"),
        ('{"on": {"where": 5}}', "on", "an object with count, nodes, exclude, where"),
        ('{"after": {"b": 1}}', "after", "a name, an array of names or an object of conditions"),
        ('{"retry": {"on": "5xx"}}', "retry", "a number or an object"),
        ('{"retry": {"dely": "1s"}}', "retry.dely", "did you mean 'delay'?"),
        ('{"retry": 3, "retries": 2}', "retry", "retries is 2, and retry says 3"),
        ('{"after": ["b", "c"], "parent_job": "x"}', "after", "parent_job is 'x'"),
    ],
)
def test_a_value_of_a_wrong_type_is_named(text: str, field: str, said: str) -> None:
    with pytest.raises(InvalidError) as raised:
        decode_job(text)
    (problem,) = raised.value.problems
    assert problem.field == field
    assert said in str(problem)


def test_all_wrong_types_are_named_at_once() -> None:
    with pytest.raises(InvalidError) as raised:
        decode_job('{"name": "a", "retries": "x", "disabled": 0, "tags": []}')
    assert [problem.field for problem in raised.value.problems] == ["retries", "disabled", "tags"]


@pytest.mark.parametrize("text", ["", "{", '{"name": NaN}', "[1]", '"a"', "[" * 100_000])
def test_what_is_no_job_at_all_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"not JSON|a job is a JSON object"):
        decode_job(text)


def test_values_that_only_a_check_can_judge_are_left_to_it() -> None:
    job, _ = decode_job('{"name": "A", "timeout": "soon", "delivery": "twice", "executor": "shell"}')
    assert [problem.field for problem in job.check()] == ["name", "schedule", "delivery", "timeout"]


def test_times_are_written_as_go_writes_them() -> None:
    assert go_time(1_767_225_600_000) == "2026-01-01T00:00:00Z"
    assert go_time(1_767_225_600_120) == "2026-01-01T00:00:00.12Z"
    assert go_time(datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))) == (
        "2026-01-01T00:00:00.000005-03:30"
    )
    assert go_time(datetime(1, 1, 1, tzinfo=timezone.utc)) == NEVER


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True)
durations = st.integers(1, 10**12).map(lambda micros: timedelta(microseconds=micros))
zones = st.sampled_from([timezone.utc, timezone(timedelta(hours=5, minutes=45))])
moments = st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=zones).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
rules = st.builds(
    Notify,
    names,
    st.lists(st.sampled_from(sorted(EVENTS)), max_size=2).map(tuple),
    st.integers(1, 9),
    st.sampled_from([1.5, 3.0]),
    durations,
)
jobs = st.builds(
    Job,
    name=names,
    run=st.builds(Run, names, st.dictionaries(texts, json_values, max_size=3)),
    schedule=st.sampled_from(["", "@every 5m", "30 2 * * *", "0 0 9 * * * | @daily"]),
    timezone=st.sampled_from(["", "Europe/Berlin"]),
    gap=st.sampled_from(["skip", "before", "after"]),
    overlap=st.sampled_from(["first", "second", "both"]),
    starts_at=st.none() | moments,
    expires_at=st.none() | moments,
    on=st.builds(
        Target,
        tags=st.dictionaries(texts, texts, max_size=2),
        count=st.none() | st.integers(0, 9),
        nodes=st.lists(names, max_size=2).map(tuple),
        exclude=st.lists(names, max_size=2).map(tuple),
        where=st.sampled_from(["", "load < 0.7"]),
        strategy=st.sampled_from(["random", "least_busy", "sticky", "spread"]),
        rolling=st.none() | st.integers(1, 3),
        make_up=st.booleans(),
    ),
    after=st.lists(names, max_size=3),
    when=st.sampled_from(["success", "failure", "always"]) | st.dictionaries(names, st.just("failure"), max_size=2),
    join=st.sampled_from(["all", "any"]),
    timeout=st.none() | durations,
    retry=st.builds(
        Retry,
        st.integers(0, 99),
        durations,
        st.sampled_from(["fixed", "exponential"]),
        durations,
        st.booleans(),
        st.lists(st.sampled_from(["timeout", "5xx"]), max_size=2).map(tuple),
        st.booleans(),
    ),
    concurrency=st.sampled_from(["allow", "forbid", "", "queue_all", "terminate"]),
    max_active=st.none() | st.integers(1, 9),
    concurrency_key=st.sampled_from(["", "{{ params.customer }}"]),
    queue_limit=st.integers(1, 200),
    pools=st.dictionaries(names, st.integers(1, 3), max_size=2),
    rate=st.sampled_from(["", "100/m"]),
    priority=st.integers(-100, 100),
    catch_up=st.sampled_from(["none", "latest", "all"]),
    start_deadline=st.none() | durations,
    catch_up_window=durations,
    catch_up_limit=st.none() | st.integers(1, 100_000),
    delivery=st.sampled_from(["at_most_once", "at_least_once"]),
    on_lease_loss=st.sampled_from([None, "kill", "continue"]),
    deadline=st.none() | durations,
    run_timeout=st.none() | durations,
    stale_after=st.none() | durations,
    calendar=st.none()
    | st.builds(Calendar, name=names, off=st.none())
    | st.builds(Calendar, name=names, off=st.just(("12-25",)), revision=st.integers(0, 9)),
    off_day=st.sampled_from(["skip", "next", "previous"]),
    params=st.dictionaries(names, st.builds(Param, type=st.just("integer"), default=st.integers(1, 5)), max_size=2),
    pause_after=st.none() | st.integers(1, 100),
    max_lateness=st.none() | durations,
    catch_up_spacing=st.none() | durations,
    notify=st.none() | st.lists(rules, max_size=2).map(tuple),
    output_limit=st.integers(0, 10**7),
    processors=st.dictionaries(names, st.dictionaries(texts, texts, max_size=2), max_size=2),
    enabled=st.booleans(),
    ephemeral=st.booleans(),
    owner=texts,
    owner_email=texts,
    display_name=texts,
    metadata=st.dictionaries(texts, texts, max_size=2),
    doc=texts,
)
states = st.builds(
    JobState,
    success_count=st.integers(0, 2**40),
    error_count=st.integers(0, 2**40),
    last_success=st.none() | moments.map(go_time),
    last_error=st.none() | moments.map(go_time),
    status=st.sampled_from(["", "success", "failed", "partially_failed"]),
    next=moments.map(go_time),
    dependent_jobs=st.lists(names, max_size=2).map(tuple),
)


@given(jobs, states)
def test_every_job_survives_json(job: Job, state: JobState) -> None:
    assert decode_job(json.dumps(encode_job(job, state))) == (job, state)


@given(jobs)
def test_every_job_survives_the_store_and_equal_jobs_have_equal_bytes(job: Job) -> None:
    stored = encode_definition(job)
    assert decode_definition(stored) == job
    backwards = job.but(
        run=Run(job.executor, dict(reversed(job.executor_config.items()))),
        metadata=dict(reversed(job.metadata.items())),
    )
    assert encode_definition(backwards) == stored


def test_a_stored_definition_that_is_damaged_is_refused() -> None:
    for damaged in (b"", b"{", b'{"name": 5}', b'{"name": "a"}', b"\xff"):
        with pytest.raises(ConfigError, match="a stored job cannot be read"):
            decode_definition(damaged)
