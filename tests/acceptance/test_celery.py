"""Beside Celery's own programs: its beat command starts our scheduler, and Flower shows jobs by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import requests

from dkronpy import on_node
from dkronpy.job import Job, Run
from tests.acceptance.fleet import Fleet
from tests.support import StoreServer, free_port, spawn, wait_until


def shell(command: str) -> Run:
    return Run("shell", {"command": command, "shell": "true"})


def test_celerys_own_beat_command_starts_our_scheduler(fleet: Fleet) -> None:
    fleet.agent("n1")
    fleet.save(Job(name="tick", schedule="* * * * * *", run=shell("true")))
    celery = (sys.executable, "-m", "celery", "-A", "dkronpy.app", "beat", "-S", "dkronpy.scheduler:Scheduler")
    log = fleet.folder / "celery-beat.log"
    with spawn("--loglevel", "INFO", command=celery, log=log, env=fleet.environment, cwd=fleet.folder) as beat:
        wait_until(
            lambda: [run for run in fleet.client.runs(job="tick") if run.state == "success"],
            timeout=30,
            description="it fires",
        )
        assert beat.process.poll() is None, beat.output


def test_flower_shows_jobs_with_their_outcome_and_nothing_secret(fleet: Fleet) -> None:
    port = free_port()
    login = {"DKRONPY_FLOWER_BASIC_AUTH": "ops:letmein"}
    environment = {**fleet.environment, **login}
    with spawn("flower", "--port", str(port), log=fleet.folder / "flower.log", env=environment) as flower:
        flower.wait_for("Flower is at", timeout=30)
        fleet.beat(), fleet.agent("n1")
        fleet.save(Job(name="good", schedule="@manually", run=shell("echo hidden-thing"), on=on_node("n1")))
        fleet.save(Job(name="bad", schedule="@manually", run=shell("exit 3"), on=on_node("n1")))
        _, (good,) = fleet.run_now("good")
        _, (bad,) = fleet.run_now("bad")

        def tasks() -> dict[str, dict[str, object]]:
            answer = requests.get(f"http://127.0.0.1:{port}/flower/api/tasks", auth=("ops", "letmein"), timeout=5)
            seen: dict[str, dict[str, object]] = answer.json()
            states = {seen.get(execution.id, {}).get("state") for execution in (good, bad)}
            return seen if states <= {"SUCCESS", "FAILURE"} else {}

        seen = wait_until(tasks, timeout=20, description="Flower has seen both end")
        assert (seen[good.id]["name"], seen[good.id]["state"]) == ("job:good", "SUCCESS")
        assert (seen[bad.id]["name"], seen[bad.id]["state"]) == ("job:bad", "FAILURE")
        assert seen[good.id]["args"] == f"(job=good node=n1 execution={good.id})"
        assert "hidden-thing" not in str(seen)
        assert requests.get(f"http://127.0.0.1:{port}/flower/api/tasks", timeout=5).status_code == 401


def test_flower_is_refused_to_the_world_without_a_login(tmp_path: Path, server: StoreServer) -> None:
    environment = {"DKRONPY_STORE_URL": server.url}
    with spawn("flower", "--address", "0.0.0.0", log=tmp_path / "flower.log", env=environment) as flower:
        assert flower.wait() == 3
        assert "flower_address" in flower.output
        assert "FLOWER_BASIC_AUTH" in flower.output


@pytest.fixture
def sqlite_fleet(server: StoreServer, tmp_path: Path) -> Fleet:
    return Fleet(server, tmp_path, {"DKRONPY_RESULTS_URL": f"sqlite:///{tmp_path}/history.db"})


def test_history_in_sql_outlives_the_ledger(sqlite_fleet: Fleet) -> None:
    with sqlite_fleet as fleet:
        fleet.beat(), fleet.agent("n1")
        fleet.save(Job(name="kept", schedule="@manually", run=shell("echo for the record; exit 4")))
        run, _ = fleet.run_now("kept")
        wait_until(lambda: fleet.client.deployment.results.run(run.id), description="the run is filed")
        fleet.client.deployment.store.client.flushall()

        view = fleet.client.run(run.id)
        assert (view.run.state, view.executions[0].attempts[0].exit_code) == ("failed", 4)
        assert fleet.output(view.executions[0]) == "for the record\n"
        assert [one.id for one in fleet.client.runs(job="kept")] == [run.id]
