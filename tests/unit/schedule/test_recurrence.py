"""RRULE: dateutil's own answers, far from the start and near clock changes, at bounded cost."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import islice

import pytest
from dateutil.rrule import rrulestr

from dkronpy.schedule import parse

UTC = timezone.utc
START = datetime(2001, 5, 31, 9, 30, tzinfo=UTC)
NOW = datetime(2027, 3, 27, 12, tzinfo=UTC)

RULES = [
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3;BYHOUR=6,18",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE",
    "FREQ=WEEKLY;INTERVAL=3;WKST=SU;BYDAY=SU,SA",
    "FREQ=MONTHLY",  # on the 31st, as the start is
    "FREQ=MONTHLY;INTERVAL=5;BYDAY=-1FR",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=MONTHLY;BYMONTHDAY=-1,15",
    "FREQ=YEARLY",
    "FREQ=YEARLY;INTERVAL=3;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO",
    "FREQ=YEARLY;BYYEARDAY=-1",
    "FREQ=HOURLY;INTERVAL=7",
    "FREQ=MINUTELY;INTERVAL=45;BYDAY=FR",
    "FREQ=SECONDLY;INTERVAL=90;BYHOUR=3",
]


@pytest.mark.parametrize("rule", RULES)
def test_dateutil_agrees_from_the_start(rule: str) -> None:
    schedule = parse(f"DTSTART:20010531T093000 RRULE:{rule}")
    due = schedule.between(datetime(2001, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC))
    assert list(islice(due, 12)) == list(islice(rrulestr(rule, dtstart=START), 12))


@pytest.mark.parametrize("rule", [rule for rule in RULES if "SECONDLY" not in rule])
def test_dateutil_agrees_far_from_the_start_both_ways(rule: str) -> None:
    schedule = parse(f"DTSTART:20010531T093000 RRULE:{rule}")
    other = rrulestr(rule, dtstart=START)
    assert schedule.next(NOW) == other.after(NOW)
    assert schedule.prev(NOW) == other.before(NOW)
    found = schedule.next(NOW)
    assert found is not None
    assert schedule.next(found) == other.after(found)
    assert schedule.prev(found) == other.before(found)


def test_nothing_is_due_before_the_start() -> None:
    schedule = parse("DTSTART:20270101T093000 RRULE:FREQ=DAILY")
    assert schedule.next(datetime(2020, 1, 1, tzinfo=UTC)) == datetime(2027, 1, 1, 9, 30, tzinfo=UTC)
    assert schedule.prev(datetime(2027, 1, 1, 9, 30, tzinfo=UTC)) is None


def test_a_rule_with_a_count_ends() -> None:
    schedule = parse("DTSTART:20270101T093000 RRULE:FREQ=MONTHLY;BYMONTHDAY=31;COUNT=3")
    end = datetime(2028, 1, 1, tzinfo=UTC)
    days = [f"{due:%m-%d}" for due in schedule.between(datetime(2027, 1, 1, tzinfo=UTC), end)]
    assert days == ["01-31", "03-31", "05-31"]
    assert f"{schedule.prev(end):%m-%d}" == "05-31"
    assert schedule.prev(datetime(2027, 1, 31, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("until", "last"), [("20270103", "01-03"), ("20270103T093000", "01-03"), ("20270103T092959", "01-02")]
)
def test_a_rule_with_an_end(until: str, last: str) -> None:
    schedule = parse(f"DTSTART:20270101T093000 RRULE:FREQ=DAILY;UNTIL={until}")
    due = list(schedule.between(datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)))
    assert f"{due[-1]:%m-%d}" == last


def test_zones_and_moments_in_utc() -> None:
    nine_in_berlin = datetime(2027, 7, 1, 7, tzinfo=UTC)
    before = datetime(2027, 6, 30, 12, tzinfo=UTC)
    for text, zone in [
        ("DTSTART:20270101T090000 RRULE:FREQ=DAILY", "Europe/Berlin"),
        ("DTSTART;TZID=Europe/Berlin:20270101T090000 RRULE:FREQ=DAILY", "Asia/Tokyo"),
        ("TZ=Europe/Berlin DTSTART:20270101T080000Z RRULE:FREQ=DAILY", "Asia/Tokyo"),
        ("RRULE:FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0", "Europe/Berlin"),
        ("freq=daily;byhour=9", "Europe/Berlin"),
    ]:
        schedule = parse(text, timezone=zone)
        assert schedule.next(before) == nine_in_berlin, text
        assert schedule.timezone == "Europe/Berlin"


def test_without_a_start_a_rule_counts_from_the_job() -> None:
    made = datetime(2027, 1, 6, 8, 15, 30, 250_000, tzinfo=UTC)
    assert parse("RRULE:FREQ=WEEKLY", anchor=made).next(NOW) == datetime(2027, 3, 31, 8, 15, 30, tzinfo=UTC)
    started = parse("RRULE:FREQ=WEEKLY", starts_at=made)
    assert started.next(datetime(2020, 1, 1, tzinfo=UTC)) == datetime(2027, 1, 6, 8, 15, 31, tzinfo=UTC)


def test_hourly_rules_follow_elapsed_time() -> None:
    schedule = parse("RRULE:FREQ=HOURLY", timezone="Europe/Berlin")
    for start in (datetime(2027, 3, 28, tzinfo=UTC), datetime(2027, 10, 30, 23, tzinfo=UTC)):
        assert list(schedule.between_ms(int(start.timestamp()) * 1000, int(start.timestamp() + 5 * 3600) * 1000)) == [
            int(start.timestamp() + 3600 * hour) * 1000 for hour in range(1, 6)
        ]
