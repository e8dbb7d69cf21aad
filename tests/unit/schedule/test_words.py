"""Schedules in English, and what clock changes do to them."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from dkronpy.schedule import dst_notes, explain, parse
from dkronpy.schedule.combined import Later

UTC = timezone.utc
YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("30 2 * * MON-FRI", "At 02:30, on Monday to Friday, UTC."),
        ("15 30 2 * * *", "At 02:30:15, every day, UTC."),
        ("0 9,17 * * *", "At 09:00 and 17:00, every day, UTC."),
        ("* * * * *", "Every minute, UTC."),
        ("* * * * * *", "Every second, UTC."),
        ("*/10 * * * * *", "Every 10 seconds, UTC."),
        ("*/15 9-17 * * *", "Every 15 minutes, in hours 9 to 17, UTC."),
        ("3-59/15 * * * *", "Every 15 minutes from minute 3 on, UTC."),
        ("30 * * * *", "At minute 30 of every hour, UTC."),
        ("5,10 */2 * * *", "At minutes 5 and 10 of every 2nd hour, UTC."),
        ("0 1/2 * * *", "At minute 0 of every 2nd hour from 1 on, UTC."),
        ("0,1,2,30 22-2 * * *", "At minutes 0 to 2 and 30 of hours 22 to 2, UTC."),
        ("5,35 30 2 1-5 * *", "At 02:30:05 and 02:30:35, on the 1st to 5th of the month, UTC."),
        ("1-30 30 2 * * *", "At seconds 1 to 30 of the minute, in minute 30, in hour 2, UTC."),
        ("0 0 13 * FRI", "At 00:00, on the 13th of the month and also on Friday, UTC."),
        ("0 0 */2 * MON", "At 00:00, on every 2nd day of the month if it is Monday, UTC."),
        ("0 0 2/10 * *", "At 00:00, on every 10th day from the 2nd of the month, UTC."),
        ("0 0 1,22,L,L-2 * *", "At 00:00, on the 1st and 22nd, the last day and the 3rd last day of the month, UTC."),
        ("0 0 LW,15W * *", "At 00:00, on the last workday and the workday nearest to the 15th of the month, UTC."),
        ("0 0 * * MON#2,5L", "At 00:00, on the second Monday of the month and the last Friday of the month, UTC."),
        ("0 12 * 1-3,NOV-DEC *", "At 12:00, every day, in November to March, UTC."),
        ("0 22 * * FRI-MON", "At 22:00, on Friday to Monday, UTC."),
        ("TZ=Asia/Tokyo @daily", "At 00:00, every day, Asia/Tokyo time."),
        ("@every 90m", "Every 1h30m, counted from 1970-01-01 00:00:00 UTC."),
        ("@at 2027-01-01T00:00:00+01:00", "Once, at 2026-12-31 23:00:00 UTC."),
        (
            "@after 2027-01-01T00:00:00Z <PT2H",
            "Once, at 2027-01-01 00:00:00 UTC, or up to 2h late if saved after that.",
        ),
        ("@manually", "Only when someone, or a parent job, asks for it."),
        ("RRULE:FREQ=DAILY", "Every day, by the rule RRULE:FREQ=DAILY, UTC."),
        ("FREQ=WEEKLY;INTERVAL=2", "Every 2 weeks, by the rule FREQ=WEEKLY;INTERVAL=2, UTC."),
        ("@daily | 30 * * * *", "At 00:00, every day, UTC; and at minute 30 of every hour, UTC."),
        ("~ ~ * * *", "At 07:19, every day, UTC (~ and H: the job's name decides)."),
    ],
)
def test_explain(text: str, sentence: str) -> None:
    assert explain(text, job="test_job") == sentence


def test_explain_says_how_much_later_a_job_is_due_that_is_spread() -> None:
    late = Later(parse("0 2 * * *"), 37 * 60_000, expires_ms=None)
    assert explain(late) == "At 02:00, every day, UTC, each time 37m later."


def test_explain_says_from_when_until_when() -> None:
    schedule = parse("@daily", timezone="Europe/Berlin", starts_at=YEAR, expires_at=YEAR.replace(year=2028))
    assert explain(schedule) == (
        "At 00:00, every day, Europe/Berlin time, from 2027-01-01 00:00:00 UTC, until 2028-01-01 00:00:00 UTC."
    )
    assert explain("@daily", timezone="Europe/Berlin") == "At 00:00, every day, Europe/Berlin time."


SPRING = "clocks go from 02:00 to 03:00"
AUTUMN = "clocks go back from 03:00 to 02:00"


@pytest.mark.parametrize(
    ("text", "options", "notes"),
    [
        (
            "30 2 * * *",
            {},
            [
                f"2027-03-28 02:30 does not exist: {SPRING}; runs at 03:00, when the gap ends",
                f"2027-10-31 02:30 comes twice: {AUTUMN}; runs the first time only",
            ],
        ),
        (
            "0,30 2 * * *",
            {"gap": "before", "overlap": "both"},
            [
                f"2027-03-28 02:00, 02:30 do not exist: {SPRING}; runs at 01:59:59, the last second before the gap",
                f"2027-10-31 02:00, 02:30 come twice: {AUTUMN}; runs both times",
            ],
        ),
        (
            "5 30 2 * * *",
            {"gap": "skip", "overlap": "second"},
            [
                f"2027-03-28 02:30:05 does not exist: {SPRING}; falls away",
                f"2027-10-31 02:30:05 comes twice: {AUTUMN}; runs the second time only",
            ],
        ),
        (
            "*/10 2 * * *",
            {},
            [
                f"2027-03-28 does not run that day: {SPRING}",
                f"2027-10-31 02:00, 02:10, 02:20 and more come twice: {AUTUMN}; runs both times",
            ],
        ),
        (
            "0 */2 * * *",
            {},
            [
                f"2027-03-28 02:00 does not exist and falls away: {SPRING}",
                f"2027-10-31 02:00 comes twice: {AUTUMN}; runs both times",
            ],
        ),
        ("*/15 * * * *", {}, []),
        ("30 * * * *", {}, []),
        ("0 12 * * *", {}, []),
        ("30 2 1 * *", {}, []),
        ("@every 1h", {}, []),
        ("@manually", {}, []),
        (
            "@hourly | 30 2 * * SUN",
            {},
            [
                f"2027-03-28 30 2 * * SUN: 02:30 does not exist: {SPRING}; runs at 03:00, when the gap ends",
                f"2027-10-31 30 2 * * SUN: 02:30 comes twice: {AUTUMN}; runs the first time only",
            ],
        ),
    ],
)
def test_notes_on_clock_changes(text: str, options: dict[str, str], notes: list[str]) -> None:
    schedule = parse(text, timezone="Europe/Berlin", **options)  # type: ignore[arg-type]
    assert [f"{day} {note}" for day, note in dst_notes(schedule, YEAR, 12)] == notes


def test_notes_cover_the_months_asked_for() -> None:
    schedule = parse("30 2 * * *", timezone="Europe/Berlin", starts_at=YEAR)
    assert [f"{day}" for day, _ in dst_notes(schedule, YEAR, 3)] == ["2027-03-28"]
    assert dst_notes(schedule, YEAR, 2) == []
    assert dst_notes(parse("30 2 * * *"), YEAR, 24) == []


def test_a_change_of_half_an_hour_disturbs_hourly_jobs() -> None:
    schedule = parse("@hourly", timezone="Australia/Lord_Howe")
    notes = [f"{day} {note}" for day, note in dst_notes(schedule, YEAR, 12)]
    assert notes == [
        "2027-10-03 02:00 does not exist and falls away: clocks go from 02:00 to 02:30",
    ]
