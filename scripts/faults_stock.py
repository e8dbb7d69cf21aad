"""The same faults on dkronpy and on stock celery-redbeat with stock Celery workers, side by side.

Either side has two schedulers, three workers and a store of its own behind the same proxies, the same periodic work and
the same seed; what ends by itself is started again at once. Times differ a little between runs: the faults do not.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.verify.history import History
from tests.faults.system.breath import pause
from tests.faults.system.machine import Machine
from tests.faults.system.nemesis import FAULTS, campaign
from tests.faults.system.stock import LENGTHS, PERIODS, Outcome, StockWorld
from tests.faults.system.world import World
from tests.support import StoreServer

SETTLE_SECONDS = 30.0
UNFAIR = ("end-agent", "clocks", "store-clock", "slow-disk")
"""Faults that say nothing, as either side ends in good order, or that need more than stock parts are given here."""
COLUMNS = ("", "due", "ran", "started twice", "started, no end", "recorded why not", "processes that ended")


def main(argv: list[str] | None = None) -> int:
    """Run all three sides and print the table."""
    parser = argparse.ArgumentParser(prog="scripts/faults stock", description=__doc__)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does, it ends what was started
    folder = Path(tempfile.mkdtemp(prefix="faults-stock-"))
    print(f"seed {options.seed}, {options.seconds:g} s of faults a side, logs in {folder}", flush=True)
    rows = [
        ("RedBeat + Celery, acks_early", stock(folder / "early", options.seed, options.seconds, acks_late=False)),
        ("RedBeat + Celery, acks_late", stock(folder / "late", options.seed, options.seconds, acks_late=True)),
        ("dkronpy", ours(folder / "ours", options.seed, options.seconds)),
    ]
    print("\n| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for name, outcome in rows:
        print(f"| {name} | " + " | ".join(map(str, outcome)) + " |")
    return 0


def faults() -> list[str]:
    """The faults that both sides are given."""
    return [name for name in sorted(FAULTS) if name not in UNFAIR]


def stock(folder: Path, seed: int, seconds: float, *, acks_late: bool) -> Outcome:
    """One stock deployment."""
    folder.mkdir()
    with StoreServer(kind="redis") as server, StockWorld(server, folder, acks_late=acks_late) as world:
        world.start()
        world.begin()
        campaign(world, seed, seconds, faults())
        world.finish()
        for _ in range(int(SETTLE_SECONDS)):
            pause(1.0)
            world.mend()
        return world.outcome(seconds)


def ours(folder: Path, seed: int, seconds: float) -> Outcome:
    """Ours, with the same work."""
    folder.mkdir()
    with Machine(folder, store="redis") as machine, World(machine, folder) as world:
        world.start()
        world.begin(seconds, PERIODS, LENGTHS)
        campaign(world, seed, seconds, faults())
        return told(world.history(), world.exits)


def told(history: History, exits: int) -> Outcome:
    """The same figures out of a history; what did not run has its reason on record."""
    starts = Counter(mark.execution for mark in history.marks if mark.what == "start")
    ends = {mark.execution for mark in history.marks if mark.what != "start"}
    explained = sum(run.count for job in history.jobs for run in job.runs if run.state not in ("success", "running"))
    return Outcome(
        owed=sum(len(job.owed) for job in history.jobs),
        ran=len(starts),
        twice=sum(count > 1 for count in starts.values()),
        unfinished=sum(execution not in ends for execution in starts),
        explained=explained,
        exits=exits,
    )


if __name__ == "__main__":
    sys.exit(main())
