"""How dense a week is, also where a day has 23 or 25 hours."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from dkronpy.client import JobView
from dkronpy.job import Job
from dkronpy.job.json import JobState
from dkronpy.store.jobs import StoredJob
from dkronpy.web.density import minutes_of, week_of
from tests.unit.web.conftest import shell

BERLIN = ZoneInfo("Europe/Berlin")


def view(name: str, schedule: str, **fields: object) -> JobView:
    job = Job(name=name, schedule=schedule, run=shell("true"), timezone="Europe/Berlin", **fields)  # type: ignore[misc]
    return JobView(stored=StoredJob(job=job, revision=1, anchor_ms=0, due_ms=1), state=JobState())


def test_a_cell_is_the_busiest_minute_of_its_hour() -> None:
    views = [view("a", "0 2 * * *"), view("b", "0 2 * * MON"), view("c", "30 2 * * *"), view("tick", "* * * * * *")]
    week = week_of(views, datetime(2026, 11, 23, tzinfo=BERLIN))  # a Monday
    monday, tuesday = week.days[0][1], week.days[1][1]
    assert (monday[2].peak, monday[2].total) == (2, 3)
    assert (tuesday[2].peak, tuesday[2].total) == (1, 2)
    assert monday[3].peak == 0
    assert week.constant == ("tick",)
    assert week.busiest == 2
    assert [(one.count, one.names) for one in minutes_of(week, monday[2].at_ms)] == [(2, ("a", "b")), (1, ("c",))]


def test_a_disabled_job_is_not_counted() -> None:
    week = week_of([view("a", "0 2 * * *", enabled=False)], datetime(2026, 11, 23, tzinfo=BERLIN))
    assert week.busiest == 0


def test_the_hours_after_a_clock_change_are_those_of_the_clock() -> None:
    week = week_of([view("a", "0 12 * * *")], datetime(2027, 3, 26, tzinfo=BERLIN))  # the change is on the 28th
    assert [[cell.peak for cell in cells].index(1) for _, cells in week.days] == [12] * 7
