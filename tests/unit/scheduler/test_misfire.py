"""What becomes of due times that nobody served in time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

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
