"""Many jobs: all due at once, a million stored with one due a second, the start of a beat, and two beats on shards.

Each part runs real beat processes on a Valkey of its own. No agent takes part: the node is only registered, and what is
due has to stand in its queue with run and execution recorded.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.clock import SystemClock
from dkronpy.deployment import Deployment
from dkronpy.dispatch.courier import NoCourier
from dkronpy.scheduler.shards import Shards
from dkronpy.settings import Settings
from dkronpy.store.keys import shard_of
from scripts.many_jobs import NODE, processor_seconds, resident_mb, schedule_at, store_jobs
from tests.support import Spawned, StoreServer, spawn, wait_until

PARTS = ("at-once", "stored", "start", "shards", "outage")
AHEAD_MS = 4000
MISSED_MS = 3600_000


def main(argv: list[str] | None = None) -> int:
    """Run the parts and print a line for each figure, or JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench scale", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be given several times")
    parser.add_argument("--due", type=int, default=100_000, help="jobs that are due at once")
    parser.add_argument("--stored", type=int, default=1_000_000, help="jobs that are stored while one a second is due")
    parser.add_argument("--seconds", type=int, default=20, help="how long one is due each second")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    parts = {
        "at-once": lambda: at_once(options.due),
        "stored": lambda: stored(options.stored, options.seconds),
        "start": lambda: start(options.due),
        "shards": lambda: shards(options.due // 2),
        "outage": lambda: outage(options.due // 20),
    }
    figures: dict[str, float] = {}
    for name in options.only or PARTS:
        figures.update(parts[name]())
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name.replace('_', ' '):<60}{figure:>12,}")
    return 0


@contextmanager
def deployment_on(server: StoreServer, **settings: int) -> Iterator[Deployment]:
    """The services of the benchmark on a store, with the node registered."""
    deployment = Deployment(Settings(store_url=server.socket_url, **settings))  # type: ignore[arg-type]
    deployment.nodes.report(NODE)
    yield deployment
    deployment.close()


def beats_on(stack: ExitStack, server: StoreServer, count: int, shards: int = 1) -> list[Spawned]:
    """Start beats."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    environment = {"DKRONPY_STORE_URL": server.socket_url, "DKRONPY_SHARDS": str(shards)}
    return [
        stack.enter_context(spawn("beat", log=folder / f"beat-{number}.log", env=environment))
        for number in range(count)
    ]


def queued(deployment: Deployment) -> int:
    """How many messages stand in the node's queue; keeps the node alive."""
    deployment.nodes.report(NODE)
    return int(deployment.store.client.llen(deployment.store.keys.queue(NODE.name)))


def fire_all(deployment: Deployment, names: list[str], server: StoreServer, beats: list[Spawned]) -> dict[str, float]:
    """Make all jobs due at one moment; until all are queued, and what that took of processors, for each."""
    due = deployment.store.now_ms() + AHEAD_MS + len(names) // 20
    schedule_at(deployment, names, [due] * len(names))
    wait_until(
        lambda: queued(deployment) >= 0 and deployment.store.now_ms() >= due, timeout=600, description="they are due"
    )
    before = processor_seconds(server.pid), [processor_seconds(beat.pid) for beat in beats]
    wait_until(lambda: queued(deployment) >= len(names), timeout=600, description="all are queued")
    took = deployment.store.now_ms() - due
    runs = deployment.store.client.zcard(deployment.store.keys.open)
    if runs != len(names):
        raise SystemExit(f"{len(names)} were due, {runs} executions are open")
    of_beats = sum(processor_seconds(beat.pid) - was for beat, was in zip(beats, before[1], strict=True))
    return {
        "seconds": round(took / 1000, 2),
        "due_per_second": round(len(names) / took * 1000),
        "server_us": round((processor_seconds(server.pid) - before[0]) / len(names) * 1e6, 1),
        "beat_us": round(of_beats / len(names) * 1e6, 1),
    }


def at_once(due: int) -> dict[str, float]:
    """All jobs due at one moment, one beat."""
    with ExitStack() as stack:
        server = stack.enter_context(StoreServer(kind="valkey"))
        deployment = stack.enter_context(deployment_on(server))
        names = store_jobs(deployment, due, "@every 1h")
        beats = beats_on(stack, server, 1)
        beats[0].wait_for("leading", timeout=60)
        found = fire_all(deployment, names, server, beats)
    return {f"at_once_{due}_{name}": figure for name, figure in found.items()}


def stored(count: int, seconds: int) -> dict[str, float]:
    """One of very many jobs is due each second: what a tick takes, and what beat holds."""
    with ExitStack() as stack:
        server = stack.enter_context(StoreServer(kind="valkey"))
        deployment = stack.enter_context(deployment_on(server))
        names = store_jobs(deployment, count, "@every 24h")
        soon = deployment.store.now_ms() // 1000 * 1000 + 20_000 + count // 20
        schedule_at(deployment, names, [soon + number * 1000 for number in range(count)])
        (beat,) = beats_on(stack, server, 1)
        beat.wait_for("leading", timeout=60)
        first = deployment.store.keys.queue(NODE.name)
        wait_until(lambda: queued(deployment) > 0, timeout=600, description="the first is queued")
        began, used = time.monotonic(), processor_seconds(beat.pid)
        before = deployment.store.client.llen(first)
        wait_until(lambda: queued(deployment) >= before + seconds, timeout=seconds + 60, description="time passes")
        took, used = time.monotonic() - began, processor_seconds(beat.pid) - used
        resident = resident_mb(beat.pid)
    return {
        f"stored_{count}_beat_processor_ms_a_second": round(used / took * 1000, 2),
        f"stored_{count}_beat_resident_mb": resident,
        **{f"stored_{count}_{name}": figure for name, figure in ticks(count).items()},
    }


def ticks(count: int) -> dict[str, float]:
    """What one tick takes that fires one job out of *count*: the lead is kept, the schedule read, the run written."""
    import random

    from dkronpy.app import make_app
    from dkronpy.dispatch.send import courier_for
    from dkronpy.dispatch.targets import Planner
    from dkronpy.scheduler.due import DueReader
    from dkronpy.store.quarantine import Quarantine

    with ExitStack() as stack:
        server = stack.enter_context(StoreServer(kind="valkey"))
        deployment = stack.enter_context(deployment_on(server))
        store = deployment.store
        courier = courier_for(make_app(deployment.settings), "", store.url) or NoCourier()
        reader = DueReader(
            store, deployment.ledger, courier, Planner(courier, random.Random(1), fired_by="bench"),
            Quarantine(store), batch=deployment.settings.batch,
        )  # fmt: skip
        shards = Shards(deployment.ledger, SystemClock(), holder="bench", ttl_ms=3_600_000, wanted=1)
        names = store_jobs(deployment, count, "@every 24h")
        now = store.now_ms()
        schedule_at(deployment, names, [now + 7_200_000 + number for number in range(count)])
        spent = []
        for name in names[:300]:
            schedule_at(deployment, [name], [store.now_ms()])
            began = time.perf_counter()
            lead = shards.ask().leads[0]
            fired = reader.fire(lead.epoch, lead.now_ms, [NODE])
            spent.append((time.perf_counter() - began) * 1000)
            if fired.runs != 1:
                raise SystemExit(f"{fired.runs} were fired, not the one that was due")
        spent.sort()
    return {"tick_ms_median": round(spent[150], 2), "tick_ms_p99": round(spent[297], 2)}


def start(due: int) -> dict[str, float]:
    """From the start of the process to the first message in a queue, all jobs waiting for it."""
    with ExitStack() as stack:
        server = stack.enter_context(StoreServer(kind="valkey"))
        deployment = stack.enter_context(deployment_on(server))
        names = store_jobs(deployment, due, "@every 1h")
        schedule_at(deployment, names, [deployment.store.now_ms()] * due)
        began = time.monotonic()
        beats_on(stack, server, 1)
        wait_until(lambda: queued(deployment) > 0, timeout=60, description="the first is queued")
        took = time.monotonic() - began
    return {f"start_with_{due}_seconds_to_first_dispatch": round(took, 2)}


def shards(due: int) -> dict[str, float]:
    """The same jobs due at once on two shards, with one beat and with two."""
    figures: dict[str, float] = {}
    for count in (1, 2):
        with ExitStack() as stack:
            server = stack.enter_context(StoreServer(kind="valkey"))
            deployment = stack.enter_context(deployment_on(server))
            deployment.store.set_shards(2)
            names = store_jobs(deployment, due, "@every 1h")
            beats = beats_on(stack, server, count, shards=2)
            wait_until(lambda: led(deployment) == (2, count), timeout=60, description="each leads its share")  # noqa: B023
            found = fire_all(deployment, names, server, beats)
            figures.update({f"shards_{count}_beats_{name}": figure for name, figure in found.items()})
    ratio = figures["shards_2_beats_due_per_second"] / figures["shards_1_beats_due_per_second"]
    return {**figures, "shards_two_beats_over_one": round(ratio, 2)}


def outage(jobs: int) -> dict[str, float]:
    """An hour of every 5 s that was missed, on two shards: beats count due times, and the store has little to do."""
    figures: dict[str, float] = {}
    for count in (1, 2):
        with ExitStack() as stack:
            server = stack.enter_context(StoreServer(kind="valkey"))
            deployment = stack.enter_context(deployment_on(server))
            deployment.store.set_shards(2)
            names = store_jobs(deployment, jobs, "*/5 * * * * *", catch_up="none")
            schedule_at(deployment, names, [deployment.store.now_ms() + 86_400_000] * jobs)
            beats_on(stack, server, count, shards=2)
            wait_until(lambda: led(deployment) == (2, count), timeout=60, description="each leads its share")  # noqa: B023
            took, store_s = work_off(deployment, names, server)
            figures[f"outage_{count}_beats_due_times_per_second"] = round(jobs * MISSED_MS / 5000 / took)
            figures[f"outage_{count}_beats_server_percent"] = round(store_s / took * 100)
    ratio = figures["outage_2_beats_due_times_per_second"] / figures["outage_1_beats_due_times_per_second"]
    return {**figures, "outage_two_beats_over_one": round(ratio, 2)}


def work_off(deployment: Deployment, names: list[str], server: StoreServer) -> tuple[float, float]:
    """Owe an hour of each job, all in the same moment; the seconds until all are dealt with, and those of the store."""
    client, keys = deployment.store.client, deployment.store.keys
    since = (deployment.store.now_ms() - MISSED_MS) // 5000 * 5
    owed: list[dict[str, int]] = [{}, {}]
    for name in names:
        owed[shard_of(name, 2)][keys.entry(name)] = since
    before = processor_seconds(server.pid)
    for shard, entries in enumerate(owed):
        client.zadd(keys.schedule_of(shard), entries)
    client.publish(keys.wake, "bench")
    began = time.monotonic()
    wait_until(
        lambda: queued(deployment) >= 0 and not any(client.zcount(keys.schedule_of(s), 0, since + 60) for s in (0, 1)),
        timeout=300,
        description="what was missed is dealt with",
    )
    return time.monotonic() - began, processor_seconds(server.pid) - before


def led(deployment: Deployment) -> tuple[int, int]:
    """How many shards are led, and by how many beats."""
    keys, client = deployment.store.keys, deployment.store.client
    holders = [holder for shard in range(2) if (holder := client.hget(keys.leader_of(shard), "holder"))]
    return len(holders), len(set(holders))


if __name__ == "__main__":
    raise SystemExit(main())
