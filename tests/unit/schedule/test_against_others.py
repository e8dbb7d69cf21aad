"""cronsim and croniter as second opinions, where they are right."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from dkronpy.schedule import parse
from tests.unit.schedule.slow_clock import Expression, expressions
from tests.unit.schedule.test_clock_changes import fires

UTC = timezone.utc
moments = st.integers(946_684_800, 4_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))


# What cronsim reads in its own way is left out: ranges that wrap and `?` it refuses, of
# a star in a list it makes something else, and `0-0/2` is `0/2` to it.
def cronsim_reads(expression: Expression) -> bool:
    for place, field in enumerate(expression.fields):
        if "?" in field.text or ("," in field.text and "*" in field.text):
            return False
        for item in field.text.split(","):
            low, _, high = item.partition("/")[0].partition("-")
            if high and (int(high) < int(low) or (high == low and "/" in item)):
                return False
            # For cronsim a day of the week goes up to 7, so that 5/2 has Sunday in it.
            if place == 4 and "/" in item and not high:
                return False
    return True


# croniter refuses 29-31 in short months in lists, reads `1-1` as "all" and joins days by its own rule, so it is asked
# only about single items, and about day of month or day of week but not both.
def croniter_reads(expression: Expression) -> bool:
    minute, hour, day, month, weekday = (field.text for field in expression.fields)
    if day != "*" and weekday != "*":
        return False
    for text in (minute, hour, day, month, weekday):
        if "?" in text or "," in text or ("/" in text and not text.startswith("*")):
            return False
        low, _, high = text.partition("/")[0].partition("-")
        if high and int(high) <= int(low):
            return False
    return True


@settings(max_examples=300, deadline=None)
@given(expression=expressions(), start=moments)
def test_cronsim_agrees_where_clocks_do_not_change(expression: Expression, start: datetime) -> None:
    if not cronsim_reads(expression) or not fires(expression):
        return
    due = parse(expression.text).between(start, datetime(2200, 1, 1, tzinfo=UTC))
    assert list(islice(due, 5)) == list(islice(CronSim(expression.text, start), 5))


# Lord Howe, Chatham, Santiago and Havana are left out: there cronsim errs or hangs for ever.
@settings(max_examples=150, deadline=None)
@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    zone=st.sampled_from(["Europe/Berlin", "Europe/London", "America/New_York", "UTC"]),
    start=moments,
)
def test_cronsim_agrees_on_daily_jobs_in_whole_hour_zones(minute: int, hour: int, zone: str, start: datetime) -> None:
    # From noon, since cronsim that starts inside a repeated hour may answer with a time before the start.
    local = start.astimezone(ZoneInfo(zone)).replace(hour=12, minute=0, second=0, fold=0)
    text = f"{minute} {hour} * * *"
    due = parse(text, timezone=zone).between(local, local + timedelta(days=400))
    expected = [found.astimezone(UTC) for found in islice(CronSim(text, local), 390)]
    assert list(islice(due, 390)) == expected


@settings(max_examples=200, deadline=None)
@given(expression=expressions(), start=moments)
def test_croniter_agrees_forwards_and_backwards(expression: Expression, start: datetime) -> None:
    if not croniter_reads(expression) or not fires(expression):
        return
    schedule = parse(expression.text)
    assert schedule.next(start) == croniter(expression.text, start).get_next(datetime)
    assert schedule.prev(start) == croniter(expression.text, start).get_prev(datetime)


@pytest.mark.parametrize("text", ["0 0 L * *", "0 0 * * 5L", "0 0 * * 1#2", "0 0 LW * *", "0 0 * * 0#5"])
def test_cronsim_agrees_on_last_days_and_nth_weekdays(text: str) -> None:
    start = datetime(2026, 1, 15, tzinfo=UTC)
    due = parse(text).between(start, datetime(2060, 1, 1, tzinfo=UTC))
    assert list(islice(due, 60)) == list(islice(CronSim(text, start), 60))


@pytest.mark.parametrize("day", [1, 2, 15, 27, 28])
# A 29th that a month lacks has no workday near it; croniter takes the last one of the month.
def test_croniter_agrees_on_nearest_workdays(day: int) -> None:
    start = datetime(2026, 1, 15, tzinfo=UTC)
    due = parse(f"0 0 {day}W * *").between(start, datetime(2060, 1, 1, tzinfo=UTC))
    other = croniter(f"0 0 {day}W * *", start)
    assert list(islice(due, 60)) == [other.get_next(datetime) for _ in range(60)]
