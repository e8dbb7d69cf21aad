"""Due entries a second, ours and stock RedBeat's, in the same run on the same kind of server.

Ours writes for each due entry the next due time, a run, an execution and the message in its node's queue; RedBeat
writes the next due time and the message. Both run in this one process, each against a Valkey of its own with an
append-only file. Figures are medians over the rounds; the peers take turns. Beside the rate stands the processor time
that an entry costs beat and store: on a machine that does other things it is what can be compared.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
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
from dkronpy.store.quarantine import Quarantine
from dkronpy.store.redbeat import score_of
from scripts.many_jobs import processor_seconds
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
        sides = {"dkronpy": due_ours, "redbeat": due_theirs}
        rounds: dict[str, list[Round]] = {"dkronpy": [], "redbeat": []}
        gc.collect()
        gc.freeze()  # as beat does, and for both sides
        for _ in range(options.rounds):
            for name, fire in sides.items():
                rounds[name].append(fire(options.due))
    report(options, rounds)
    return 0


@dataclass(frozen=True, kw_only=True)
class Round:
    """Due entries a second, and the microseconds of processor time that one cost beat and store."""

    per_second: float
    beat_us: float
    store_us: float


class Stopwatch:
    """Times what happens within it, for this process and for a store."""

    def __init__(self, server: StoreServer, due: int) -> None:
        self._server, self._due = server, due

    def __enter__(self) -> Stopwatch:  # noqa: PYI034 - Self needs Python 3.11
        self._began = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        took, beat, store = (now - then for now, then in zip(self._now(), self._began, strict=True))
        each = 1e6 / self._due
        self.round = Round(per_second=self._due / took, beat_us=beat * each, store_us=store * each)

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), processor_seconds(self._server.pid)


def prepare_ours(server: StoreServer, stored: int) -> Callable[[int], Round]:
    """Store jobs; the function makes some of them due and fires them."""
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

    def fire(due: int) -> Round:
        make_due(store, [store.keys.entry(name) for name in names[:due]], store.now_ms())
        fired = 0
        with Stopwatch(server, due) as watch:
            while (read := reader.fire(epoch, store.now_ms(), [node])).read:
                fired += read.runs
        queued = store.client.llen(queue_name("bench"))
        if not fired == queued == due:
            raise SystemExit(f"dkronpy: {due} were due, {fired} fired, {queued} queued")
        store.client.delete(queue_name("bench"))
        return watch.round

    return fire


def make_due(store: Store, keys: list[str], now_ms: int) -> None:
    """Put entries on the schedule for moments that have just passed."""
    with store.client.pipeline(transaction=False) as pipe:
        for number, key in enumerate(keys):
            pipe.zadd(store.keys.schedule, {key: score_of(now_ms - 1 - number % 1000)})
        pipe.execute()


def prepare_redbeat(server: StoreServer, stored: int) -> Callable[[int], Round]:
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

    def tick(due: int) -> Round:
        for entry in entries[:due]:
            entry.reschedule(app.now() - timedelta(hours=1, seconds=1))
        with Stopwatch(server, due) as watch:
            scheduler.tick()
        queued = client.llen("bench")
        if queued != due:
            raise SystemExit(f"redbeat: {due} were due, {queued} queued")
        client.delete("bench")
        return watch.round

    return tick


def report(options: argparse.Namespace, rounds: dict[str, list[Round]]) -> None:
    """Print medians and the ratio, pair by pair."""
    ratios = [ours.per_second / theirs.per_second for ours, theirs in zip(*rounds.values(), strict=True)]
    figures: dict[str, float] = {"stored": options.stored, "due": options.due, "rounds": options.rounds}
    for name, found in rounds.items():
        figures[f"{name}_due_per_second"] = round(statistics.median(one.per_second for one in found))
        figures[f"{name}_beat_us"] = round(statistics.median(one.beat_us for one in found), 1)
        figures[f"{name}_store_us"] = round(statistics.median(one.store_us for one in found), 1)
    figures["ratio_median"], figures["ratio_min"] = round(statistics.median(ratios), 1), round(min(ratios), 1)
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{options.due} of {options.stored} entries due at once, {options.rounds} rounds, medians")
    for name, what in (("dkronpy", "run, execution, message written"), ("redbeat", "message sent")):
        costs = f"{figures[f'{name}_beat_us']:>7} us of beat, {figures[f'{name}_store_us']:>6} us of the store each"
        print(f"  {name}  {figures[f'{name}_due_per_second']:>8} due entries a second ({what}); {costs}")
    print(f"  ratio    {figures['ratio_median']:>8} (least {figures['ratio_min']})")


if __name__ == "__main__":
    raise SystemExit(main())
