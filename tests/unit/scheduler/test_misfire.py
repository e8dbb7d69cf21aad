"""What becomes of due times that nobody served in time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dkronpy.clock import to_ms
from dkronpy.schedule import parse
from dkronpy.scheduler.misfire import ALL_AT_ONCE, Skip, decide

DUE = to_ms(datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc))
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


def test_what_is_on_time_runs_whatever_the_policy() -> None:
    for policy in ("none", "latest", "all"):
        decision = decide(parse("* * * * *"), DUE, DUE + 4 * SECOND, policy)
        assert (decision.fire, decision.skip, decision.following_ms) == ((DUE,), (), DUE + MINUTE)


def test_a_short_stall_of_a_job_of_every_second_skips_nothing() -> None:
    decision = decide(parse("* * * * * *"), DUE, DUE + 3 * SECOND, "latest")
    assert decision.fire == (DUE, DUE + SECOND, DUE + 2 * SECOND, DUE + 3 * SECOND)
    assert decision.skip == ()


def test_a_beat_that_is_behind_and_was_never_away_skips_nothing() -> None:
    for policy in ("none", "latest", "all"):
        decision = decide(parse("*/5 * * * * *"), DUE, DUE + 12 * SECOND, policy, on_time_ms=20 * SECOND)
        assert decision.fire == (DUE, DUE + 5 * SECOND, DUE + 10 * SECOND)
        assert (decision.skip, decision.made_up, decision.following_ms) == ((), 0, DUE + 15 * SECOND)


def test_latest_runs_the_latest_and_records_the_others() -> None:
    decision = decide(parse("* * * * *"), DUE, DUE + 3 * MINUTE + 30 * SECOND, "latest")
    assert decision.fire == (DUE + 3 * MINUTE,)
    assert decision.skip == tuple(Skip(due_ms=DUE + n * MINUTE, reason="misfire_collapsed") for n in range(3))
    assert decision.following_ms == DUE + 4 * MINUTE


def test_a_daily_backup_that_was_missed_by_hours_is_made_up_for() -> None:
    assert decide(parse("0 12 * * *"), DUE, DUE + 4 * HOUR, "latest").fire == (DUE,)


def test_none_makes_up_for_nothing() -> None:
    decision = decide(parse("* * * * *"), DUE, DUE + MINUTE + 30 * SECOND, "none")
    assert decision.fire == ()
    assert [skip.reason for skip in decision.skip] == ["misfire_late", "misfire_late"]


def test_none_still_runs_the_one_that_is_on_time() -> None:
    decision = decide(parse("* * * * *"), DUE, DUE + 2 * MINUTE + SECOND, "none")
    assert decision.fire == (DUE + 2 * MINUTE,)
    assert [skip.reason for skip in decision.skip] == ["misfire_late", "misfire_late"]


def test_all_runs_each_a_bounded_number_at_a_time() -> None:
    decision = decide(parse("* * * * * *"), DUE, DUE + 1000 * SECOND, "all")
    assert len(decision.fire) == ALL_AT_ONCE
    assert decision.following_ms == DUE + ALL_AT_ONCE * SECOND


@pytest.mark.parametrize("policy", ["latest", "all"])
def test_what_is_stale_is_never_made_up_for(policy: str) -> None:
    decision = decide(parse("@at 2026-11-23T12:00:00Z"), DUE, DUE + 25 * HOUR, policy)
    assert decision.fire == ()
    assert decision.skip == (Skip(due_ms=DUE, reason="misfire_late"),)


def test_many_skipped_due_times_share_a_record() -> None:
    decision = decide(parse("* * * * * *"), DUE, DUE + 600 * SECOND, "latest")
    (skip,) = decision.skip
    assert (skip.due_ms, skip.until_ms, skip.count) == (DUE, DUE + 594 * SECOND, 595)
    assert len(decision.fire) == 6


def test_a_year_of_missed_seconds_is_worked_off_in_bounded_steps() -> None:
    schedule, now, due, counted = parse("* * * * * *"), DUE + 10 * 24 * HOUR, DUE, 0
    for _ in range(10):
        decision = decide(schedule, due, now, "latest")
        counted += sum(skip.count for skip in decision.skip) + len(decision.fire)
        assert decision.following_ms is not None
        due = decision.following_ms
        if due > now:
            break
    assert counted == 10 * 24 * 3600 + 1


def test_after_runs_late_within_its_grace_and_not_beyond() -> None:
    schedule = parse("@after 2026-11-23T12:00:00Z <P30D")
    assert decide(schedule, DUE, DUE + 20 * 24 * HOUR, "none").fire == (DUE,)
    assert decide(schedule, DUE, DUE + 31 * 24 * HOUR, "latest").fire == ()
    assert schedule.grace == timedelta(days=30)


def worked_off(policy: str, missed: int, **more: Any) -> tuple[list[int], list[Skip]]:
    """What becomes of so many missed seconds, step by step, by the number of the second."""
    schedule, now = parse("* * * * * *"), DUE + missed * SECOND
    fired: list[int] = []
    skipped: list[Skip] = []
    due: int | None = DUE
    while due is not None and due <= now:
        decision = decide(schedule, due, now, policy, **more)
        fired += [(one - DUE) // SECOND for one in decision.fire]
        skipped += decision.skip
        due = decision.following_ms
    return fired, skipped


def test_all_makes_up_for_the_latest_within_its_limit() -> None:
    fired, skipped = worked_off("all", 1000, limit=250)
    assert fired == list(range(1000 - 5 - 250, 1001))
    assert [(skip.count, skip.reason) for skip in skipped] == [(745, "misfire_collapsed")]


@pytest.mark.parametrize("policy", ["latest", "all"])
def test_the_window_is_the_jobs_own(policy: str) -> None:
    hourly = parse("0 * * * *")
    decision = decide(hourly, DUE, DUE + 5 * HOUR + MINUTE, policy, window=timedelta(hours=2, minutes=30))
    assert {(skip.due_ms, skip.reason) for skip in decision.skip if skip.reason == "misfire_late"} == {
        (DUE + n * HOUR, "misfire_late") for n in range(3)
    }
    assert decision.fire[-1] == DUE + 5 * HOUR
    assert len(decision.fire) == (1 if policy == "latest" else 3)


def test_what_is_stale_says_so_and_what_was_collapsed_says_that() -> None:
    decision = decide(parse("0 * * * *"), DUE, DUE + 3 * HOUR + MINUTE, "latest", window=timedelta(hours=2))
    assert [skip.reason for skip in decision.skip] == ["misfire_late", "misfire_late", "misfire_collapsed"]


@pytest.mark.parametrize("days", [1, 3, 10])
@pytest.mark.parametrize(("policy", "limit"), [("none", None), ("latest", None), ("all", None), ("all", 300)])
def test_a_long_outage_leaves_a_record_of_every_due_time_and_no_burst(
    policy: str, limit: int | None, days: int
) -> None:
    missed = days * 24 * 3600
    fired, skipped = worked_off(policy, missed, limit=limit, window=timedelta(hours=2))
    assert len(fired) + sum(skip.count for skip in skipped) == missed + 1
    expected = {"none": 6, "latest": 6, "all": 7201 if limit is None else limit + 6}[policy]
    assert len(fired) == expected
    assert fired == sorted(set(fired))
    assert fired[-1] == missed
