"""How long after its due time a run stands in its node's queue, with a real beat process.

Two loads: so many jobs due in every second, and many due in the same second. The lag is the store's time of the commit
(run, execution and message are written together) less the due time. No agent takes part: the node is only registered.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.deployment import Deployment
from dkronpy.job import Job, Run
from dkronpy.node import Node
from dkronpy.settings import Settings
from dkronpy.store.ledger import Ledger
from tests.support import StoreServer, spawn, wait_until


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and print a table, or JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench lag", description=__doc__)
    parser.add_argument("--each-second", type=int, default=100, help="jobs that are due in every second")
    parser.add_argument("--at-once", type=int, default=2000, help="jobs that are due in the same second")
    parser.add_argument("--seconds", type=int, default=20, help="how long the first load lasts")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    figures = {
        "each_second": options.each_second,
        **measure("each_second", options.each_second, "* * * * * *", options.seconds),
        "at_once": options.at_once,
        **measure("at_once", options.at_once, "*/10 * * * * *", 11),
    }
    if options.json:
        print(json.dumps(figures))
        return 0
    for load, count in (("each_second", options.each_second), ("at_once", options.at_once)):
        median, p99, most, runs = (figures[f"{load}_{name}"] for name in ("median_ms", "p99_ms", "max_ms", "runs"))
        print(f"{count:>6} jobs due {load.replace('_', ' '):<12} due → queued over {runs} runs: ", end="")
        print(f"median {median} ms, p99 {p99} ms, most {most} ms")
    return 0


def measure(load: str, jobs: int, schedule: str, seconds: int) -> dict[str, int]:
    """Store *jobs* with *schedule*, let beat work for *seconds*, and read the lag of every run off the ledger."""
    with StoreServer(kind="valkey") as server, tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(Settings(store_url=server.socket_url, history_limit=10_000))
        for number in range(jobs):
            deployment.jobs.save(Job(name=f"job-{number}", schedule=schedule, run=Run("shell", {"command": "true"})))
        deployment.nodes.report(Node(name="bench", instance="bench"))
        environment = {"DKRONPY_STORE_URL": server.socket_url}
        with spawn("beat", log=Path(folder) / "beat.log", env=environment) as beat:
            beat.wait_for("leading")
            began = deployment.store.now_ms()
            wait_until(
                lambda: keep_alive(deployment) >= began + seconds * 1000,
                timeout=seconds + 30,
                description="time passes",
            )
        lags = sorted(lags_since(deployment, began // 1000 * 1000 + 1000))
    return {
        f"{load}_runs": len(lags),
        f"{load}_median_ms": lags[len(lags) // 2],
        f"{load}_p99_ms": lags[int(len(lags) * 0.99)],
        f"{load}_max_ms": lags[-1],
    }


def keep_alive(deployment: Deployment) -> int:
    """A heartbeat of the node that is not there; returns the store's time."""
    deployment.nodes.report(Node(name="bench", instance="bench"))
    return deployment.store.now_ms()


def lags_since(deployment: Deployment, start_ms: int) -> list[int]:
    """The lag in ms of each run that was due after *start_ms*."""
    ledger: Ledger = deployment.ledger
    ids = [name.decode() for name in deployment.store.client.zrange(deployment.store.keys.runs, 0, -1)]
    found = [run for start in range(0, len(ids), 1000) for run in ledger.runs(ids[start : start + 1000])]
    return [run.fired_ms - run.due_ms for run in found if run.due_ms >= start_ms and run.execution_ids]


if __name__ == "__main__":
    raise SystemExit(main())
