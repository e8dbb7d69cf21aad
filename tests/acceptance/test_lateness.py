"""How late the runs of a real deployment were, from their due times to the first instruction of the executor."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from dkronpy.job import Job
from tests.acceptance.fleet import Fleet
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

        words = ["--url", store_server.url, "lateness", "-o", "json"]
        said = subprocess.run([sys.executable, "-m", "dkronpy", *words], capture_output=True, text=True, check=False)

    assert said.returncode == 1, said.stderr
    eager, easy = json.loads(said.stdout)
    assert (eager["job"], easy["job"], easy["broken"]) == ("eager", "easy", 0)
    assert eager["broken"] == eager["started"]["total"] > 0
    parts = [eager[name]["most"] for name in ("queued", "taken", "began")]
    assert 0 < max(parts) <= eager["started"]["most"] <= sum(parts)
    assert eager["began"]["most"] > 0, "the agent says when its executor began"
