"""Weeks in virtual time, by the scheduler's own code: what runs, waits, is skipped, is made up for."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

from dkronpy.clock import to_ms
from dkronpy.job import Job, Run
from dkronpy.node import Node, any_node
from dkronpy.pause import window
from dkronpy.scheduler.pacing import Pace
from dkronpy.simulation import Outage, Simulated, simulate

COMMAND = Run("shell", {"command": "true"})
START = to_ms(datetime(2026, 12, 1, tzinfo=timezone.utc))
MINUTE, HOUR, DAY = 60_000, 3_600_000, 24 * 3_600_000


def job(name: str, schedule: str, **fields: Any) -> Job:
    return Job(name=name, schedule=schedule, run=COMMAND, **fields)


def outage(start: float, end: float, node: str = "") -> Outage:
    """From one hour to another."""
    return Outage(start_ms=START + int(start * HOUR), end_ms=START + int(end * HOUR), node=node)


def hours(found: Simulated, name: str) -> list[tuple[float, str, int]]:
    """When each run of a job was due, in hours, what it came to, and how many seconds it waited."""
    return [((row.due_ms - START) / HOUR, row.reason or row.state, row.waited_ms // 1000) for row in found.of(name)]


def test_a_day_without_trouble_goes_as_the_schedules_say() -> None:
    found = simulate([job("hourly", "@hourly"), job("nightly", "30 2 * * *")], START, START + DAY + MINUTE)

    assert [due for due, _, _ in hours(found, "hourly")] == list(range(1, 25))
    assert hours(found, "nightly") == [(2.5, "success", 0)]
    assert found.outcomes == {"success": 25}


def test_an_outage_of_every_beat_is_made_up_for_as_each_job_says() -> None:
    jobs = [job(policy, "*/20 * * * *", catch_up=policy) for policy in ("none", "latest", "all")]

    found = simulate(jobs, START, START + 3 * HOUR, outages=[outage(0.9, 2.1)])

    assert [what for _, what, _ in hours(found, "none")][2:6] == ["misfire_late"] * 4
    assert [what for _, what, _ in hours(found, "latest")][2:6] == ["misfire_collapsed"] * 3 + ["success"]
    assert [(what, waited) for _, what, waited in hours(found, "all")][2:6] == [
        ("success", 3960), ("success", 2760), ("success", 1560), ("success", 360)
    ]  # fmt: skip


def test_make_up_runs_start_one_after_the_other_and_never_in_a_burst() -> None:
    jobs = [job(f"nightly-{number}", "0 2 * * *") for number in range(300)]

    found = simulate(jobs, START, START + 3 * HOUR, outages=[outage(1.9, 2.4)], nodes=40, pace=Pace(rate=5, budget=250))

    starts = Counter((row.due_ms + row.waited_ms) // 1000 for row in found.rows if row.state == "success")
    assert max(starts.values()) <= 6
    assert max(starts) - min(starts) >= 49
    assert found.outcomes == {"success": 250, "misfire_late": 50}, "the budget"


def test_live_runs_go_before_those_that_are_made_up_for() -> None:
    jobs = [job("backlog", "* * * * *", catch_up="all"), job("live", "*/5 * * * *", catch_up="none")]
    node = Node(name="n1", capacity=1)

    found = simulate(jobs, START, START + 3 * HOUR, outages=[outage(0.1, 2.05)], nodes=[node], took={"backlog": 20_000})

    after = [(what, waited) for due, what, waited in hours(found, "live") if 2.05 < due < 2.95]
    assert [what for what, _ in after] == ["success"] * 11
    assert all(waited <= 40 for _, waited in after), after
    made_up = [waited for due, what, waited in hours(found, "backlog") if due < 2.0 and what == "success"]
    assert max(made_up) > 3600, "there was no backlog"


def test_the_runs_of_a_job_keep_the_distance_that_it_asks_for() -> None:
    spaced = job("spaced", "*/10 * * * *", catch_up="all", catch_up_spacing=timedelta(minutes=4))

    found = simulate([spaced], START, START + 4 * HOUR, outages=[outage(0.9, 2.01)])

    starts = [row.due_ms + row.waited_ms for row in found.rows if 0.9 < (row.due_ms - START) / HOUR < 2.01]
    assert {later - sooner for sooner, later in pairwise(starts)} == {4 * MINUTE}


def test_a_make_up_run_is_given_up_that_would_hold_back_the_next_one() -> None:
    careful = job("careful", "*/30 * * * *", concurrency="forbid")
    crowd = [job(f"crowd-{number}", "@hourly") for number in range(150)]

    found = simulate(
        [careful, *crowd], START, START + 3 * HOUR, outages=[outage(0.6, 1.49)], nodes=20, pace=Pace(rate=1)
    )

    assert "overlap" not in found.outcomes
    late = [row for row in found.of("careful") if row.due_ms == START + HOUR]
    assert [row.reason or row.state for row in late] in (["success"], ["misfire_late"])
    assert found.of("careful")[2].state == "success", "the one at half past one is on time"


def test_runs_of_a_job_that_queues_wait_for_one_another() -> None:
    found = simulate(
        [job("slow", "* * * * *", concurrency="queue_all")], START, START + 5 * MINUTE, took={"slow": 70_000}
    )

    assert [(row.waited_ms, row.state) for row in found.rows] == [
        (0, "success"), (10_000, "success"), (20_000, "success"), (30_000, "running"), (-1, "queued"),
    ]  # fmt: skip


def test_an_earlier_run_makes_way_for_a_newer_one() -> None:
    found = simulate(
        [job("newest", "* * * * *", concurrency="cancel")], START, START + 3 * MINUTE, took={"newest": 70_000}
    )

    assert [(row.waited_ms, max(0, row.finished_ms - row.fired_ms), row.reason or row.state) for row in found.rows] == [
        (0, MINUTE, "cancelled"), (0, MINUTE, "cancelled"), (0, 0, "running")
    ]  # fmt: skip


def test_a_pool_lets_in_as_many_as_it_has_slots() -> None:
    names = ("p1", "p2", "p3", "p4")
    jobs = [job(name, "* * * * *", pools={"db": 1}) for name in names]

    found = simulate(jobs, START, START + MINUTE + 30_000, took=dict.fromkeys(names, 10_000), pools={"db": 2})

    assert [row.waited_ms for row in found.rows] == [0, 0, 10_000, 10_000]
    assert found.outcomes == {"success": 4}


def test_a_node_that_dies_takes_its_work_with_it_and_others_go_on() -> None:
    jobs = [job("long", "0 1 * * *"), job("often", "*/10 * * * *")]

    found = simulate(jobs, START, START + 3 * HOUR, nodes=1, outages=[outage(1.2, 2.2, "node1")], took={"long": HOUR})

    assert hours(found, "long") == [(1.0, "lease_expired", 0)]
    assert Counter(what for _, what, _ in hours(found, "often"))["no_live_node"] == 5


def test_a_maintenance_window_is_what_it_is_to_beat() -> None:
    jobs = [job("web", "*/30 * * * *", on=any_node(role="web")), job("db", "*/30 * * * *"), job("other", "@hourly")]
    windows = [
        window("role=web", START + HOUR, START + 2 * HOUR),
        window("db", START, START + HOUR),
        window("", 0, START),
    ]

    found = simulate(jobs, START, START + 2 * HOUR + MINUTE, pauses=windows)

    assert [(due, what) for due, what, _ in hours(found, "web")] == [
        (0.5, "success"), (1.0, "paused"), (1.5, "paused"), (2.0, "success")
    ]  # fmt: skip
    assert [what for _, what, _ in hours(found, "db")] == ["paused", "success", "success", "success"]
    assert [what for _, what, _ in hours(found, "other")] == ["success", "success"]


def test_chains_retries_and_targets_are_the_production_code() -> None:
    parent = job("parent", "0 1 * * *", retry=1, on=any_node(role="db"))
    child = Job(name="child", run=COMMAND, after=("parent",), on=any_node(role="web"))

    class Once:
        """Says the same of an attempt at its start and at its end, and another thing of the next."""

        def __init__(self) -> None:
            self.asked: Counter[str] = Counter()

        def __call__(self, name: str, execution: str) -> tuple[int, bool]:
            self.asked[execution] += 1
            return MINUTE, name != "parent" or self.asked[execution] > 2

    found = simulate([parent, child], START, START + 2 * HOUR, took=Once())

    (ran,), (followed,) = found.of("parent"), found.of("child")
    assert (ran.state, ran.nodes) == ("success", ("db1",))
    assert (followed.state, followed.trigger, followed.nodes) == ("success", "chained", ("web1",))
    assert followed.waited_ms >= 2 * MINUTE


def test_the_same_seed_gives_the_same_ledger() -> None:
    jobs = [job(f"job-{number}", f"{number} * * * *") for number in range(20)]

    assert simulate(jobs, START, START + DAY // 4, nodes=5, seed=7) == simulate(
        jobs, START, START + DAY // 4, nodes=5, seed=7
    )
