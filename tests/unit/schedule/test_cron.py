"""Cron fields: what each form means."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from dkronpy.schedule import parse

UTC = timezone.utc
START = datetime(2027, 1, 1, tzinfo=UTC)  # a Friday


def due(text: str, count: int = 4, start: datetime = START, **options: str) -> list[str]:
    schedule = parse(text, **options)  # type: ignore[arg-type]
    found, moment = [], schedule.next(start)
    while moment is not None and len(found) < count:
        found.append(f"{moment:%m-%d %H:%M:%S}")
        moment = schedule.next(moment)
    return found


def days(text: str, count: int = 4) -> list[str]:
    return [moment[:5] for moment in due(text, count)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", ["01-01 02:30:00", "01-02 02:30:00"]),
        ("15 30 2 * * *", ["01-01 02:30:15", "01-02 02:30:15"]),
        ("*/20 * * * * *", ["01-01 00:00:20", "01-01 00:00:40"]),
        ("50/4 * * * *", ["01-01 00:50:00", "01-01 00:54:00"]),
        ("58-1 * * * *", ["01-01 00:01:00", "01-01 00:58:00", "01-01 00:59:00", "01-01 01:00:00"]),
        ("0 22-2/2 * * *", ["01-01 02:00:00", "01-01 22:00:00", "01-02 00:00:00", "01-02 02:00:00"]),
        ("0 0 * * *", ["01-02 00:00:00"]),
        ("0 0 1 nov-feb ?", ["02-01 00:00:00", "11-01 00:00:00", "12-01 00:00:00"]),
        ("*/70 * * * *", ["01-01 01:00:00", "01-01 02:00:00"]),
        ("05,+7 * * * *", ["01-01 00:05:00", "01-01 00:07:00"]),
        ("  0   0\t1  * *  ", ["02-01 00:00:00"]),
    ],
)
def test_times(text: str, expected: list[str]) -> None:
    assert due(text, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 12 * * 7", ["01-03", "01-10"]),
        ("0 12 * * 0", ["01-03", "01-10"]),
        ("0 12 * * 5-7", ["01-01", "01-02", "01-03", "01-08"]),
        ("0 12 * * FRI-MON", ["01-01", "01-02", "01-03", "01-04", "01-08"]),
        ("0 12 * * 7-2", ["01-03", "01-04", "01-05", "01-10"]),
        ("0 12 * * 7/2", ["01-02", "01-03", "01-05", "01-07"]),
        ("0 12 * * 7-7", ["01-03", "01-10"]),
        ("0 12 * * mon,Wed", ["01-04", "01-06", "01-11"]),
        ("0 12 L * *", ["01-31", "02-28", "03-31"]),
        ("0 12 L-2 * *", ["01-29", "02-26", "03-29"]),
        ("0 12 LW * *", ["01-29", "02-26", "03-31"]),
        ("0 12 1W * *", ["01-01", "02-01", "03-01", "04-01", "05-03"]),
        ("0 12 31W * *", ["01-29", "03-31", "05-31", "07-30"]),
        ("0 12 1,L * *", ["01-01", "01-31", "02-01", "02-28"]),
        ("0 12 * * FRIL", ["01-29", "02-26", "03-26"]),
        ("0 12 * * 7L", ["01-31", "02-28"]),
        ("0 12 * * MON#1,5#5", ["01-04", "01-29", "02-01", "03-01"]),
        ("0 12 25-5 2 *", ["02-01", "02-02", "02-03", "02-04", "02-05", "02-25"]),
        ("0 12 L-29 * *", ["01-02", "03-02", "04-01"]),
    ],
)
def test_days(text: str, expected: list[str]) -> None:
    assert days(text, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # One of two named fields suffices.
        ("0 12 13 * FRI", ["01-01", "01-08", "01-13", "01-15"]),
        ("0 0 12 13 * FRI", ["01-01", "01-08", "01-13", "01-15"]),
        # Five fields are Debian's: a star with a step is still a star, so both must match.
        ("0 12 */2 * MON", ["01-11", "01-25", "02-01"]),
        # Six are Dkron's: a step takes the star away, so either suffices.
        ("0 0 12 */2 * MON", ["01-01", "01-03", "01-04", "01-05"]),
        ("0 0 12 */1 * MON", ["01-04", "01-11"]),
        ("0 0 12 ? * MON", ["01-04", "01-11"]),
    ],
)
def test_which_days_match_when_both_day_fields_are_named(text: str, expected: list[str]) -> None:
    assert days(text, len(expected)) == expected


def test_six_fields_read_what_dkron_reads() -> None:
    assert due("0 ?-5 ? * * *", 2) == due("0 * * * * *", 2)
    assert due("0 ,30,, * * * *", 2) == ["01-01 00:30:00", "01-01 01:30:00"]


def test_29_february_is_found_across_a_century_without_one() -> None:
    found = parse("0 0 29 2 *").next(datetime(2096, 3, 1, tzinfo=UTC))
    assert found == datetime(2104, 2, 29, tzinfo=UTC)


def test_rare_days_are_found_both_ways() -> None:
    schedule = parse("0 0 29 2 */7")  # a Sunday, both must match
    assert schedule.next(START) == datetime(2032, 2, 29, tzinfo=UTC)
    assert schedule.prev(START) == datetime(2004, 2, 29, tzinfo=UTC)


def test_the_ends_of_the_calendar_are_ends_of_the_schedule() -> None:
    schedule = parse("0 0 1 1 *")
    assert schedule.next(datetime(9998, 12, 31, tzinfo=UTC)) is None
    assert schedule.prev(datetime(2, 1, 1, tzinfo=UTC)) is None
    assert parse("@yearly", timezone="Pacific/Kiritimati").next(datetime.max.replace(tzinfo=UTC)) is None


def test_milliseconds_are_strict_on_both_sides() -> None:
    schedule = parse("* * * * * *")
    assert schedule.next_ms(0) == 1000
    assert schedule.next_ms(1) == 1000
    assert schedule.next_ms(999) == 1000
    assert schedule.next_ms(-1) == 0
    assert schedule.prev_ms(1000) == 0
    assert schedule.prev_ms(1001) == 1000
    assert schedule.prev(datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)) == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert schedule.next(datetime(1970, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)) == datetime(
        1970, 1, 1, 0, 0, 1, tzinfo=UTC
    )


def test_period_and_between() -> None:
    schedule = parse("0 */6 * * *")
    assert schedule.period(START).total_seconds() == 6 * 3600  # type: ignore[union-attr]
    assert list(schedule.between(START, START.replace(hour=12))) == [START.replace(hour=6), START.replace(hour=12)]
    assert parse("@at 2027-02-01T00:00:00Z").period(START) is None


def test_a_schedule_knows_its_text_and_zone() -> None:
    schedule = parse("  TZ=Asia/Tokyo   0  0 * * *", timezone="Europe/Berlin")
    assert (schedule.text, schedule.timezone) == ("TZ=Asia/Tokyo 0 0 * * *", "Asia/Tokyo")
    assert str(schedule) == schedule.text
    assert repr(schedule) == "<ZonedSchedule 'TZ=Asia/Tokyo 0 0 * * *' Asia/Tokyo>"
    assert due("CRON_TZ=Asia/Tokyo 0 0 * * *", 1) == ["01-01 15:00:00"]
    assert due("@daily", 1, timezone="Asia/Tokyo") == ["01-01 15:00:00"]
    assert due("TZ=Asia/Tokyo @daily", 1, timezone="Europe/Berlin") == ["01-01 15:00:00"]
