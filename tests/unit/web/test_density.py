"""How dense a week is, also where a day has 23 or 25 hours, and how it is counted behind the scenes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dkronpy.client import JobView
from dkronpy.clock import to_ms
from dkronpy.job import Job
from dkronpy.job.json import JobState
from dkronpy.pause import Pause
from dkronpy.store.jobs import StoredJob
from dkronpy.web.coming_week import held
from dkronpy.web.density import CONSTANT, DAY, MONTH, Counted, Dense, changed, count, dense, minutes_of
from dkronpy.web.weeks import Weeks
from tests.support import wait_until
from tests.unit.web.conftest import shell

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 23, tzinfo=BERLIN)


def view(name: str, schedule: str, *, revision: int = 1, anchor_ms: int = 0, **fields: object) -> JobView:
    job = Job(name=name, schedule=schedule, run=shell("true"), timezone="Europe/Berlin", **fields)  # type: ignore[misc]
    return JobView(stored=StoredJob(job=job, revision=revision, anchor_ms=anchor_ms, due_ms=1), state=JobState())


def counted(views: Iterable[JobView], start: datetime) -> list[tuple[str, Counted]]:
    begin, end = to_ms(start) - 86_400_000, to_ms(start) + 9 * 86_400_000
    return [(one.job.name, count(one.stored.schedule(), begin, end)) for one in views]


def test_a_cell_is_the_busiest_minute_of_its_hour() -> None:
    views = [view("a", "0 2 * * *"), view("b", "0 2 * * MON"), view("c", "30 2 * * *"), view("tick", "* * * * * *")]
    found = counted(views, MONDAY)
    week = dense(found, MONDAY, len(views))
    monday, tuesday = week.rows[0][1], week.rows[1][1]
    assert (monday[2].peak, monday[2].total) == (2, 3)
    assert (tuesday[2].peak, tuesday[2].total) == (1, 2)
    assert monday[3].peak == 0
    assert week.constant == ("tick",)
    assert (week.busiest, week.jobs, week.all_jobs) == (2, 4, 4)
    assert [(one.count, one.names) for one in minutes_of(found, monday[2])] == [(2, ("a", "b")), (1, ("c",))]


def test_several_due_times_in_a_minute_are_one_start() -> None:
    week = dense(counted([view("a", "*/10 0 2 * * *")], MONDAY), MONDAY, 1)
    assert (week.rows[0][1][2].peak, week.rows[0][1][2].total) == (1, 1)


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "* 9-17 * * *"])
def test_what_is_due_all_the_time_is_not_counted_out(schedule: str) -> None:
    found = count(view("a", schedule).stored.schedule(), to_ms(MONDAY), to_ms(MONDAY) + 9 * 86_400_000)
    assert found.constant
    assert len(found.minutes) == 0
    assert CONSTANT == 24 * 60 / 5


def test_the_hours_after_a_clock_change_are_those_of_the_clock() -> None:
    start = datetime(2027, 3, 26, tzinfo=BERLIN)  # the change is on the 28th
    week = dense(counted([view("a", "0 12 * * *")], start), start, 1)
    assert [[cell.peak for cell in cells].index(1) for _, cells in week.rows] == [12] * 7


@pytest.mark.parametrize(
    ("day", "minutes", "by", "totals"),
    [(datetime(2027, 3, 28, tzinfo=BERLIN), 0, -60, [0, 2]), (datetime(2026, 10, 25, tzinfo=BERLIN), 120, 60, [4, 2])],
)
def test_an_hour_that_clocks_leave_out_is_empty_and_one_that_they_show_twice_has_both(
    day: datetime, minutes: int, by: int, totals: list[int]
) -> None:
    found = counted([view("a", "*/30 * * * *")], day)
    sunday, monday = (cells for _, cells in dense(found, day, 1).rows[:2])
    assert [cell.minutes for cell in sunday] == [60, 60, minutes] + [60] * 21
    assert [cell.total for cell in sunday[2:4]] == totals
    assert len(minutes_of(found, sunday[2])) == totals[0]
    assert (changed(sunday), changed(monday)) == (by, 0)


def test_hours_are_those_of_the_clock_where_it_differs_by_half_an_hour() -> None:
    start = datetime(2026, 11, 23, tzinfo=ZoneInfo("Asia/Kolkata"))
    job = Job(name="a", schedule="45 9 * * *", run=shell("true"), timezone="Asia/Kolkata")
    one = JobView(stored=StoredJob(job=job, revision=1, anchor_ms=0, due_ms=1), state=JobState())
    week = dense(counted([one], start), start, 1)
    assert [cell.total for cell in week.rows[0][1]] == [0] * 9 + [1] + [0] * 14


def test_a_day_is_cut_into_five_minutes_and_a_month_into_days() -> None:
    found = counted([view("a", "7 2 * * *"), view("b", "9 2 * * *"), view("c", "7 2 * * *")], MONDAY)
    day = dense(found, MONDAY, 3, DAY)
    assert [cells[0].peak for _, cells in day.rows] == [0] * 24
    assert (day.rows[2][1][1].peak, day.rows[2][1][1].total, day.rows[2][1][1].minutes) == (2, 3, 5)
    start = datetime(2026, 10, 19, tzinfo=BERLIN)  # clocks change on Sunday, the 25th
    month = dense([], start, 0, MONTH)
    assert [changed(cells, MONTH.minutes) for _, cells in month.rows] == [60, 0, 0, 0, 0]
    assert [len(cells) for _, cells in month.rows] == [7] * 5
    spring = dense(found, datetime(2027, 3, 28, tzinfo=BERLIN), 0, DAY)
    assert [{cell.minutes for cell in cells} for _, cells in spring.rows[1:4]] == [{5}, {0}, {5}]


def test_a_month_begins_on_a_monday_and_leaves_out_what_is_due_every_hour() -> None:
    months, now = Weeks(layout=MONTH), MONDAY + timedelta(days=4, hours=9)
    views = Watched([view("a", "0 2 * * *"), view("b", "0 2 1 12 *"), view("hourly", "5 * * * *")])
    found = settled(months, views, now, 1)
    assert (found.rows[0][0], found.constant) == (to_ms(MONDAY), ("hourly",))
    assert [cell.peak for _, cells in found.rows for cell in cells] == [1] * 8 + [2] + [1] * 26
    first = months.day(views, datetime(2026, 12, 1, tzinfo=BERLIN))
    assert (first.rows[2][1][0].peak, first.busiest, first.jobs) == (2, 2, 3)


def test_hours_of_a_pause_are_marked() -> None:
    week = dense([], MONDAY, 0)
    begin = to_ms(MONDAY)
    hour = 3_600_000
    everything = Pause(id="1", from_ms=begin + hour + 1, until_ms=begin + 3 * hour)
    tag = Pause(id="2", tag="role=db", from_ms=begin + 2 * hour, until_ms=begin + 4 * hour + 1)
    job = Pause(id="3", job="a", from_ms=begin)
    found = held(week, [tag, everything, job])
    assert [found.get(begin + number * hour) for number in range(6)] == [None, "all", "all", "some", "some", None]
    endless = held(week, [Pause(id="4", from_ms=begin + hour)])
    assert len(endless) == 7 * 24 - 1


class Watched(dict[str, JobView]):
    """Jobs that are looked through no further than to a given one, until that is let go."""

    def __init__(self, views: Iterable[JobView], *, until: int = 1 << 30) -> None:
        super().__init__((one.job.name, one) for one in views)
        self.until, self.go = until, threading.Event()

    def items(self) -> Iterator[tuple[str, JobView]]:  # type: ignore[override]
        for number, pair in enumerate(super().items()):
            if number == self.until:
                assert self.go.wait(20)
            yield pair


def test_a_page_never_waits_for_the_week_and_is_told_when_it_is_there() -> None:
    told = threading.Event()
    weeks, views = Weeks(told.set), Watched([view("a", "0 2 * * *"), view("b", "30 3 * * *")], until=0)
    now = MONDAY + timedelta(hours=9)
    assert weeks.find(views, now, "alice", 1) == (None, False)
    views.go.set()
    assert told.wait(20)
    week, fresh = weeks.find(views, now, "alice", 1)
    assert week is not None
    assert fresh
    assert [cells[2].peak for _, cells in week.rows] == [1] * 7
    assert [one.names for one in weeks.minutes(views, week.rows[1][1][3])] == [("b",)]


def test_only_what_changed_is_counted_again_and_the_old_week_is_shown_meanwhile() -> None:
    weeks, now = Weeks(), MONDAY + timedelta(hours=9)
    views = Watched([view("a", "0 2 * * *"), view("b", "@every 1h", anchor_ms=60_000)])
    first = settled(weeks, views, now, 1)
    kept = weeks._counted["b"]
    views = Watched([view("a", "0 4 * * *", revision=2), views["b"]], until=0)
    assert weeks.find(views, now, "alice", 2) == (first, False)
    views.go.set()
    week = settled(weeks, views, now, 2)
    assert (week.rows[0][1][2].peak, week.rows[0][1][4].peak) == (1, 1)
    assert [cell.total for cell in week.rows[0][1]][1:5] == [1, 1, 1, 2]
    assert weeks._counted["b"] is kept


def test_a_disabled_job_is_not_counted_and_somebody_who_sees_less_has_a_week_of_their_own() -> None:
    weeks, now = Weeks(), MONDAY + timedelta(hours=9)
    views = Watched([view("a", "0 2 * * *"), view("off", "0 2 * * *", enabled=False), view("c", "0 2 * * *")])
    assert settled(weeks, views, now, 1).busiest == 2
    assert settled(weeks, {"c": views["c"]}, now, 1, who="carla").busiest == 1


def test_the_next_day_is_counted_when_it_comes() -> None:
    weeks, views = Weeks(), Watched([view("a", "0 2 * * *"), view("h", "H 2 * * *")])
    settled(weeks, views, MONDAY + timedelta(hours=9), 1)
    week = settled(weeks, views, MONDAY + timedelta(days=5, hours=9), 1)
    assert [cells[2].total for _, cells in week.rows] == [2] * 7


def settled(weeks: Weeks, views: dict[str, JobView], now: datetime, stamp: int, who: str = "alice") -> Dense:
    """The week once it is counted."""

    def ready() -> Dense | None:
        week, fresh = weeks.find(views, now, who, stamp)
        return week if fresh else None

    return wait_until(ready, description="the week is counted")
