"""Due entries a second, ours and stock RedBeat's, in the same run on the same kind of server.

Ours writes for each due entry the next due time, a run, an execution and the message in its node's queue; RedBeat
writes the next due time and the message. Both run in this one process, each against a Valkey of its own with an
append-only file. Figures are medians over the rounds; the peers take turns.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from celery import Celery
from celery.schedules import schedule as interval
from redbeat import RedBeatSchedulerEntry
from redbeat.schedulers import RedBeatScheduler

from dkronpy.app import make_app
from dkronpy.deployment import Deployment
from dkronpy.dispatch.send import courier_for
from dkronpy.dispatch.targets import Planner
from dkronpy.job import Job, Run
from dkronpy.node import Node, queue_name
from dkronpy.scheduler.due import DueReader
from dkronpy.settings import Settings
from dkronpy.store.connection import Store
from dkronpy.store.jobs import score_of
from dkronpy.store.quarantine import Quarantine
from tests.support import StoreServer

HOUR_MS = 3600 * 1000


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and print a table, or JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench tick", description=__doc__)
    parser.add_argument("--stored", type=int, default=5000, help="entries in the store")
    parser.add_argument("--due", type=int, default=1000, help="how many of them are due at once")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    with StoreServer(kind="valkey") as ours, StoreServer(kind="valkey") as theirs:
        due_ours, due_theirs = prepare_ours(ours, options.stored), prepare_redbeat(theirs, options.stored)
        rates: dict[str, list[float]] = {"dkronpy": [], "redbeat": []}
        for _ in range(options.rounds):
            rates["dkronpy"].append(due_ours(options.due))
            rates["redbeat"].append(due_theirs(options.due))
    report(options, rates)
    return 0


def prepare_ours(server: StoreServer, stored: int) -> Callable[[int], float]:
    """Store jobs; the function makes some of them due and returns how many a second are fired."""
    settings = Settings(store_url=server.socket_url)
    deployment, app = Deployment(settings), make_app(settings)
    store, ledger = deployment.store, deployment.ledger
    names = [f"job-{number}" for number in range(stored)]
    for name in names:
        deployment.jobs.save(Job(name=name, schedule="@every 1h", run=Run("shell", {"command": "true"})))
    node = Node(name="bench", instance="bench")
    courier = courier_for(app, "", settings.store_url)
    planner = Planner(courier, random.Random(1), fired_by="bench")
    reader = DueReader(store, ledger, courier, planner, Quarantine(store), batch=settings.batch)
    epoch = ledger.lead("bench", HOUR_MS).epoch

    def fire(due: int) -> float:
        make_due(store, [store.keys.entry(name) for name in names[:due]], store.now_ms())
        start, fired = time.perf_counter(), 0
        while (read := reader.fire(epoch, store.now_ms(), [node])).read:
            fired += read.runs
        took = time.perf_counter() - start
        queued = store.client.llen(queue_name("bench"))
        if not fired == queued == due:
            raise SystemExit(f"dkronpy: {due} were due, {fired} fired, {queued} queued")
        store.client.delete(queue_name("bench"))
        return due / took

    return fire


def make_due(store: Store, keys: list[str], now_ms: int) -> None:
    """Put entries on the schedule for moments that have just passed."""
    with store.client.pipeline(transaction=False) as pipe:
        for number, key in enumerate(keys):
            pipe.zadd(store.keys.schedule, {key: score_of(now_ms - 1 - number % 1000)})
        pipe.execute()


def prepare_redbeat(server: StoreServer, stored: int) -> Callable[[int], float]:
    """The same for stock RedBeat, whose entries carry a plain task."""
    app = Celery("stock", broker=server.url, set_as_current=False)
    app.conf.update(redbeat_redis_url=server.url, task_default_queue="bench", beat_max_loop_interval=1)
    client = server.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scheduler = RedBeatScheduler(app, lazy=True, max_interval=1)
    scheduler.lock_key = None
    entries = []
    for number in range(stored):
        entry = RedBeatSchedulerEntry(f"job-{number}", "bench.task", interval(timedelta(hours=1)), app=app)
        entry.last_run_at = app.now()
        entries.append(entry.save())

    def tick(due: int) -> float:
        for entry in entries[:due]:
            entry.reschedule(app.now() - timedelta(hours=1, seconds=1))
        start = time.perf_counter()
        scheduler.tick()
        took = time.perf_counter() - start
        queued = client.llen("bench")
        if queued != due:
            raise SystemExit(f"redbeat: {due} were due, {queued} queued")
        client.delete("bench")
        return due / took

    return tick


def report(options: argparse.Namespace, rates: dict[str, list[float]]) -> None:
    """Print medians and the ratio, pair by pair."""
    ratios = [a / b for a, b in zip(rates["dkronpy"], rates["redbeat"], strict=True)]
    figures = {
        "stored": options.stored,
        "due": options.due,
        "rounds": options.rounds,
        "dkronpy_due_per_second": round(statistics.median(rates["dkronpy"])),
        "redbeat_due_per_second": round(statistics.median(rates["redbeat"])),
        "ratio_median": round(statistics.median(ratios), 1),
        "ratio_min": round(min(ratios), 1),
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{options.due} of {options.stored} entries due at once, {options.rounds} rounds, medians")
    print(f"  dkronpy  {figures['dkronpy_due_per_second']:>8} due entries a second (run, execution, message written)")
    print(f"  redbeat  {figures['redbeat_due_per_second']:>8} due entries a second (message sent)")
    print(f"  ratio    {figures['ratio_median']:>8} (least {figures['ratio_min']})")


if __name__ == "__main__":
    raise SystemExit(main())
