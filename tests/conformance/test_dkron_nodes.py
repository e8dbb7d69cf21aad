"""What Dkron's nodes do with what they are sent, statement by statement, and that the same happens on real agents.

The numbers are those of ``test_dkron_semantics.py``: 4.3 on the node, 4.5 what dies.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkronpy.api.records import output_of, records_of
from dkronpy.execution import Execution
from dkronpy.job import Job
from tests.acceptance.fleet import Fleet, left_running
from tests.conformance.test_dkron_semantics import given
from tests.support import StoreServer


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with StoreServer(kind="valkey") as server, Fleet(server, tmp_path, {"DKRONPY_STOP_GRACE": "60s"}) as fleet:
        fleet.beat()
        fleet.agent("n1")
        fleet.leader_pid()
        yield fleet


def save(fleet: Fleet, **fields: object) -> Job:
    """Store a job as Dkron's API does: whether its executor is known shows when it runs."""
    job = given(**fields)
    fleet.client.deployment.jobs.save(job)
    return job


def told(fleet: Fleet, run_id: str) -> tuple[Execution, str]:
    """The execution of a run that has ended, and what Dkron's API says of its output."""
    fleet.ended(run_id)
    view = fleet.client.run(run_id)
    return view.executions[0], output_of(fleet.client, records_of([view])[0])


def test_4_3_what_went_wrong_stands_before_the_output(fleet: Fleet) -> None:
    save(fleet, name="bad", executor_config={"command": "echo so it goes; exit 3", "shell": "true"})
    save(fleet, name="nowhere", executor="somebody-elses", executor_config={"x": "1"}, retries=3)
    save(fleet, name="empty", executor="", executor_config={})

    execution, output = told(fleet, fleet.client.run_job("bad").run.id)
    assert (execution.state, execution.reason) == ("failed", "exit")
    first, _, rest = output.partition("\n")
    assert "3" in first
    assert rest == "so it goes\n"

    execution, output = told(fleet, fleet.client.run_job("nowhere").run.id)
    assert (execution.state, execution.reason, execution.attempt) == ("failed", "executor_error", 1)
    assert output == execution.message
    assert output.startswith("node n1 offers no somebody-elses: it has celery, ")

    execution, output = told(fleet, fleet.client.run_job("empty").run.id)
    assert (execution.state, execution.attempt) == ("failed", 1)
    assert output == execution.message != ""


def test_4_5_a_node_that_is_told_to_stop_waits_for_what_runs(fleet: Fleet) -> None:
    agent = fleet.agent("n2")
    gate = fleet.folder / "gate"
    command = f"until test -e {gate}; do sleep 0.1; done; echo ended well"
    save(fleet, name="slow", executor_config={"command": command, "shell": "true"}, on={"nodes": ["n2"]})
    run = fleet.client.run_job("slow").run.id
    execution = fleet.started(run)

    agent.signal(signal.SIGTERM)
    agent.wait_for("shutdown")
    assert fleet.client.run(run).executions[0].state == "running"
    gate.touch()

    assert agent.wait(30) == 0
    execution, output = told(fleet, run)
    assert (execution.state, output) == ("success", "ended well\n")
    assert left_running(execution.id) == []
    assert fleet.alive() == {"n1"}
