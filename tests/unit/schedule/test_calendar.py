"""Working days: due times that fall on a day off are left out or move, and the same is said by a slow oracle."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.clock import from_ms, to_ms
from dkronpy.errors import ConfigError
from dkronpy.job import Job, Run
from dkronpy.schedule import parse
from dkronpy.schedule.calendar import Calendar, Days, OffDay, WorkingDays
from dkronpy.schedule.ics import read_days, read_ics

DE = Calendar(name="de", off=("12-25", "12-26", "2026-12-24", "2026-12-31..2027-01-03"), working=("2026-12-12",))
BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 12, 20, tzinfo=timezone.utc)


def due(text: str, off_day: OffDay, days: int = 20, zone: str = "Europe/Berlin", calendar: Calendar = DE) -> list[str]:
    schedule = WorkingDays(parse(text, timezone=zone), calendar, off_day, zone)
    found = schedule.between(START, START + timedelta(days=days))
    return [moment.astimezone(ZoneInfo(zone)).strftime("%a %d %b %H:%M") for moment in found]


def test_a_day_off_is_left_out() -> None:
    assert due("0 9 * * *", "skip") == [
        "Mon 21 Dec 09:00", "Tue 22 Dec 09:00", "Wed 23 Dec 09:00", "Mon 28 Dec 09:00", "Tue 29 Dec 09:00",
        "Wed 30 Dec 09:00", "Mon 04 Jan 09:00", "Tue 05 Jan 09:00", "Wed 06 Jan 09:00", "Thu 07 Jan 09:00",
        "Fri 08 Jan 09:00",
    ]  # fmt: skip


def test_what_falls_on_a_day_off_moves_to_the_next_or_the_previous_working_day() -> None:
    monthly = "0 9 25,31 * *"
    assert due(monthly, "next") == ["Mon 28 Dec 09:00", "Mon 04 Jan 09:00"]
    assert due(monthly, "previous") == ["Wed 23 Dec 09:00", "Wed 30 Dec 09:00"]
    assert due(monthly, "skip") == []


def test_what_moves_onto_a_day_that_is_due_anyway_is_due_once() -> None:
    assert due("0 9 23,24,25 * *", "previous") == ["Wed 23 Dec 09:00"]
    assert due("0 9 25 12 * | 30 8 26 12 *", "next") == ["Mon 28 Dec 08:30", "Mon 28 Dec 09:00"]


def test_a_weekend_may_be_worked_and_may_be_another() -> None:
    days = Days(DE)
    assert not days.is_off(date(2026, 12, 12))
    assert days.is_off(date(2026, 12, 13))
    friday = Calendar(name="il", weekend=("FRI", "SAT"))
    assert due("0 9 * * *", "skip", days=3, calendar=friday)[0] == "Sun 20 Dec 09:00"


@given(
    st.sampled_from(["0 9 * * *", "30 2 1,15,25 * *", "0 0 * * MON-FRI", "@every 7h", "0 */5 * * *", "@monthly"]),
    st.sampled_from(["skip", "next", "previous"]),
    st.lists(st.dates(date(2026, 11, 1), date(2027, 2, 28)).map(date.isoformat), max_size=12).map(tuple),
    st.integers(0, 100 * 86_400),
)
def test_next_and_prev_say_what_a_slow_oracle_says(text: str, how: OffDay, off: tuple[str, ...], second: int) -> None:
    zone = "Europe/Berlin"
    inner = parse(text, timezone=zone, anchor=datetime(2026, 10, 1, tzinfo=timezone.utc))
    calendar = Calendar(name="c", off=off)
    schedule = WorkingDays(inner, calendar, how, zone)
    days = Days(calendar)
    first, last = datetime(2026, 9, 1, tzinfo=timezone.utc), datetime(2027, 6, 1, tzinfo=timezone.utc)
    expected = set()
    for moment in inner.between(first, last):
        local = moment.astimezone(BERLIN)
        day = local.date()
        if days.is_off(day):
            if how == "skip":
                continue
            while days.is_off(day):
                day += timedelta(days=1 if how == "next" else -1)
        if day == local.date():
            expected.add(to_ms(moment))
        else:
            moved = datetime.combine(day, local.time(), tzinfo=BERLIN)
            expected.add(to_ms(moved.astimezone(timezone.utc)))
    at = to_ms(datetime(2026, 11, 15, tzinfo=timezone.utc)) + second * 1000
    assert schedule.next_ms(at) == min(ms for ms in expected if ms > at)
    assert schedule.prev_ms(at) == max(ms for ms in expected if ms < at)


def test_a_schedule_of_every_second_jumps_over_what_is_off() -> None:
    schedule = WorkingDays(parse("* * * * * *"), DE, "skip", "")
    friday = to_ms(datetime(2026, 12, 30, 23, 59, 59, tzinfo=timezone.utc))
    assert schedule.next_ms(friday) == to_ms(datetime(2027, 1, 4, tzinfo=timezone.utc))
    assert schedule.prev_ms(to_ms(datetime(2027, 1, 4, tzinfo=timezone.utc))) == friday


def test_a_calendar_of_days_off_alone_is_never_due() -> None:
    never = Calendar(name="x", weekend=("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"))
    job = Job(name="j", run=Run("shell"), schedule="@daily", calendar=never)
    assert [problem.field for problem in job.check()] == ["schedule"]


@pytest.mark.parametrize(
    ("calendar", "said"),
    [
        (Calendar(name="De!"), "is no name of a calendar"),
        (Calendar(name="de", off=("25.12.2026",)), "'25.12.2026' is no day; write 2026-12-25"),
        (Calendar(name="de", off=("02-30",)), "'02-30' is no day"),
        (Calendar(name="de", off=("2026-12-31..2026-12-01",)), "is no day"),
        (Calendar(name="de", off=("1000-01-01..2999-01-01",)), "longer than 5000 days"),
        (Calendar(name="de", weekend=("SATURDAY",)), "'SATURDAY' is no day of the week"),
    ],
)
def test_a_calendar_that_cannot_be_used_is_named(calendar: Calendar, said: str) -> None:
    job = Job(name="j", run=Run("shell"), schedule="@daily", calendar=calendar)
    (problem,) = job.check()
    assert problem.field == "calendar"
    assert said in problem.message


ICS = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261225
DTEND;VALUE=DATE:20261227
RRULE:FREQ=YEARLY
END:VEVENT
BEGIN:VEVENT
SUMMARY:Good Fri
 day
DTSTART;VALUE=DATE:20270326
END:VEVENT
BEGIN:VEVENT
SUMMARY:Last Monday of May
DTSTART;VALUE=DATE:20270531
RRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO;COUNT=3
EXDATE;VALUE=DATE:20280529
END:VEVENT
BEGIN:VEVENT
SUMMARY:A party is no holiday
DTSTART:20270101T200000Z
DTEND:20270101T220000Z
END:VEVENT
BEGIN:VEVENT
STATUS:CANCELLED
DTSTART;VALUE=DATE:20270505
END:VEVENT
BEGIN:VEVENT
SUMMARY:Shut down
DTSTART;VALUE=DATE:20270802
DTEND;VALUE=DATE:20270814
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_ics_file_is_read(newline: str) -> None:
    found = read_ics(ICS.replace("\n", newline), "us")
    assert found.off == ("12-25", "12-26", "2027-03-26", "2027-05-31", "2027-08-02..2027-08-13", "2029-05-28")
    assert list(found.problems()) == []


def test_a_list_of_days_is_read_and_what_is_wrong_is_named(tmp_path: Path) -> None:
    file = tmp_path / "days.txt"
    file.write_text("# Germany\n2026-12-25  # Christmas\n\n01-01\n")
    assert read_days(file, "de").off == ("2026-12-25", "01-01")
    file.write_text("Christmas\n")
    with pytest.raises(ConfigError, match=r"days\.txt: 'Christmas' is no day"):
        read_days(file, "de")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_days(tmp_path / "none.ics", "de")


def test_a_job_has_its_calendar_in_its_schedule() -> None:
    job = Job(name="j", run=Run("shell"), schedule="0 9 * * *", timezone="Europe/Berlin", calendar=DE, off_day="next")
    assert job.check() == []
    after = datetime(2026, 12, 23, 12, tzinfo=timezone.utc)
    assert job.parsed_schedule().next(after) == datetime(2026, 12, 28, 8, tzinfo=timezone.utc)
    assert from_ms(job.parsed_schedule().prev_ms(to_ms(datetime(2026, 12, 27, tzinfo=timezone.utc))) or 0) == (
        datetime(2026, 12, 23, 8, tzinfo=timezone.utc)
    )
