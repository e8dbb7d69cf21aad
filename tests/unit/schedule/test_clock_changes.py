"""Due times around clock changes: the table of the documentation, and a brute-force clock as judge."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dkronpy.schedule import parse
from tests.unit.schedule.slow_clock import CHANGES, Expression, due_times, expressions, frequent_expressions

UTC = timezone.utc
SPRING = datetime(2027, 3, 27, 22, tzinfo=UTC)  # Berlin: 28 March, 02:00 becomes 03:00
AUTUMN = datetime(2027, 10, 30, 20, tzinfo=UTC)  # Berlin: 31 October, 03:00 becomes 02:00
NIGHT = timedelta(hours=10)


def local_times(text: str, start: datetime, zone: str = "Europe/Berlin", **options: str) -> list[str]:
    schedule = parse(text, timezone=zone, **options)  # type: ignore[arg-type]
    return [
        moment.astimezone(ZoneInfo(zone)).strftime("%H:%M:%S %Z").replace(":00 ", " ")
        for moment in schedule.between(start, start + NIGHT)
    ]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("30 2 * * *", {}, ["03:00 CEST"]),
        ("0 30 2 * * *", {}, ["03:00 CEST"]),
        ("30 2 * * *", {"gap": "before"}, ["01:59:59 CET"]),
        ("30 2 * * *", {"gap": "skip"}, []),
        ("0,15,30 2 * * *", {}, ["03:00 CEST"]),
        ("0 2,3 * * *", {}, ["03:00 CEST"]),
        ("* 30 2 * * *", {}, ["03:00 CEST"]),
        ("*/15 2 * * *", {}, []),
        ("30 */2 * * *", {}, ["00:30 CET", "04:30 CEST", "06:30 CEST", "08:30 CEST"]),
        ("30 1-3 * * *", {}, ["01:30 CET", "03:00 CEST", "03:30 CEST"]),
        ("RRULE:FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYSECOND=0", {}, ["03:00 CEST"]),
    ],
)
def test_a_gap(text: str, options: dict[str, str], expected: list[str]) -> None:
    assert local_times(text, SPRING, **options) == expected


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("30 2 * * *", {}, ["02:30 CEST"]),
        ("0 30 2 * * *", {}, ["02:30 CEST"]),
        ("30 2 * * *", {"overlap": "second"}, ["02:30 CET"]),
        ("30 2 * * *", {"overlap": "both"}, ["02:30 CEST", "02:30 CET"]),
        ("*/30 2 * * *", {}, ["02:00 CEST", "02:30 CEST", "02:00 CET", "02:30 CET"]),
        ("0 1-3 * * *", {}, ["01:00 CEST", "02:00 CEST", "03:00 CET"]),
        ("RRULE:FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYSECOND=0", {}, ["02:30 CEST"]),
    ],
)
def test_an_overlap(text: str, options: dict[str, str], expected: list[str]) -> None:
    assert local_times(text, AUTUMN, **options) == expected


@pytest.mark.parametrize(
    ("text", "options", "minutes"),
    [
        ("*/30 2 31 10 *", {}, [0, 30, 60, 90]),
        ("0,30 2 31 10 *", {"overlap": "both"}, [0, 30, 60, 90]),
        ("30 2 31 10 *", {"overlap": "both"}, [30, 90]),
    ],
)
def test_a_yearly_night_keeps_both_its_hours(text: str, options: dict[str, str], minutes: list[int]) -> None:
    first = datetime(2027, 10, 31, 0, tzinfo=UTC)  # 02:00 CEST; 02:00 comes again after an hour
    expected = [first + timedelta(minutes=minute) for minute in minutes]
    for sooner, later in pairwise(expected):
        # Fresh each time, so that nothing is remembered from the answer before.
        fresh = parse(text, timezone="Europe/Berlin", **options)  # type: ignore[arg-type]
        assert fresh.next(sooner) == later
        assert fresh.prev(later) == sooner
    schedule = parse(text, timezone="Europe/Berlin", **options)  # type: ignore[arg-type]
    assert list(schedule.between(first - timedelta(days=300), first + timedelta(days=300))) == expected


def test_a_missing_midnight_is_made_up_for() -> None:
    # Havana, 14 March 2027: clocks go from 00:00 to 01:00.
    start = datetime(2027, 3, 14, 0, tzinfo=UTC)
    assert local_times("@daily", start, "America/Havana") == ["01:00 CDT"]


def test_hourly_jobs_keep_their_pace() -> None:
    for start in (SPRING, AUTUMN):
        schedule = parse("30 * * * *", timezone="Europe/Berlin")
        due = list(schedule.between(start, start + NIGHT))
        assert {later - sooner for sooner, later in itertools.pairwise(due)} == {timedelta(hours=1)}


def test_an_elapsed_time_schedule_whose_times_all_fall_into_gaps_has_none_left() -> None:
    # The last Sunday of March is the day of the gap in Berlin, every year.
    assert parse("*/5 2 * 3 SUNL", timezone="Europe/Berlin").next(SPRING) is None
    assert parse("*/5 2 * 3 SUNL", timezone="Europe/Berlin").prev(SPRING.replace(year=2000)) is not None  # before 1980


def test_the_expression_that_hangs_cronsim_ends() -> None:
    found = parse("* 3 * * *", timezone="Pacific/Chatham").next(datetime(2027, 4, 3, 12, tzinfo=UTC))
    assert found == datetime(2027, 4, 3, 13, 15, tzinfo=UTC)


def check(expression: Expression, change: tuple[str, datetime], reach: timedelta, **options: str) -> None:
    zone, moment = change
    start, end = moment - reach, moment + reach
    expected = due_times(expression, zone, start, end, **options)
    schedule = parse(expression.text, timezone=zone, **options)  # type: ignore[arg-type]
    assert list(schedule.between(start, end)) == expected
    # Backwards over the same stretch, and from every due time to its neighbours.
    backwards = []
    found = schedule.prev(end + timedelta(milliseconds=1))
    while found is not None and found > start:
        backwards.append(found)
        found = schedule.prev(found)
    assert backwards[::-1] == expected
    for due in expected[:5]:
        assert schedule.next(due - timedelta(milliseconds=1)) == due


changes = st.sampled_from(CHANGES)
policies = st.fixed_dictionaries(
    {"gap": st.sampled_from(["skip", "before", "after"]), "overlap": st.sampled_from(["first", "second", "both"])}
)


@settings(max_examples=250, deadline=None)
@given(expression=frequent_expressions(), change=changes, options=policies)
def test_minutes_around_clock_changes(
    expression: Expression, change: tuple[str, datetime], options: dict[str, str]
) -> None:
    check(expression, change, timedelta(hours=13), **options)


@settings(max_examples=60, deadline=None)
@given(expression=frequent_expressions(seconds=True), change=changes, options=policies)
def test_seconds_around_clock_changes(
    expression: Expression, change: tuple[str, datetime], options: dict[str, str]
) -> None:
    check(expression, change, timedelta(minutes=75), **options)


@settings(max_examples=60, deadline=None)
@given(expression=expressions(), change=changes)
def test_any_expression_around_clock_changes(expression: Expression, change: tuple[str, datetime]) -> None:
    if fires(expression):
        check(expression, change, timedelta(hours=30))


@settings(max_examples=150, deadline=None)
@given(
    expression=frequent_expressions(),
    zone=st.sampled_from(sorted({zone for zone, _ in CHANGES})),
    second=st.integers(0, 4_000_000_000),
)
def test_next_and_prev_are_each_others_mirror(expression: Expression, zone: str, second: int) -> None:
    schedule = parse(expression.text, timezone=zone)
    due = schedule.next_ms(second * 1000)
    assert due is not None
    assert due > second * 1000
    assert schedule.prev_ms(due + 1) == due
    before = schedule.prev_ms(due)
    if before is not None:
        assert before <= second * 1000
        assert schedule.next_ms(before) == due


def fires(expression: Expression) -> bool:
    days = {datetime(2024, 1, 1) + timedelta(days=day) for day in range(366 * 4)}  # noqa: DTZ001
    clock = [min(field.values) for field in expression.fields[:2]]
    return any(expression.matches(day.replace(minute=clock[0], hour=clock[1])) for day in days)
