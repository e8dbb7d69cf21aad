"""The audit finds what is missing, doubled, unexpected, early and late, and nothing else."""

from __future__ import annotations

from dkronpy.audit import audit
from dkronpy.execution import Run
from dkronpy.schedule import parse

EVERY_MINUTE = parse("* * * * *")
MINUTE = 60_000
START = 1_795_435_200_000  # 2026-11-23T12:00:00Z


def run(due: int, *, fired: int | None = None, state: str = "success", **more: object) -> Run:
    return Run(id=str(due), job="job", due_ms=due, fired_ms=due + 5 if fired is None else fired, state=state, **more)  # type: ignore[arg-type]


def due(*minutes: int) -> list[int]:
    return [START + minute * MINUTE for minute in minutes]


def test_a_window_in_which_all_went_well() -> None:
    found = audit(EVERY_MINUTE, [run(ms) for ms in due(1, 2, 3)], START, START + 3 * MINUTE)
    assert (found.owed, found.ran, found.skipped, found.clean, found.late) == (3, 3, 0, True, ())


def test_what_nobody_knows_of_is_missing() -> None:
    found = audit(EVERY_MINUTE, [run(START + MINUTE)], START, START + 3 * MINUTE)
    assert found.missing == tuple(due(2, 3))
    assert not found.clean


def test_two_records_of_one_due_time_are_doubled() -> None:
    found = audit(EVERY_MINUTE, [run(START + MINUTE), run(START + MINUTE)], START, START + MINUTE)
    assert found.doubled == (START + MINUTE,)
    assert not found.clean


def test_a_record_of_a_moment_that_was_not_owed_is_unexpected() -> None:
    found = audit(EVERY_MINUTE, [run(START + MINUTE), run(START + MINUTE + 1)], START, START + MINUTE + 10)
    assert found.unexpected == (START + MINUTE + 1,)


def test_early_is_a_breach_and_late_is_not() -> None:
    early, late = run(START + MINUTE, fired=START), run(START + 2 * MINUTE, fired=START + 3 * MINUTE)
    found = audit(EVERY_MINUTE, [early, late], START, START + 2 * MINUTE)
    assert (found.early, found.late) == ((START + MINUTE,), (START + 2 * MINUTE,))
    assert not found.clean


def test_a_range_record_stands_for_each_due_time_in_it() -> None:
    skipped = run(START + MINUTE, state="skipped", until_ms=START + 500 * MINUTE, count=500)
    found = audit(EVERY_MINUTE, [skipped, run(START + 501 * MINUTE)], START, START + 501 * MINUTE)
    assert (found.owed, found.skipped, found.ran, found.clean) == (501, 500, 1, True)


def test_runs_by_hand_do_not_count() -> None:
    by_hand = run(START + MINUTE + 7, trigger="manual")
    assert audit(EVERY_MINUTE, [run(START + MINUTE), by_hand], START, START + MINUTE + 10).clean


def test_a_backfill_makes_up_for_what_is_missing_and_doubles_what_succeeded() -> None:
    made_up = run(START + MINUTE, fired=START + 90 * MINUTE, trigger="backfill")
    found = audit(EVERY_MINUTE, [made_up, run(START + 2 * MINUTE)], START, START + 2 * MINUTE)
    assert (found.owed, found.ran, found.backfilled, found.missing, found.late, found.clean) == (2, 1, 1, (), (), True)

    failed_before = [run(START + MINUTE, state="failed"), made_up]
    assert audit(EVERY_MINUTE, failed_before, START, START + MINUTE).clean

    twice = audit(EVERY_MINUTE, [run(START + MINUTE), made_up], START, START + MINUTE)
    assert twice.doubled == (START + MINUTE,)


def test_a_backfill_of_a_moment_that_was_not_owed_is_unexpected() -> None:
    found = audit(EVERY_MINUTE, [run(START + 7, trigger="backfill")], START, START + 10)
    assert found.unexpected == (START + 7,)
