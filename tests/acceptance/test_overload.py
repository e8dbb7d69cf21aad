"""More is due than can be run: what waits is seen, what comes too late is skipped and says so, and then all is well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from dkronpy.execution import Run as JobRun
from dkronpy.job import Job, Run
from tests.acceptance.fleet import Fleet
from tests.support import StoreServer, free_port, spawn, wait_until

JOBS = ("one", "two", "three")
TOO_LATE = "not_started_in_deadline"


@pytest.fixture
def narrow(server: StoreServer, tmp_path: Path) -> Iterator[Fleet]:
    """A beat, and an agent that runs one execution at a time."""
    with Fleet(server, tmp_path, {"DKRONPY_CAPACITY": "1"}) as fleet:
        fleet.beat()
        fleet.agent("n1")
        yield fleet


@pytest.fixture
def metrics(narrow: Fleet, tmp_path: Path) -> Iterator[str]:
    """Where a server of that fleet tells its metrics."""
    port = free_port()
    with spawn("server", "--port", str(port), log=tmp_path / "server.log", env=narrow.environment) as server:
        server.wait_for("the API is at", timeout=30)
        yield f"http://127.0.0.1:{port}/metrics"


def shell(command: str) -> Run:
    """A line for the shell."""
    return Run("shell", {"command": command, "shell": "true"})


def queue(url: str) -> tuple[float, float]:
    """How many messages wait for the node, and for how many seconds the oldest has."""
    text = requests.get(url, timeout=10).text
    found = {one.name: one.value for family in text_string_to_metric_families(text) for one in family.samples}
    return found["dkronpy_queue_depth"], found["dkronpy_queue_oldest_seconds"]


def test_three_times_as_much_as_can_be_run(narrow: Fleet, metrics: str) -> None:
    for name in JOBS:
        # all: where the machine is slow, beat may be behind, and each due time is still to have a record of its own
        deadline = timedelta(seconds=4)
        narrow.save(Job(name=name, schedule="@every 1s", run=shell("sleep 1"), start_deadline=deadline, catch_up="all"))
    late = wait_until(
        lambda: [run for run in narrow.client.runs(limit=200) if run.reason == TOO_LATE],
        timeout=40,
        description="something comes too late",
    )
    assert (late[0].state, TOO_LATE in {run.reason for run in late}) == ("skipped", True)
    wait_until(lambda: queue(metrics)[0] > 1 and queue(metrics)[1] > 1, timeout=10, description="the queue is seen")
    assert narrow.alive() == {"n1"}

    for name in JOBS:
        narrow.client.toggle_job(name)
    wait_until(lambda: not narrow.client.status().open_executions, timeout=40, description="nothing is open any more")

    runs = [run for run in narrow.client.runs(limit=500) if run.reason != "paused"]
    for name in JOBS:
        due = sorted(run.due_ms for run in runs if run.job == name)
        assert {later - earlier for earlier, later in pairwise(due)} == {1000}, "each due time has one record"
    assert {(run.state, run.reason) for run in runs} == {("success", ""), ("skipped", TOO_LATE)}
    assert _in_order(narrow, [run for run in runs if run.state == "success"])
    run, _ = narrow.run_now(_quick(narrow), timeout=10)
    assert run.state == "success"
    wait_until(lambda: queue(metrics) == (0, 0), timeout=10, description="nothing waits any more")


def _in_order(fleet: Fleet, runs: list[JobRun]) -> bool:
    """Whether each began no earlier than those that were due before it."""
    began = sorted((run.due_ms, fleet.client.run(run.id).executions[0].started_ms) for run in runs)
    firsts: dict[int, list[int]] = {}
    for due, started in began:
        firsts.setdefault(due, []).append(started)
    spans = [(min(found), max(found)) for _, found in sorted(firsts.items())]
    return all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


def _quick(fleet: Fleet) -> str:
    fleet.save(Job(name="quick", schedule="@manually", run=shell("true")))
    return "quick"


def test_of_those_that_wait_the_more_urgent_goes_first_then_the_older(narrow: Fleet) -> None:
    truth, gate = narrow.folder / "truth.txt", narrow.folder / "gate"
    narrow.client.pools.set("lane", 1)
    hold = f"while [ ! -e {gate} ]; do sleep 0.05; done"
    narrow.save(Job(name="hold", schedule="@manually", run=shell(hold), pools={"lane": 1}))
    for name, priority in (("early", 0), ("late", 0), ("urgent", 9)):
        command = shell(f"echo {name} >> {truth}")
        narrow.save(Job(name=name, schedule="@manually", run=command, pools={"lane": 1}, priority=priority))
    narrow.started(narrow.client.run_job("hold").run.id)
    waiting = [narrow.client.run_job(name).run for name in ("early", "late", "urgent")]
    (lane,) = narrow.client.pools.all()
    assert (lane.used, len(lane.waiting)) == (1, 3)

    gate.touch()

    for run in waiting:
        narrow.ended(run.id)
    assert truth.read_text().split() == ["urgent", "early", "late"]
