"""Due times are counted by what became of them, out of the events that tell of runs."""

from __future__ import annotations

from dkronpy.api.due_tally import LATE_MS, due_counts
from dkronpy.clock import ms_of_iso
from dkronpy.execution import run_id

DUE_MS = ms_of_iso("2026-11-26T05:00:00.000Z")
RUN = run_id("report", DUE_MS)
BY_HAND = run_id("report", DUE_MS, "7f3a10")


def fired(at_ms: int, run: str) -> dict[bytes, bytes]:
    """The event of a run."""
    return {b"event": b"fired", b"at": str(at_ms).encode(), b"run": run.encode(), b"job": b"report"}


def ended(run: str, state: str) -> dict[bytes, bytes]:
    """The event of a run's end."""
    return {b"event": b"run", b"run": run.encode(), b"job": b"report", b"state": state.encode()}


def none_skipped(runs: list[str]) -> list[int]:
    raise AssertionError(runs)


def test_the_end_of_each_due_time_is_counted_and_of_nothing_else() -> None:
    rows = [ended(RUN, state) for state in ("success", "success", "failed", "partially_failed", "lost")]
    rows += [
        ended(BY_HAND, "success"),
        {b"event": b"execution", b"execution": b"x@y.0", b"state": b"success"},
        {b"event": b"leader"},
    ]
    assert due_counts(rows, set(), none_skipped) == {"success": 2, "failed": 1, "partially_failed": 1, "lost": 1}


def test_a_skipped_run_stands_for_as_many_as_it_says() -> None:
    assert due_counts([ended(RUN, "skipped")] * 2, set(), lambda runs: [17, 1][: len(runs)]) == {"skipped": 18}


def test_what_was_counted_as_lost_is_not_counted_as_if_it_were_another() -> None:
    lost, told = (
        {b"event": b"execution", b"execution": f"{RUN}.0".encode(), b"run": RUN.encode(), b"state": state}
        for state in (b"lost", b"success")
    )
    assert due_counts([told, ended(RUN, "success")], {f"{RUN}.0"}, none_skipped) == {"amended": 1}
    both = [lost, ended(RUN, "lost"), told, ended(RUN, "success")]
    assert due_counts(both, {f"{RUN}.0"}, none_skipped) == {"lost": 1, "amended": 1}


def test_late_is_what_beat_came_to_late() -> None:
    late = DUE_MS + LATE_MS + 1
    rows = [fired(DUE_MS + LATE_MS, RUN), fired(late, RUN), fired(late, BY_HAND)]
    assert due_counts(rows, set(), none_skipped) == {"late": 1}
