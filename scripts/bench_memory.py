"""What a stored job, an open run and a queued message hold of the store's memory.

Jobs are saved one by one, as a user saves them, with a definition of ordinary size; then all of them are fired. The
figures are differences of the store's ``used_memory``, which counts what its allocator gave out.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.app import make_app
from dkronpy.deployment import Deployment
from dkronpy.dispatch.send import courier_for
from dkronpy.dispatch.targets import Planner
from dkronpy.job import Job, Run
from dkronpy.job.retry import Retry
from dkronpy.scheduler.due import DueReader
from dkronpy.settings import Settings
from dkronpy.store.jobs import Change
from dkronpy.store.quarantine import Quarantine
from scripts.many_jobs import NODE, name_of, schedule_at
from tests.support import StoreServer

AT_ONCE = 500


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and print a table, or JSON; status 1 when a stored job takes 1.5 kB or more."""
    parser = argparse.ArgumentParser(prog="scripts/bench memory", description=__doc__)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    figures = {}
    for kind in ("valkey", "redis"):
        with StoreServer(kind=kind) as server:  # type: ignore[arg-type]
            figures[kind] = measure(server, options.jobs)
    if options.json:
        print(json.dumps({"jobs": options.jobs, **figures}))
    else:
        print(f"bytes of the store, each of {options.jobs} jobs")
        for kind, found in figures.items():
            print(f"  {kind:<8} stored job {found['stored_job']:>6}   open run, with message {found['open_run']:>6}")
    return 1 if any(found["stored_job"] >= 1500 for found in figures.values()) else 0


def measure(server: StoreServer, jobs: int) -> dict[str, int]:
    """Save and fire the jobs."""
    settings = Settings(store_url=server.socket_url)
    deployment = Deployment(settings)
    store = deployment.store
    deployment.jobs.save(an_ordinary_job("warm-up"))
    empty = used(deployment)
    names = [name_of(number) for number in range(jobs)]
    for start in range(0, jobs, AT_ONCE):
        deployment.jobs.change_many([Change(job=an_ordinary_job(name)) for name in names[start : start + AT_ONCE]])
    events = int(store.client.memory_usage(store.keys.events) or 0)
    stored = used(deployment) - events
    courier = courier_for(make_app(settings), "", store.url)
    planner = Planner(courier, random.Random(1), fired_by="host:12345")
    reader = DueReader(store, deployment.ledger, courier, planner, Quarantine(store), batch=settings.batch)
    epoch = deployment.ledger.lead("bench", 3_600_000).epoch
    schedule_at(deployment, names, [store.now_ms() - 1] * jobs)
    fired = 0
    while (read := reader.fire(epoch, store.now_ms(), [NODE])).read:
        fired += read.runs
    if fired != jobs:
        raise SystemExit(f"{jobs} jobs were due, {fired} were fired")
    told = int(store.client.memory_usage(store.keys.events) or 0)
    after = used(deployment) - told
    deployment.close()
    return {"stored_job": round((stored - empty) / jobs), "open_run": round((after - stored) / jobs)}


def an_ordinary_job(name: str) -> Job:
    """A definition as people write it."""
    return Job(
        name=name, schedule="*/15 8-18 * * MON-FRI", timezone="Europe/Berlin", owner="Operations",
        owner_email="ops@example.com", retry=Retry(max=2),
        run=Run("shell", {"command": "/opt/reports/bin/build --format pdf --upload", "shell": "true"}),
    )  # fmt: skip


def used(deployment: Deployment) -> int:
    """The bytes that the store's allocator has given out."""
    return int(deployment.store.client.info("memory")["used_memory"])


if __name__ == "__main__":
    raise SystemExit(main())
