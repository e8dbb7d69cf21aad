"""How late runs were, measured from their records, and whether their job's promise was kept."""

from __future__ import annotations

from datetime import timedelta

from dkronpy.execution import Attempt, Execution
from dkronpy.lateness import BOUNDS_MS, histogram, lateness

DUE = 1_772_442_000_000


def execution(number: int, queued: int, taken: int, began: int, **fields: object) -> Execution:
    """One that was queued, taken up and begun so many ms after what came before."""
    due = DUE + number * 60_000
    started = due + queued + taken
    attempt = Attempt(number=1, started_ms=started, began_ms=started + began, state="success")
    given: dict[str, object] = {"state": "success", "attempts": (attempt,), **fields}
    return Execution(
        id=f"job@{number}.0", run_id=f"job@{number}", job="job", due_ms=due, queued_ms=due + queued, started_ms=started,
        **given,  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_way_from_the_due_time_to_the_first_instruction_is_told_in_its_parts() -> None:
    found = lateness("job", [execution(number, 4, 10 + number, 6) for number in range(100)], None)

    assert (found.queued.median, found.taken.median, found.began.median) == (4, 60, 6)
    assert (found.started.median, found.started.p99, found.started.most) == (70, 119, 119)
    assert found.queued.counts[BOUNDS_MS.index(5)] == 100
    assert (found.promised_ms, found.broken, found.kept) == (None, 0, None)


def test_a_promise_is_broken_by_what_began_too_late_and_by_what_never_did() -> None:
    good = [execution(number, 5, 5, 5) for number in range(7)]
    late = [execution(7, 5, 5, 1_990)]
    never = [
        Execution(
            id=f"job@{number}.0",
            run_id=f"job@{number}",
            job="job",
            due_ms=DUE,
            queued_ms=DUE,
            state="skipped",
            reason=reason,
        )
        for number, reason in ((8, "no_live_node"), (9, "not_started_in_deadline"), (10, "cancelled"))
    ]

    found = lateness("job", [*good, *late, *never], timedelta(seconds=1))

    assert (found.broken, found.never, found.kept) == (3, 2, 0.7)


def test_runs_by_hand_and_the_past_that_is_made_up_for_promise_nothing() -> None:
    found = lateness("job", [execution(1, 5, 5, 5), execution(2, 9_000, 5, 5, trigger="manual")], timedelta(seconds=1))

    assert (found.started.total, found.broken) == (1, 0)


def test_a_histogram_of_nothing_is_empty() -> None:
    assert (histogram([]).total, histogram([]).most, sum(histogram([]).counts)) == (0, 0, 0)
    assert histogram([-3]).most == 0, "clocks differ by a little; nothing is early"
