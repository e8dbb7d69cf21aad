"""Descriptors, @every, @at, @after, @manually; several in one text; starts_at and expires_at."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from dkronpy.errors import ScheduleError
from dkronpy.schedule import Schedule, parse

UTC = timezone.utc
START = datetime(2027, 1, 1, 0, 0, 30, tzinfo=UTC)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(schedule: Schedule, count: int = 3, start: datetime = START) -> list[datetime]:
    found = [schedule.next(start)]
    while found[-1] is not None and len(found) < count:
        found.append(schedule.next(found[-1]))
    return [one for one in found if one is not None]


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("@yearly", "0 0 0 1 1 *"),
        ("@annually", "0 0 0 1 1 *"),
        ("@monthly", "0 0 0 1 * *"),
        ("@weekly", "0 0 0 * * 0"),
        ("@daily", "0 0 0 * * *"),
        ("@midnight", "0 0 0 * * *"),
        ("@hourly", "0 0 * * * *"),
        ("@minutely", "0 * * * * *"),
        ("@DAILY", "0 0 0 * * *"),
    ],
)
def test_descriptors(text: str, cron: str) -> None:
    assert due(parse(text, timezone="Europe/Berlin")) == due(parse(cron, timezone="Europe/Berlin"))


def test_every_counts_from_the_moment_the_job_was_made() -> None:
    schedule = parse("@every 1h30m", anchor=moment("2027-01-01T08:00:05.700"))
    assert due(schedule, 2) == [moment("2027-01-01T09:30:05"), moment("2027-01-01T11:00:05")]
    # Asked late, or by another beat, it keeps its phase.
    assert schedule.next(moment("2027-03-01T00:00:00")) == moment("2027-03-01T00:30:05")
    assert schedule.prev(moment("2027-01-01T11:00:05")) == moment("2027-01-01T09:30:05")
    assert schedule.prev(moment("2027-01-01T09:30:05")) is None
    assert schedule.period(START) == timedelta(hours=1, minutes=30)


def test_every_begins_at_starts_at() -> None:
    schedule = parse("@every 90s", anchor=START, starts_at=moment("2027-02-01T00:00:00"))
    assert due(schedule, 2) == [moment("2027-02-01T00:00:00"), moment("2027-02-01T00:01:30")]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("@every 250ms", 250),
        ("@every 1.5s", 1500),
        ("@every 2d", 172_800_000),
        ("@every 1w", 604_800_000),
        ("@EVERY 5", 5000),
    ],
)
def test_every_reads_durations(text: str, milliseconds: int) -> None:
    assert parse(text).next_ms(0) == milliseconds
    assert parse(text).next_ms(milliseconds * 7 + 1) == milliseconds * 8


def test_every_is_untouched_by_clock_changes() -> None:
    schedule = parse("TZ=Europe/Berlin @every 12h", anchor=moment("2027-03-27T12:00:00"))
    assert due(schedule, 3) == [moment(f"2027-03-{day}") for day in ("28T00:00:00", "28T12:00:00", "29T00:00:00")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@at 2027-06-01T09:30:00+02:00", "2027-06-01T07:30:00"),
        ("@at 2027-06-01T09:30:00Z", "2027-06-01T09:30:00"),
        ("@at 2027-06-01t09:30z", "2027-06-01T09:30:00"),
        ("@at 2027-06-01 09:30:00.1239Z", "2027-06-01T09:30:00.123000"),
        ("@at 2027-06-01T09:30", "2027-06-01T07:30:00"),
        ("TZ=Asia/Tokyo @at 2027-06-01T09:30", "2027-06-01T00:30:00"),
        # A gap and an overlap, treated as everywhere.
        ("@at 2027-03-28T02:30:00", "2027-03-28T01:00:00"),
        ("@at 2027-10-31T02:30:00", "2027-10-31T00:30:00"),
    ],
)
def test_at(text: str, expected: str) -> None:
    schedule = parse(text, timezone="Europe/Berlin")
    assert due(schedule) == [moment(expected)]
    assert schedule.next(moment(expected)) is None
    assert schedule.prev(moment(expected)) is None
    assert schedule.prev(moment(expected) + timedelta(milliseconds=1)) == moment(expected)


def test_at_in_the_second_hour_and_in_a_skipped_one() -> None:
    at = "@at 2027-10-31T02:30:00"
    assert due(parse(at, timezone="Europe/Berlin", overlap="second")) == [moment("2027-10-31T01:30:00")]
    assert due(parse(at, timezone="Europe/Berlin", overlap="both")) == [moment("2027-10-31T00:30:00")]
    with pytest.raises(ScheduleError, match="never comes in Europe/Berlin: clocks skip it"):
        parse("@at 2027-03-28T02:30:00", timezone="Europe/Berlin", gap="skip")


def test_at_in_the_past_never_runs() -> None:
    schedule = parse("@at 2020-01-01T00:00:00Z")
    assert schedule.next(START) is None
    assert schedule.first_ms(1_800_000_000_000) is None


def test_after_runs_once_also_when_saved_within_its_grace() -> None:
    schedule = parse("@after 2027-01-01T12:00:00Z <PT2H")
    noon = 1_798_804_800_000
    assert schedule.grace == timedelta(hours=2)
    assert schedule.next_ms(noon - 1) == noon
    assert schedule.next_ms(noon) is None
    assert schedule.first_ms(noon - 5) == noon
    assert schedule.first_ms(noon) == noon
    assert schedule.first_ms(noon + 7_200_000) == noon
    assert schedule.first_ms(noon + 7_200_001) is None
    assert parse("@daily").first_ms(noon) == noon + 43_200_000


@pytest.mark.parametrize(
    ("grace", "seconds"),
    [
        ("P1D", 86_400),
        ("PT1.5S", 1.5),
        ("P1Y", 31_536_000),
        ("P1M", 2_592_000),
        ("P1W", 604_800),
        ("P1DT2H3M4S", 93_784),
    ],
)
def test_grace_periods(grace: str, seconds: float) -> None:
    assert parse(f"@after 2027-01-01T12:00:00Z <{grace}").grace == timedelta(seconds=seconds)


def test_manually_is_never_due() -> None:
    schedule = parse("@manually", timezone="Europe/Berlin", starts_at=START)
    assert schedule.manual
    assert not parse("@daily").manual
    assert (schedule.next(START), schedule.prev(START), schedule.period(START), schedule.first_ms(0)) == (None,) * 4


def test_several_schedules_in_one_text() -> None:
    schedule = parse("0 9 * * * |  TZ=Asia/Tokyo 0 9 * * * | 0 9 1 * *", timezone="UTC")
    assert schedule.text == "0 9 * * * | TZ=Asia/Tokyo 0 9 * * * | 0 9 1 * *"
    assert [part.timezone for part in schedule.parts] == ["UTC", "Asia/Tokyo", "UTC"]
    # 09:00 on the 1st is due in two of them, and once.
    assert due(schedule) == [moment(f"2027-01-{at}:00:00") for at in ("01T09", "02T00", "02T09")]
    assert schedule.prev(moment("2027-01-02T09:00:00")) == moment("2027-01-02T00:00:00")
    assert schedule.first_ms(0) == 9 * 3_600_000
    assert parse("@daily | @after 2027-01-01T12:00:00Z <PT2H").grace == timedelta(hours=2)
    assert parse("@at 2020-01-01T00:00:00Z | @at 2020-01-02T00:00:00Z").next(START) is None


def test_nothing_is_due_before_starts_at_or_after_expires_at() -> None:
    schedule = parse(
        "0 0 * * *", starts_at=moment("2027-02-01T00:00:00"), expires_at=moment("2027-02-03T00:00:00"), job="x"
    )
    assert due(schedule, 9) == [moment(f"2027-02-0{day}T00:00:00") for day in (1, 2, 3)]
    assert schedule.prev(moment("2028-01-01T00:00:00")) == moment("2027-02-03T00:00:00")
    assert schedule.prev(moment("2027-02-01T00:00:00")) is None
    assert schedule.first_ms(0) == 1_801_440_000_000
    # A microsecond after a due time is after it.
    late = parse("0 0 * * *", starts_at=moment("2027-02-01T00:00:00.000001"))
    assert late.next(START) == moment("2027-02-02T00:00:00")
    assert "Bounded" in repr(schedule)
    assert schedule.text == "0 0 * * *"
