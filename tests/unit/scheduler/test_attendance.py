"""What beat is late with since so much came due together was not missed; what came due while it was away was."""

from __future__ import annotations

from dkronpy.scheduler.attendance import LATE_AT_MOST_MS, Attendance
from dkronpy.scheduler.misfire import ON_TIME_MS

NOW = 1_772_442_000_000


def work(attendance: Attendance, at_ms: int, *, takes_ms: int = 0, behind: bool = False, epoch: int = 1) -> int:
    """One look at what is due: how late that may be."""
    allowed = attendance.begin(epoch, at_ms)
    attendance.end(at_ms, at_ms + takes_ms, behind=behind)
    return allowed


def test_a_beat_that_is_never_behind_allows_what_every_due_time_is_allowed() -> None:
    attendance = Attendance()
    assert [work(attendance, NOW + 1000 * second) for second in range(5)] == [ON_TIME_MS] + [ON_TIME_MS + 1000] * 4


def test_a_burst_is_on_time_to_its_last_due_time() -> None:
    attendance = Attendance()
    work(attendance, NOW)
    for second in range(1, 40):
        work(attendance, NOW + second * 1000, takes_ms=900, behind=True)
    assert work(attendance, NOW + 40_000) == 40_000 + ON_TIME_MS
    assert work(attendance, NOW + 41_000) == 1000 + ON_TIME_MS, "and then all is as before"


def test_a_single_look_may_take_longer_than_a_due_time_may_be_late() -> None:
    attendance = Attendance()
    work(attendance, NOW)
    work(attendance, NOW + 1000, takes_ms=20_000, behind=True)
    assert work(attendance, NOW + 21_100) == 21_100 + ON_TIME_MS


def test_what_came_due_during_a_break_was_missed() -> None:
    attendance = Attendance()
    work(attendance, NOW)
    work(attendance, NOW + 1000, behind=True)
    assert work(attendance, NOW + 1000 + ON_TIME_MS + 1) == ON_TIME_MS


def test_who_takes_over_answers_for_nothing_before() -> None:
    attendance = Attendance()
    work(attendance, NOW)
    work(attendance, NOW + 1000, behind=True)
    assert work(attendance, NOW + 2000, epoch=2) == ON_TIME_MS


def test_a_beat_that_cannot_keep_up_leaves_it_to_the_policies() -> None:
    attendance = Attendance()
    for second in range(2 * LATE_AT_MOST_MS // 1000):
        allowed = work(attendance, NOW + second * 1000, behind=True)
    assert allowed == LATE_AT_MOST_MS
