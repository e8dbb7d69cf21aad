"""Processors on a real node: the outcome first, their failures as a note, and what they took not kept twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkronpy.errors import InvalidError
from dkronpy.execution import Execution
from dkronpy.executors.shell import Shell
from dkronpy.job import Job
from dkronpy.node import on_node
from dkronpy.schedule import manual
from tests.acceptance.fleet import Fleet
from tests.executors.servers import HttpServer
from tests.processors.sinks import silent
from tests.support import StoreServer, free_port, wait_until


@pytest.fixture(scope="module")
def fleet(store_server: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with store_server.client() as client:
        client.flushall()
    with Fleet(store_server, tmp_path_factory.mktemp("fleet")) as started:
        started.beat()
        started.agent("web1")
        yield started


def run(fleet: Fleet, name: str, processors: dict[str, dict[str, str]], command: str = "echo hello") -> Execution:
    fleet.save(Job(name=name, schedule=manual(), run=Shell(command), processors=processors))
    _, (execution,) = fleet.run_now(name)
    return execution


def filed(fleet: Fleet, execution: Execution) -> Execution:
    """The record as the history keeps it."""
    return wait_until(
        lambda: fleet.client.deployment.results.execution(execution.id), timeout=10, description="it is filed"
    )


def test_output_that_was_taken_is_not_kept_twice(fleet: Fleet, tmp_path: Path) -> None:
    execution = run(fleet, "taken", {"files": {"log_dir": str(tmp_path)}})
    assert execution.state == "success"
    kept = filed(fleet, execution)
    path = tmp_path / f"{execution.id}.1.log"
    assert path.read_bytes() == b"hello\n"
    assert kept.output.text() == str(path)


def test_a_failure_of_a_processor_is_a_note_and_no_outcome(fleet: Fleet, tmp_path: Path) -> None:
    port = free_port()
    execution = run(fleet, "noted", {"webhook": {"url": f"http://127.0.0.1:{port}/"}})
    assert execution.state == "success"
    note = f"processor webhook failed: cannot reach 127.0.0.1:{port}: Connection refused"
    kept = filed(fleet, execution)
    assert (kept.state, kept.message, kept.attempts[0].message) == ("success", note, note)
    assert kept.output.text() == "hello\n"
    live = fleet.client.run(execution.run_id).executions[0]
    assert (live.state, live.message) == ("success", note)


def test_the_message_of_a_failure_stays_in_front_of_the_note(fleet: Fleet) -> None:
    execution = run(fleet, "both", {"files": {"log_dir": "/none/such"}}, "exit 3")
    kept = filed(fleet, execution)
    assert (kept.state, kept.reason) == ("failed", "exit")
    assert kept.message.startswith("exit status 3; processor files failed: cannot write /none/such/")


def test_the_outcome_does_not_wait_for_a_dead_server(fleet: Fleet) -> None:
    with silent() as listener:
        port = str(listener.getsockname()[1])
        execution = run(fleet, "slow", {"fluent": {"host": "127.0.0.1", "port": port, "timeout": "20s"}})
        assert execution.state == "success"
        assert fleet.client.deployment.results.execution(execution.id) is None, "the server has not given up yet"
        assert fleet.client.output(execution).text() == "hello\n", "until then the live output is there"
    assert "processor fluent failed" in filed(fleet, execution).message


def test_the_order_in_the_job_is_that_of_the_run(fleet: Fleet, tmp_path: Path) -> None:
    with HttpServer() as server:
        hook = {"url": f"{server.url}/status/200", "forward": "true"}
        files = {"log_dir": str(tmp_path)}
        filed(fleet, run(fleet, "order-1", {"webhook": hook, "files": files}))
        filed(fleet, run(fleet, "order-2", {"files": files, "webhook": hook}))
        first, second = [json.loads(request["body"])["output"] for request in server.requests]
    assert first == "hello\n"
    assert second.startswith(str(tmp_path))


def test_bad_options_are_refused_when_the_job_is_saved(fleet: Fleet) -> None:
    with pytest.raises(InvalidError) as caught:
        fleet.save(
            Job(name="bad", schedule=manual(), run=Shell("x"), processors={"file": {}, "files": {"log_dri": "/x"}})
        )
    found = {problem.field: problem.hint for problem in caught.value.problems}
    assert found == {"processors.file": "did you mean 'files'?", "processors.files.log_dri": "did you mean 'log_dir'?"}


def test_an_agent_that_dies_before_the_processors_finds_them_in_its_spool(fleet: Fleet, tmp_path: Path) -> None:
    agent = fleet.agent("web2")
    with silent() as listener:
        port = str(listener.getsockname()[1])
        processors = {
            "fluent": {"host": "127.0.0.1", "port": port, "timeout": "60s", "forward": "true"},
            "files": {"log_dir": str(tmp_path)},
        }
        fleet.save(Job(name="dies", schedule=manual(), run=Shell("echo x"), processors=processors, on=on_node("web2")))
        _, (execution,) = fleet.run_now("dies")
        assert execution.state == "success"
        agent.kill()
    fleet.agent("web2")
    assert filed(fleet, execution).output.text() == str(next(tmp_path.iterdir()))
