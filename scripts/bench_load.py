"""A deployment under load: what its processes hold in memory while jobs run for minutes, and whether any run is missed.

A beat, two agents, a server and a Valkey or Redis with its append-only file; each execution is a process of its own, or
none with ``--executor nothing``: what is left is what a run costs beat, agents and store. Memory is the proportional
share (PSS) of a process, for an agent with its helpers and the shims beside commands; descriptors are those of the
process itself. What a run costs a process is its processor time over the number of runs. It ends with 1 where a due
time has no successful run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import requests
from prometheus_client.parser import text_string_to_metric_families

from dkronpy.clock import from_ms
from dkronpy.job import Job, Run
from scripts.bench_agent import KB, memory, share
from scripts.executor_of_nothing import register
from scripts.many_jobs import name_of, processor_seconds
from tests.acceptance.fleet import Fleet
from tests.support import Spawned, StoreServer, free_port, wait_until

COUNTERS = ("success", "error", "skipped", "lost")
NODES = ("n1", "n2")
LEAD_SECONDS = 30
RUNS = {"shell": Run("shell", {"command": "true"}), "nothing": Run("nothing")}
SETTINGS = {
    "DKRONPY_LEASE": "60s",
    "DKRONPY_LEASE_RENEW": "15s",
    "DKRONPY_HISTORY_LIMIT": "5",
    "DKRONPY_CELERY_RESULTS": "15m",  # as long as the ledger's own records
}


def main(argv: list[str] | None = None) -> int:
    """Run it, print a line for each look, and what came of all."""
    parser = argparse.ArgumentParser(prog="scripts/bench load", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--every", type=int, default=20, metavar="SECONDS", help="each job's period; it divides 60")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--look", type=int, default=60, metavar="SECONDS", help="between two looks at the processes")
    parser.add_argument("--executor", choices=RUNS, default="shell")
    parser.add_argument("--capacity", type=int, default=16, metavar="N", help="of each of the two agents")
    parser.add_argument("--store", choices=("valkey", "redis"), default="valkey", help="which server is the store")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    with ExitStack() as stack:
        store = stack.enter_context(StoreServer(kind=options.store))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sys.path += register(folder)
        environment = {
            **SETTINGS, "DKRONPY_CAPACITY": str(options.capacity), "PYTHONPATH": os.pathsep.join(sys.path[-2:]),
        }  # fmt: skip
        fleet = stack.enter_context(Fleet(store, folder, environment))
        parts: dict[str, Spawned] = {"beat": fleet.beat(), **{name: fleet.agent(name) for name in NODES}}
        port = free_port()
        parts["server"] = fleet._start("server", "--port", str(port))  # noqa: SLF001 - the fleet of this repository
        parts["server"].wait_for("the API is at")
        begin_ms, owed = save(fleet, RUNS[options.executor], options)
        before = worked(store, parts)
        asked = asked_of(fleet)
        looks = watch(fleet, store, parts, begin_ms, options.seconds, options.look, tell=not options.json)
        until = time.monotonic() + options.seconds + 120
        while counted(fleet, options.jobs)["all"] < owed:  # a question for each job: not ten times a second
            assert time.monotonic() < until, f"{owed} due times have not ended"
            time.sleep(1)
        took = (fleet.client.deployment.store.now_ms() - begin_ms) / 1000
        ends = counted(fleet, options.jobs)
        costs = {f"{name}_us": round((used - before[name]) / owed * 1e6) for name, used in worked(store, parts).items()}
        commands = {name: round((count - asked.get(name, 0)) / owed, 2) for name, count in asked_of(fleet).items()}
        lag = lags(requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text)
    missed = owed - ends["success"]
    found = {
        "due": owed,
        **ends,
        "missed": missed,
        "after_s": round(took),
        **lag,
        **costs,
        "commands": busiest(commands),
        "looks": looks,
    }
    print(json.dumps(found) if options.json else report(found, options.jobs / options.every))
    return 1 if missed else 0


def save(fleet: Fleet, run: Run, options: argparse.Namespace) -> tuple[int, int]:
    """Save jobs that are due in turn from a moment on: when it begins, and how many due times there will be."""
    jobs, every, seconds = options.jobs, options.every, options.seconds
    now_ms = fleet.client.deployment.store.now_ms()
    begin = from_ms((now_ms // 60_000 + 1) * 60_000) + timedelta(seconds=LEAD_SECONDS if jobs < 5000 else 60)
    end = begin + timedelta(seconds=seconds)
    owed = 0
    for number in range(jobs):
        job = Job(
            name=name_of(number), schedule=f"{number % every}/{every} * * * * *", run=run,
            starts_at=begin, expires_at=end, start_deadline=timedelta(minutes=10),
        )  # fmt: skip
        owed += sum(1 for _ in job.parsed_schedule().between(begin - timedelta(seconds=1), end))
        fleet.save(job)
    return round(begin.timestamp() * 1000), owed


def watch(
    fleet: Fleet, store: StoreServer, parts: Mapping[str, Spawned], begin_ms: int, seconds: int, look: int, *,
    tell: bool,
) -> list[dict[str, float]]:  # fmt: skip
    """Look at every process again and again, until the last due time."""
    looks = []
    client = fleet.client.deployment.store
    for moment in range(look, seconds + 1, look):
        until = begin_ms + moment * 1000
        wait_until(lambda: client.now_ms() >= until, timeout=look + 180, description="time passes")  # noqa: B023
        found: dict[str, float] = {"seconds": moment}
        for name, part in parts.items():
            kb = memory(part.pid) if name in NODES else share(part.pid)
            found[f"{name}_mb"] = round(kb / KB, 1)
            found[f"{name}_descriptors"] = sum(1 for _ in Path(f"/proc/{part.pid}/fd").iterdir())
            found[f"{name}_processor_s"] = round(processor_seconds(part.pid), 1)
        found["store_mb"] = round(int(client.client.info("memory")["used_memory"]) / KB / KB, 1)
        found["store_descriptors"] = sum(1 for _ in Path(f"/proc/{store.pid}/fd").iterdir())
        found["store_processor_s"] = round(processor_seconds(store.pid), 1)
        found["open"] = fleet.client.status().open_executions
        looks.append(found)
        if tell:
            print(", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in found.items()), flush=True)
    return looks


def worked(store: StoreServer, parts: Mapping[str, Spawned]) -> dict[str, float]:
    """The processor seconds that each process has used so far."""
    pids = {"store": store.pid, **{name: part.pid for name, part in parts.items()}}
    return {name: processor_seconds(pid) for name, pid in pids.items()}


def asked_of(fleet: Fleet) -> dict[str, int]:
    """How often the store was asked each command so far, those inside of scripts included."""
    stats = fleet.client.deployment.store.client.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(entry["calls"]) for name, entry in stats.items()}


def busiest(commands: Mapping[str, float]) -> dict[str, float]:
    """The commands that come to something for each run, most first."""
    return dict(sorted(((name, each) for name, each in commands.items() if each >= 0.05), key=lambda item: -item[1]))


def counted(fleet: Fleet, jobs: int) -> dict[str, int]:
    """How the executions of all jobs have ended, by the jobs' own counters."""
    store = fleet.client.deployment.store
    with store.client.pipeline(transaction=False) as pipe:
        for number in range(jobs):
            pipe.hmget(store.keys.job_state(name_of(number)), [f"{counter}_count" for counter in COUNTERS])
        rows = pipe.execute()
    sums = [sum(int(row[place] or 0) for row in rows) for place in range(len(COUNTERS))]
    return {**dict(zip(("success", "failed", "skipped", "lost"), sums, strict=True)), "all": sum(sums)}


def lags(text: str) -> dict[str, str]:
    """From due time to a node's claim, over all jobs: the bucket of the histogram in which each share lies."""
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "dkronpy_start_lag_seconds_bucket":
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0) + sample.value
    total = max(buckets.values(), default=0)
    shares = (("lag_median", 0.5), ("lag_99_percent", 0.99), ("lag_most", 1.0))
    return {
        name: f"<= {next(bound for bound, count in sorted(buckets.items()) if count >= share * total):g} s"
        for name, share in shares
        if total
    }


def report(found: Mapping[str, object], rate: float) -> str:
    """A line for people."""
    words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.items() if name != "looks")
    return f"{rate:g} a second: {words}"


if __name__ == "__main__":
    sys.exit(main())
