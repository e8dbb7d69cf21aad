"""A job is a value: what people write for its fields, and every problem of it at once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from dkronpy.job import Job, Run
from dkronpy.job.check import propose_name
from dkronpy.job.retry import Retry
from dkronpy.node import Target, any_node
from dkronpy.schedule import cron, every, manual

RUN = Run("shell", {"command": "true"})


def job(**fields: object) -> Job:
    return Job(**{"name": "sample", "run": RUN, "schedule": "@manually", **fields})  # type: ignore[arg-type]


def problem_of(field: str, **fields: object) -> str:
    found = [problem for problem in job(**fields).check() if problem.field == field]
    assert len(found) == 1, found
    return str(found[0])


def test_python_jobs_run_on_one_node_and_have_modest_defaults() -> None:
    plain = job()
    assert plain.on == any_node()
    assert (plain.concurrency, plain.catch_up, plain.delivery) == ("allow", "latest", "at_most_once")
    assert plain.max_attempts == 1
    assert plain.output_limit == 256_000
    assert plain.check() == []


@pytest.mark.parametrize("written", [90, "90", "90s", "1m30s", timedelta(seconds=90), 90.0])
def test_durations_are_written_in_many_ways_and_kept_in_one(written: object) -> None:
    kept = job(timeout=written, start_deadline=written)
    assert kept.timeout == kept.start_deadline == timedelta(seconds=90)
    assert Retry(1, delay=written).delay == timedelta(seconds=90)  # type: ignore[arg-type]


def test_a_number_of_retries_becomes_a_retry() -> None:
    assert job(retry=3).retry == Retry(3)
    assert job(retry=3).max_attempts == 4


def test_parents_are_named_by_job_or_by_name() -> None:
    first = job(name="first")
    assert job(after=first).after == ("first",)
    assert job(after="first").after == ("first",)
    assert job(after=[first, "second"]).after == ("first", "second")


def test_what_a_schedule_says_of_its_zone_becomes_the_jobs() -> None:
    berlin = job(schedule=cron("30 2 * * *", tz="Europe/Berlin", gap="skip"))
    assert (berlin.schedule, berlin.timezone, berlin.gap) == ("30 2 * * *", "Europe/Berlin", "skip")


def test_several_schedules_are_one_text_and_keep_their_zones() -> None:
    both = job(schedule=[cron("0 9 * * *", tz="Europe/Berlin"), cron("0 9 * * *", tz="Asia/Tokyo")])
    assert both.schedule == "TZ=Europe/Berlin 0 9 * * * | TZ=Asia/Tokyo 0 9 * * *"
    same = job(schedule=[cron("0 9 * * *", tz="Europe/Berlin"), cron("0 18 * * *", tz="Europe/Berlin")])
    assert (same.schedule, same.timezone) == ("0 9 * * * | 0 18 * * *", "Europe/Berlin")
    other = job(schedule=cron("0 9 * * *", tz="Asia/Tokyo"), timezone="Europe/Berlin")
    assert (other.schedule, other.timezone) == ("TZ=Asia/Tokyo 0 9 * * *", "Europe/Berlin")
    assert both.check() == same.check() == other.check() == []


def test_due_times_lie_within_the_jobs_bounds() -> None:
    bounded = job(schedule=every("1h"), starts_at="2027-01-01T09:00:00+01:00", expires_at="2027-01-01T10:30:00+01:00")
    start = datetime(2027, 1, 1, 8, tzinfo=timezone.utc)
    found = list(bounded.parsed_schedule().between(start - timedelta(days=1), start + timedelta(days=1)))
    assert found == [start, start + timedelta(hours=1)]


def test_a_tilde_has_dkrons_value_where_dkrons_rule_is_asked_for() -> None:
    start = datetime(2027, 1, 1, tzinfo=timezone.utc)
    dkrons = job(name="backup", schedule="~ ~ ~ * * *", hash_rule="dkron").parsed_schedule()
    assert dkrons.next(start) == datetime(2027, 1, 1, 6, 30, 30, tzinfo=timezone.utc)
    ours = job(name="backup", schedule="~ ~ ~ * * *").parsed_schedule()
    assert ours.next(start) == job(name="backup", schedule="H H H * * *").parsed_schedule().next(start)


def test_a_job_that_is_spread_is_due_as_much_later_as_was_chosen() -> None:
    start = datetime(2027, 1, 1, tzinfo=timezone.utc)
    fields = {"schedule": "0 2 * * *", "spread": "1h", "expires_at": "2027-01-02T02:30:00Z"}
    late = job(**fields, spread_by="37m").parsed_schedule()
    assert list(late.between(start, start + timedelta(days=5))) == [start + timedelta(hours=2, minutes=37)]
    assert late.prev(start + timedelta(days=5)) == start + timedelta(hours=2, minutes=37)
    assert job(**fields).parsed_schedule().next(start) == start + timedelta(hours=2), "nothing is chosen yet"


def test_a_spread_has_to_make_sense() -> None:
    daily = {"schedule": "0 2 * * *"}
    assert job(**daily, spread="1h", spread_by="59m", hash_rule="even").check() == []
    assert job(**daily, spread="1h", spread_by=0).check() == []
    assert "from a minute to 24 hours" in problem_of("spread", **daily, spread="25h")
    assert "it has no due times that could be spread" in problem_of("spread", spread="1h")
    assert "it has to lie within spread, which is 1h" in problem_of("spread_by", **daily, spread="1h", spread_by="1h")
    assert "which is not given" in problem_of("spread_by", **daily, spread_by="5m")
    assert "'soon' is not a duration" in problem_of("spread", **daily, spread="soon")
    assert "'evn' is neither even nor dkron" in problem_of("hash_rule", **daily, hash_rule="evn")


def test_a_copy_differs_only_in_what_was_changed() -> None:
    changed = job(timeout="5m").but(name="other", retry=2)
    assert (changed.name, changed.retry, changed.timeout) == ("other", Retry(2), timedelta(minutes=5))
    with pytest.raises(TypeError, match="no field 'timout' did you mean 'timeout'"):
        job().but(timout="5m")  # type: ignore[call-arg]


def test_a_field_that_does_not_exist_is_a_type_error_with_a_near_one() -> None:
    with pytest.raises(TypeError, match="a job has no field 'schedul', did you mean 'schedule'"):
        job(schedul="* * * * *")


@pytest.mark.parametrize("name", ["ok-1_x", "ñß", "\u017f", "a"])
def test_names_that_dkron_takes(name: str) -> None:
    assert job(name=name).check() == []


@pytest.mark.parametrize(
    ("name", "bad", "proposed"),
    [
        ("Nightly Report", "N", "nightly-report"),
        ("db.backup", ".", "db-backup"),
        ("a/b", "/", "a-b"),
        ("ª", "ª", "a"),
        ("٣x", "٣", "x"),
    ],
)
def test_names_that_it_does_not_take_come_with_one_that_it_does(name: str, bad: str, proposed: str) -> None:
    said = problem_of("name", name=name)
    assert said == f"name: name contains illegal character '{bad}' (did you mean '{proposed}'?)"
    assert propose_name(name) == proposed
    assert job(name=proposed).check() == []


def test_a_name_of_which_nothing_can_stay() -> None:
    assert "lower-case letters" in problem_of("name", name="漢字")
    assert problem_of("name", name="").startswith("name: name cannot be empty")


def test_every_problem_is_named_at_once() -> None:
    bad = job(
        name="Bad", schedule="61 2 * * *", timezone="Europe/Belin", concurrency="forbidd", retry=-1, when="sucess",
        timeout="5 minuts", on="web1", metadata={"a": 1}, output_limit=-1, catch_up="latst", after=["x", "x"],
    )  # fmt: skip
    fields = [problem.field for problem in bad.check()]
    assert fields == [
        "name", "after", "schedule", "concurrency", "timezone", "when", "catch_up", "timeout", "retry", "on",
        "output_limit", "metadata",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "fields", "said"),
    [
        ("schedule", {"schedule": "61 2 * * *"}, "61 is out of range 0-59 at column 1"),
        ("schedule", {"schedule": ""}, "the job would never run: it has no schedule and no 'after'"),
        ("schedule", {"schedule": "0 0 30 2 *"}, "never fires"),
        ("schedule", {"schedule": "@after 2026-11-27T08:30:00Z <PT2H | 0 * * * * *"}, "@after stands alone"),
        ("schedule", {"schedule": "@at 2027-01-01T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z"},
         "the job would never run: nothing is due before expires_at"),
        ("timezone", {"timezone": "Europe/Belin"}, "did you mean 'Europe/Berlin'?"),
        ("after", {"after": "sample"}, "can not have itself as parent"),
        ("expires_at", {"starts_at": "2027-01-01T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z"},
         "is not after starts_at"),
        ("starts_at", {"starts_at": "tomorrow"}, "'tomorrow' is not a moment with a time zone"),
        ("starts_at", {"starts_at": datetime(2027, 1, 1)}, "not a moment with a time zone"),  # noqa: DTZ001
        ("timeout", {"timeout": 0}, "above zero"),
        ("retry", {"retry": Retry(1, delay="soon")}, "delay 'soon' is not a duration"),
        ("retry", {"retry": "3"}, "neither a number of retries"),
        ("on", {"on": any_node(count=0)}, "0 nodes"),
        ("on", {"on": Target(tags={"shard": 3})}, "tag 'shard' is 3; tags are text"),  # type: ignore[dict-item]
        ("delivery", {"delivery": "exactly_once"}, "at_most_once, at_least_once"),
        ("on_lease_loss", {"on_lease_loss": "kil"}, "did you mean 'kill'?"),
        ("overlap", {"overlap": "firs"}, "did you mean 'first'?"),
        ("processors", {"processors": {"log": True}}, "tables of options"),
        ("enabled", {"enabled": "no"}, "neither True nor False"),
    ],
)  # fmt: skip
def test_each_rule_names_the_value_and_what_would_be_right(field: str, fields: dict[str, object], said: str) -> None:
    assert said in problem_of(field, **fields)


def test_a_child_needs_no_schedule_and_dkrons_empty_concurrency_is_accepted() -> None:
    assert job(schedule="", after="parent", concurrency="").check() == []
    assert not job(concurrency="").forbids_overlap
    assert job(schedule=manual()).schedule == "@manually"


def test_the_untyped_pair_is_kept_as_it_is() -> None:
    odd = Run("no-such-executor", {"Key": "1", "other": ""})
    assert job(run=odd).executor == "no-such-executor"
    assert job(run=odd).executor_config is odd.config
    assert job(on=Target(tags={"server": "true:1"})).check() == []


def test_how_much_history_a_job_keeps_is_checked() -> None:
    assert job(history_limit=1, failure_limit=0, retention="90d", failure_retention=60).check() == []
    assert "0 is not a number of runs from 1 to 100,000" in problem_of("history_limit", history_limit=0)
    assert "True is not a number of runs from 0" in problem_of("failure_limit", failure_limit=True)
    assert "a duration above zero is needed" in problem_of("retention", retention=0)
    assert "'soon' is not a duration" in problem_of("failure_retention", failure_retention="soon")
