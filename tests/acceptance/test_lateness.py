"""How late the runs of a real deployment were, from their due times to the first instruction of the executor."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dkronpy.job import Job
from tests.acceptance.fleet import Fleet
from tests.executors.servers import HttpServer
from tests.faults.scheduler.arena import shell
from tests.support import StoreServer, wait_until


@pytest.mark.unbounded_keys("jobs of every second are under way when the services end")
def test_a_promise_that_no_machine_can_keep_is_told(store_server: StoreServer, store: object, tmp_path: Path) -> None:
    with Fleet(store_server, tmp_path) as fleet:
        fleet.beat()
        fleet.agent("n1")
        fleet.save(Job(name="eager", schedule="@every 1s", run=shell("true"), max_lateness=timedelta(milliseconds=1)))
        fleet.save(Job(name="easy", schedule="@every 1s", run=shell("true"), max_lateness=timedelta(hours=1)))
        results = fleet.client.deployment.results
        wait_until(
            lambda: all(len(results.runs(job=name, state="success")) > 1 for name in ("eager", "easy")),
            timeout=30,
            description="both have run",
        )

        (execution,) = results.executions(results.runs(job="eager", state="success")[0].id)
        words = ["--url", store_server.url, "lateness", "-o", "json"]
        said = subprocess.run([sys.executable, "-m", "dkronpy", *words], capture_output=True, text=True, check=False)

    assert said.returncode == 1, said.stderr
    eager, easy = json.loads(said.stdout)
    assert (eager["job"], easy["job"], easy["broken"]) == ("eager", "easy", 0)
    assert eager["broken"] > 0
    parts = [eager[name]["most"] for name in ("queued", "taken", "began")]
    assert 0 < max(parts) <= eager["started"]["most"] <= sum(parts)
    assert execution.attempts[0].began_ms >= execution.started_ms > 0, "the agent says when its executor began"


@pytest.mark.unbounded_keys("jobs of every second are under way when the services end")
def test_people_are_told_of_a_broken_promise_and_not_of_one_that_is_kept(
    store_server: StoreServer, store: object, tmp_path: Path
) -> None:
    """No rule says that lateness is to be told: the job's promise does."""
    with HttpServer() as receiver:
        settings = {
            "DKRONPY_CHANNELS": json.dumps({"ops": f"{receiver.url}/status/200"}),
            "DKRONPY_NOTIFY": "ops",
            "DKRONPY_NOTIFY_WAIT": "0",
            "DKRONPY_NOTIFY_INTERVAL": "0",
        }
        with Fleet(store_server, tmp_path, settings) as fleet:
            fleet.beat().wait_for("this process notifies")
            fleet.agent("n1")
            for name, promise in (("easy", timedelta(hours=1)), ("plain", None), ("eager", timedelta(milliseconds=1))):
                fleet.save(Job(name=name, schedule="@every 1s", run=shell("true"), max_lateness=promise))

            def notices() -> list[dict[str, Any]]:
                bodies = [json.loads(one["body"]) for one in receiver.requests if one["path"].startswith("/status")]
                return [notice for body in bodies for notice in body["notices"]]

            told = wait_until(notices, timeout=30, description="somebody is told")
            results = fleet.client.deployment.results
            wait_until(
                lambda: all(len(results.runs(job=name, state="success")) > 1 for name in ("easy", "plain")),
                timeout=30,
                description="the others have run as well",
            )
            told = notices()
    assert {(notice["job"], notice["event"]) for notice in told} == {("eager", "late")}
    assert re.fullmatch(r"eager started .+ late", told[0]["headline"])
