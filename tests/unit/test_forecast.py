"""The forecast counts what the schedules say, and names the worst minutes."""

from __future__ import annotations

from dkronpy.forecast import MINUTE_MS, forecast
from dkronpy.schedule import parse

START = 1_795_435_200_000  # 2026-11-23T12:00:00Z
DAY = 24 * 60 * MINUTE_MS


def test_every_minute_and_every_second_are_counted() -> None:
    found = forecast([("slow", parse("* * * * *")), ("fast", parse("* * * * * *"))], START, START + 10 * MINUTE_MS)
    assert found.runs == 10 + 600
    assert found.minutes[START] == 59  # the window begins after the first second
    assert found.minutes[START + 9 * MINUTE_MS] == 61
    assert found.minutes[START + 10 * MINUTE_MS] == 2


def test_the_worst_minutes_come_first_with_the_jobs_that_make_them() -> None:
    schedules = [(f"hourly-{number}", parse("30 * * * *")) for number in range(7)]
    schedules += [("fast", parse("*/10 * * * * *")), ("never", parse("@manually"))]
    found = forecast(schedules, START, START + DAY, worst=3)
    assert [(one.minute_ms - START) // MINUTE_MS for one in found.worst] == [30, 90, 150]
    assert found.worst[0].runs == 7 + 6
    assert found.worst[0].jobs == ("fast", "hourly-0", "hourly-1", "hourly-2", "hourly-3")


def test_nothing_is_due_is_an_answer() -> None:
    found = forecast([("never", parse("@manually"))], START, START + DAY)
    assert (found.runs, found.minutes, found.worst) == (0, {}, ())


def test_whom_to_spread_is_said_with_what_comes_of_it() -> None:
    schedules = [(f"hourly-{number}", parse("30 * * * *")) for number in range(7)]
    found = forecast([*schedules, ("fast", parse("* * * * *"))], START, START + 7 * DAY)
    assert found.advice is not None
    assert (found.advice.before, found.advice.after) == (8, 2)
    assert set(found.advice.jobs) < {name for name, _ in schedules}
    assert len(found.advice.jobs) == 6, "one may stay where it is"


def test_what_is_due_all_the_time_cannot_be_spread() -> None:
    schedules = [(f"fast-{number}", parse("* * * * *")) for number in range(7)]
    assert forecast(schedules, START, START + DAY).advice is None
