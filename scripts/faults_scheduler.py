"""Random faults of beat, store and network on real processes for as long as one likes; the audit judges after each.

One line a trial, with what was owed and what became of it. Ends with 1 at the first trial that is not clean, and keeps
the logs of the processes and what the jobs wrote. The seed fixes which faults come and how, not how processes
interleave.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.faults.scheduler.arena import Arena, rng_of
from tests.faults.scheduler.trials import TRIALS
from tests.support import StoreServer


def main(argv: list[str] | None = None) -> int:
    """Run trials until the time is over."""
    parser = argparse.ArgumentParser(prog="scripts/faults scheduler", description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="where chance begins")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", choices=sorted(TRIALS), action="append", help="only these faults; repeatable")
    parser.add_argument("--store", choices=("valkey", "redis"), default="valkey")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does, it ends what was started
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    print(f"seed {options.seed}, {options.minutes:g} minutes, logs in {folder}", flush=True)
    names = options.only or sorted(TRIALS)
    chance = rng_of(options.seed, "trials")
    end = time.monotonic() + options.minutes * 60
    number = 0
    with StoreServer(kind=options.store) as server, Arena(server, folder) as arena:
        arena.start()
        while time.monotonic() < end:
            number += 1
            name = chance.choice(names)
            trial, may_lose = TRIALS[name]
            says = f"trial {number}, {name}, seed {options.seed}"
            start_ms = arena.now_ms()
            try:
                trial(arena, rng_of(options.seed, f"{number} {name}"))
                print(f"{number:4} {name:10} {arena.judge(start_ms, says=says, may_lose=may_lose)}", flush=True)
            except AssertionError as error:
                print(f"{number:4} {name:10} FAILED: {error}\nlogs: {folder}", flush=True)
                return 1
    print(f"{number} trials, all clean")
    return 0


if __name__ == "__main__":
    sys.exit(main())
