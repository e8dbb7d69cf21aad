"""An upgrade in the middle of the day: every role is restarted in good order, one after another, under work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from dkronpy import Shell
from dkronpy.execution import Run
from dkronpy.job import Job
from tests.acceptance.fleet import Fleet
from tests.support import Spawned, StoreServer, end_process, wait_until

NODES = ("n1", "n2")
WAIT = timedelta(seconds=90)


def test_agents_and_beat_that_are_restarted_under_work_lose_nothing(
    store_server: StoreServer, store: object, tmp_path: Path
) -> None:
    with Fleet(store_server, tmp_path, {"DKRONPY_STOP_GRACE": "20s"}) as fleet:
        beat = fleet.beat()
        agents = {name: fleet.agent(name) for name in NODES}
        truth = tmp_path / "truth"
        command = f"echo begin $DKRONPY_EXECUTION_ID >> {truth}; sleep 1.5; echo end $DKRONPY_EXECUTION_ID >> {truth}"
        run = Shell(command, shell=True)
        # all: a beat may be away for longer than what counts as on time, where the machine is slow
        fleet.save(Job(name="work", schedule="* * * * * *", run=run, start_deadline=WAIT, catch_up="all"))
        for name in NODES:
            _wait_for_work(fleet, name)
            _end(agents[name])
            _wait_for_more(fleet)
            agents[name] = fleet.agent(name)
        _end(beat)
        fleet.beat()
        _wait_for_more(fleet)
        fleet.client.toggle_job("work")
        wait_until(lambda: all(run.terminal for run in _runs(fleet)), timeout=90, description="everything has ended")
        # a due time that came in the moment in which the job was switched off is recorded as paused
        found = {run.id: (run.state, run.reason) for run in _runs(fleet) if run.reason != "paused"}
        lines = truth.read_text().split("\n")
    assert {one: end for one, end in found.items() if end[0] != "success"} == {}
    begun = sorted(line.split()[1] for line in lines if line.startswith("begin"))
    ended = sorted(line.split()[1] for line in lines if line.startswith("end"))
    assert begun == ended == sorted(f"{run}.0" for run in found), "each began once, and came to its end"


def _runs(fleet: Fleet) -> list[Run]:
    return fleet.client.runs(job="work", limit=1000)


def _wait_for_work(fleet: Fleet, name: str) -> None:
    """Until the node has something to do."""

    def working() -> bool:
        running = [view for run in _runs(fleet) if not run.terminal for view in fleet.client.run(run.id).executions]
        return any(one.state == "running" and one.node == name for one in running)

    wait_until(working, timeout=40, description=f"node {name} works")


def _wait_for_more(fleet: Fleet) -> None:
    """Until three more runs have succeeded than now."""
    enough = sum(run.state == "success" for run in _runs(fleet)) + 3
    wait_until(
        lambda: sum(run.state == "success" for run in _runs(fleet)) >= enough, timeout=60, description="work goes on"
    )


def _end(process: Spawned) -> None:
    assert end_process(process.process, grace=60) == 0, process.output
