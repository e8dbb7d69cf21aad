"""What was missed together does not start together: each make-up run gets a moment of its own."""

from __future__ import annotations

from dkronpy.scheduler.pacing import Pace, Pacer

NOW = 1_772_442_000_000
FAR = NOW + 24 * 3600 * 1000


def test_so_many_a_second_over_all_jobs() -> None:
    pacer = Pacer(Pace(rate=4, budget=100))

    moments = [pacer.moment(f"job-{number}", NOW, 0, FAR) for number in range(5)]

    assert moments == [NOW, NOW + 250, NOW + 500, NOW + 750, NOW + 1000]
    assert pacer.moment("later", NOW + 60_000, 0, FAR) == NOW + 60_000


def test_the_runs_of_one_job_keep_their_distance_and_others_go_in_between() -> None:
    pacer = Pacer(Pace(rate=10, budget=100))

    assert [pacer.moment("slow", NOW, 60_000, FAR) for _ in range(3)] == [NOW, NOW + 60_000, NOW + 120_000]
    assert pacer.moment("other", NOW, 0, FAR) == NOW + 300


def test_whose_turn_would_come_too_late_gets_none_and_takes_none() -> None:
    pacer = Pacer(Pace(rate=1, budget=100))

    assert pacer.moment("first", NOW, 0, FAR) == NOW
    assert pacer.moment("stale", NOW, 0, NOW + 999) is None
    assert pacer.moment("next", NOW, 0, NOW + 1000) == NOW + 1000


def test_only_so_many_wait_for_their_turn() -> None:
    pacer = Pacer(Pace(rate=10, budget=3))

    assert [pacer.moment("job", NOW, 0, FAR) for _ in range(5)] == [NOW, NOW + 100, NOW + 200, None, None]
    assert pacer.moment("job", NOW + 100, 0, FAR) == NOW + 300
