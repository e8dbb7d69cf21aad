"""How a job is defined, when it is due, and what is said of one that cannot work. Read this first.

A job is a value: it says what runs, when and where. Building one starts nothing and stores nothing, so that everything
here works without a server.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from dkronpy import Job, Shell, all_nodes, any_node, cron, every, manual


def test_a_job_has_a_name_a_schedule_and_something_to_run() -> None:
    report = Job(
        name="nightly-report",
        schedule=cron("30 2 * * MON-FRI", tz="Europe/Berlin"),
        run=Shell("./report.sh --yesterday"),
        timeout="15m",
    )
    assert report.check() == []  # nothing is wrong with it

    # It runs on one node, whichever is free. On which nodes else, it says itself:
    assert report.on == any_node()
    everywhere = report.but(on=all_nodes(role="web"))
    assert everywhere.on.tags == {"role": "web"}
    assert report.on == any_node(), "a job never changes; but() makes another one"


def test_its_schedule_names_the_moments_at_which_it_is_due() -> None:
    report = Job(name="report", schedule=cron("30 2 * * *", tz="Europe/Berlin"), run=Shell("./report.sh"))
    schedule = report.parsed_schedule()

    # In winter Berlin is an hour ahead of UTC.
    monday = datetime(2027, 3, 1, tzinfo=timezone.utc)
    assert schedule.next(monday) == datetime(2027, 3, 1, 1, 30, tzinfo=timezone.utc)

    # On 28 March the clocks there go from 02:00 to 03:00. 02:30 does not exist that night; the job runs at 03:00.
    night = datetime(2027, 3, 27, 12, tzinfo=timezone.utc)
    assert schedule.next(night) == datetime(2027, 3, 28, 1, 0, tzinfo=timezone.utc)


def test_a_schedule_can_be_written_in_many_ways() -> None:
    def next_due(schedule: object) -> datetime | None:
        job = Job(name="sample", schedule=schedule, run=Shell("true"))  # type: ignore[arg-type]
        assert job.check() == []
        return job.parsed_schedule().next(datetime(2027, 1, 1, 12, tzinfo=timezone.utc))

    def at(hour: int, minute: int, second: int = 0) -> datetime:
        return datetime(2027, 1, 1, hour, minute, second, tzinfo=timezone.utc)

    assert next_due("15 13 * * *") == at(13, 15)  # five fields, as in crontab
    assert next_due("*/10 * * * * *") == at(12, 0, 10)  # six: seconds first
    assert next_due("@hourly") == at(13, 0)
    assert next_due(every("90s")) == at(12, 1, 30)
    assert next_due([cron("0 14 * * *"), cron("0 18 * * *")]) == at(14, 0)
    assert next_due(manual()) is None  # only when somebody, or another job, starts it


def test_a_job_that_cannot_work_says_all_of_what_is_wrong_with_it() -> None:
    wrong = Job(
        name="Nightly Report",
        schedule=cron("61 2 * * *", tz="Europe/Belin"),
        run=Shell("./report.sh"),
        timeout="15 minuts",  # every duration is 90, "90s", "1h30m" or a timedelta
    )
    assert [str(problem).split(";")[0].partition(" (accepted")[0] for problem in wrong.check()] == [
        "name: name contains illegal character 'N' (did you mean 'nightly-report'?)",
        "schedule: minute: 61 is out of range 0-59 at column 1",
        "timezone: unknown time zone 'Europe/Belin' (did you mean 'Europe/Berlin'?)",
        "timeout: '15 minuts' is not a duration",
    ]
    right = wrong.but(name="nightly-report", schedule="1 2 * * *", timezone="Europe/Berlin", timeout="15m")
    assert right.check() == []
    assert right.timeout == timedelta(minutes=15)
