"""When Dkron's schedules are due, statement by statement, and that the same holds here.

The numbers are those of ``test_dkron_semantics.py``: 2.1 grammar, 2.2 errors, 2.3 spread, 2.4 zones, 2.5 clock changes,
2.6 a zone in the schedule, 2.7 bounds.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from dkronpy.clock import to_ms
from tests.conformance.test_dkron_semantics import UTC, due, given, problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 30 2 * * *", (2026, 1, 2, 2, 30)),
        ("*/15 * * * * *", (2026, 1, 1, 12, 0, 15)),
        ("0 0 0 1 JAN ?", (2027, 1, 1)),
        ("0 0 0 * * MON", (2026, 1, 5)),
        ("0 0 0 */2 * MON", (2026, 1, 3)),
        ("@yearly", (2027, 1, 1)),
        ("@monthly", (2026, 2, 1)),
        ("@weekly", (2026, 1, 4)),
        ("@midnight", (2026, 1, 2)),
        ("@hourly", (2026, 1, 1, 13)),
        ("@minutely", (2026, 1, 1, 12, 1)),
        ("@at 2026-03-01T00:00:00Z", (2026, 3, 1)),
        ("@every 1h30m", (2026, 1, 1, 13, 30)),
        ("TZ=Europe/Madrid 0 0 9 * * *", (2026, 1, 2, 8)),
    ],
)
def test_2_1_schedules_mean_what_they_mean_there(text: str, expected: tuple[int, ...]) -> None:
    assert due(text, 2026, 1, 1, 12)[0] == datetime(*expected, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("text", ["@manually", "@at 2020-01-01T00:00:00Z"])
def test_2_1_some_are_never_due(text: str) -> None:
    assert due(text, 2026, 1, 1) == []


@pytest.mark.parametrize("text", ["0 61 * * * *", "0 0 0 0 * *", "@at tomorrow", "@every", "@hurly", "0 0 50-10 * * *"])
def test_2_2_what_cannot_be_read_is_refused(text: str) -> None:
    assert [one.field for one in given(schedule=text).check()] == ["schedule"]


@pytest.mark.parametrize(
    ("name", "fields"), [("test_job", (18, 18, 18)), ("backup", (30, 30, 6)), ("a", (37, 37, 1)), ("éa", (30, 30, 18))]
)
def test_2_3_the_tilde_is_a_hash_of_the_name(name: str, fields: tuple[int, int, int]) -> None:
    first = due("~ ~ ~ * * *", 2026, 1, 1, name=name)[0]
    assert (first.second, first.minute, first.hour) == fields


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5/20 * * * * *", [(12, 0, 5), (12, 0, 25), (12, 0, 45)]),  # from 5 to the greatest there is
        ("0 */70 * * * *", [(13, 0, 0), (14, 0, 0), (15, 0, 0)]),  # a step that is too great leaves the least value
        ("0 *-5 * * * *", [(12, 1, 0), (12, 2, 0), (12, 3, 0)]),  # what follows a star's hyphen says nothing
        ("? ? ? ? ? ?", [(12, 0, 1), (12, 0, 2), (12, 0, 3)]),  # a question mark is a star in every field
        ("+5 05 * * * *", [(12, 5, 5), (13, 5, 5), (14, 5, 5)]),
        ("0,,30 0 13 * * *", [(13, 0, 0), (13, 0, 30), (13, 0, 0)]),  # what is empty in a list is left out
        ("@every 90s", [(12, 1, 30), (12, 3, 0), (12, 4, 30)]),  # the first a whole span after it was saved
        ("TZ=Europe/Madrid @every 1h", [(13, 0, 0), (14, 0, 0), (15, 0, 0)]),
        ("CRON_TZ=Asia/Tokyo 0 0 9 * * *", [(0, 0, 0), (0, 0, 0), (0, 0, 0)]),
        ("TZ=Europe/Madrid @daily", [(23, 0, 0), (23, 0, 0), (23, 0, 0)]),
    ],
)
def test_2_1_fields_zones_and_spans_are_read_as_there(text: str, expected: list[tuple[int, int, int]]) -> None:
    assert [(one.hour, one.minute, one.second) for one in due(text, 2026, 1, 1, 12)] == expected


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 0 0 13 * FRI", [2, 9, 13]),  # neither is a star: either will do
        ("0 0 0 1-8 * ?", [2, 3, 4]),  # one is: both have to fit
        ("0 0 0 ? * mon", [5, 12, 19]),  # names in any case
        ("0 0 0 */2 * MON", [3, 5, 7]),  # a star with a step is none
    ],
)
def test_2_1_days_of_month_and_week(text: str, days: list[int]) -> None:
    assert [one.day for one in due(text, 2026, 1, 1, 12)] == days


def test_2_1_after_a_moment_within_a_grace_period_it_is_due_once() -> None:
    text = "@after 2026-03-01T00:00:00Z <PT1H"
    assert due(text, 2026, 2, 1) == [datetime(2026, 3, 1, tzinfo=UTC)]  # in Dkron twice: the mark of the first is lost
    schedule = given(schedule=text).parsed_schedule()
    within, later = datetime(2026, 3, 1, 0, 30, tzinfo=UTC), datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
    assert schedule.first_ms(to_ms(within)) == to_ms(datetime(2026, 3, 1, tzinfo=UTC))  # owed at once
    assert schedule.first_ms(to_ms(later)) is None


@pytest.mark.parametrize(
    "text",
    [
        "0 0 0 * * MONDAY", "1-2-3 * * * * *", "1/2/3 * * * * *", "*/0 * * * * *", "@every often",
        "@at 2026-03-01T00:00:00", "@after 2026-03-01T00:00:00Z PT1H", "@after 2026-03-01T00:00:00Z <PT0S",
        "@after 2026-03-01T00:00:00Z <soon",
        "TZ=Europe/Madrid", "TZ=Mars/Base @daily", "0 0 0 1 1 * *",
    ],
)  # fmt: skip
def test_2_2_what_dkron_cannot_read_either_is_one_line_that_names_it(text: str) -> None:
    # Dkron dies of a zone with nothing after it; here it is refused as everything else is
    (one,) = given(schedule=text).check()
    assert one.field == "schedule"
    assert "\n" not in one.message


@pytest.mark.parametrize("text", ["0 0 0 30 2 *", "0 , * * * *"])
def test_2_2_what_is_never_due_is_refused(text: str) -> None:
    # Dkron takes it, and never runs it
    assert "never fires" in problem(schedule=text)


def test_2_2_a_job_without_a_schedule_needs_a_parent() -> None:
    assert "no schedule" in problem(schedule="")
    assert given(schedule="", parent_job="other").check() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", (2026, 1, 2, 2, 30)),  # five fields
        ("0 0 0 * * 7", (2026, 1, 4)),
        ("0 0 0 * * SAT-SUN", (2026, 1, 3)),
        ("0 0 0 L * *", (2026, 1, 31)),
        ("0 0 0 15W * *", (2026, 1, 15)),
        ("0 0 0 * * MON#2", (2026, 1, 12)),
        ("@DAILY ", (2026, 1, 2)),
        ("@every 1d", (2026, 1, 2, 12)),
        ("TZ=UTC @minutely", (2026, 1, 1, 12, 1)),
    ],
)
def test_2_1_what_dkron_refuses_and_people_write_is_understood(text: str, expected: tuple[int, ...]) -> None:
    assert due(text, 2026, 1, 1, 12)[0] == datetime(*expected, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("name", "day", "month", "weekday"),
    [("test_job", 19, 7, 4), ("backup", 15, 7, 0), ("a", 14, 2, 6), ("éa", 23, 7, 1)],
)
def test_2_3_the_tilde_stands_for_days_and_months_too(name: str, day: int, month: int, weekday: int) -> None:
    first = due("0 0 0 ~ ~ *", 2026, 1, 1, name=name)[0]
    assert (first.day, first.month) == (day, month)
    assert due("0 0 0 * * ~", 2026, 1, 1, name=name)[0].isoweekday() % 7 == weekday


def test_2_3_a_tilde_with_a_step_begins_at_the_hash() -> None:
    # Dkron's documentation promises four times an hour, spread; what runs there is this
    found = due("0 ~/15 * * * *", 2026, 1, 1, 12, name="test_job", count=4)
    assert [(one.hour, one.minute) for one in found] == [(12, 18), (12, 33), (12, 48), (13, 18)]


def test_2_3_the_hash_does_not_heed_a_zone_in_front() -> None:
    assert due("TZ=UTC ~ ~ ~ * * *", 2026, 1, 1, name="backup") == due("~ ~ ~ * * *", 2026, 1, 1, name="backup")


def test_2_4_the_zone_of_the_job_counts_for_descriptors_too() -> None:
    # Dkron reads @daily in the server's zone: a defect, which its own documentation denies
    assert due("@daily", 2026, 6, 1, 12, timezone="Europe/Madrid")[0] == datetime(2026, 6, 1, 22, tzinfo=UTC)


def test_2_6_a_zone_in_the_schedule_wins() -> None:
    assert due("TZ=UTC 0 0 9 * * *", 2026, 1, 1, timezone="Asia/Tokyo")[0] == datetime(2026, 1, 1, 9, tzinfo=UTC)


def test_2_5_hours_that_repeat_and_hours_that_are_missing() -> None:
    hourly = due("0 0 * * * *", 2026, 11, 1, 4, count=4, timezone="America/New_York")
    assert [moment.hour for moment in hourly] == [5, 6, 7, 8]
    # Dkron skips a fixed time in a gap and doubles it in an overlap: here it is due once
    assert due("0 30 2 * * *", 2026, 3, 8, 5, timezone="America/New_York")[0] == datetime(2026, 3, 8, 7, tzinfo=UTC)
    once = due("0 30 1 * * *", 2026, 11, 1, 4, count=2, timezone="America/New_York")
    assert once[1] - once[0] == timedelta(hours=25)


@pytest.mark.parametrize(
    ("zone", "text", "after", "expected"),
    [
        # Dkron leaves these out, the second for a whole year
        ("America/Havana", "0 0 0 * * *", (2026, 3, 8, 4, 30), (2026, 3, 8, 5)),
        ("America/Sao_Paulo", "0 0 0 4 11 *", (2018, 11, 3), (2018, 11, 4, 3)),
        ("Australia/Lord_Howe", "0 15 2 * * *", (2026, 10, 3), (2026, 10, 3, 15, 30)),
    ],
)
def test_2_5_a_time_that_is_missing_is_due_when_the_gap_ends(
    zone: str, text: str, after: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert due(text, *after, timezone=zone)[0] == datetime(*expected, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_2_5_spans_are_of_elapsed_time() -> None:
    first, second = due("@every 12h", 2026, 3, 7, 20, timezone="America/New_York", count=2)
    assert second - first == timedelta(hours=12)


def test_2_5_a_job_may_ask_for_what_dkron_does() -> None:
    dkrons = {"timezone": "America/New_York", "gap": "skip", "overlap": "both"}
    assert due("0 30 2 * * *", 2026, 3, 8, 5, **dkrons)[0] == datetime(2026, 3, 9, 6, 30, tzinfo=UTC)
    twice = due("0 30 1 * * *", 2026, 11, 1, 4, count=2, **dkrons)
    assert twice[1] - twice[0] == timedelta(hours=1)


def test_2_4_without_a_zone_anywhere_it_is_utc_whatever_the_machine_thinks() -> None:
    # in Dkron it is the zone of whichever server leads
    assert due("0 0 9 * * *", 2026, 1, 1)[0] == datetime(2026, 1, 1, 9, tzinfo=UTC)


def test_2_7_due_times_lie_within_the_bounds() -> None:
    found = due("@hourly", 2026, 1, 1, count=9, starts_at="2026-01-01T02:30:00Z", expires_at="2026-01-01T05:00:00Z")
    assert [moment.hour for moment in found] == [3, 4, 5]
