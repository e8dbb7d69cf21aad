"""A week of a thousand jobs in virtual time: what `dkronpy simulate` takes for mixes of jobs, sparse and dense."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.clock import to_ms
from dkronpy.job import Job, Run
from dkronpy.simulation import Outage, simulate

COMMAND = Run("shell", {"command": "true"})
START = datetime(2026, 12, 1, tzinfo=timezone.utc)
# of a hundred jobs: how many have which schedule; H is a minute or an hour that the job's name chooses
MIXES = {
    "nightly": {"H H(0-6) * * *": 80, "H * * * *": 20},
    "usual": {"H H * * *": 60, "H * * * *": 30, "H/15 * * * *": 10},
    "dense": {"H H * * *": 30, "H * * * *": 40, "H/15 * * * *": 20, "H/5 * * * *": 10},
}


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and print a line for each mix, or JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench simulate", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--only", action="append", choices=tuple(MIXES), help="this mix; may be given several times")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    found = {name: measure(MIXES[name], options.jobs, options.days) for name in options.only or MIXES}
    if options.json:
        print(json.dumps(found))
        return 0
    print(f"{options.days} days of {options.jobs} jobs, two hours without beat in the first night, three nodes")
    for name, (seconds, due, rows) in found.items():
        print(f"  {name:<8} {due:>8,} due times, {rows:>8,} records in {seconds:6.1f} s")
    return 0


def measure(mix: dict[str, int], jobs: int, days: int) -> tuple[float, int, int]:
    """How long a simulation takes, how many due times it has seen, and how many records that made."""
    schedules = [schedule for schedule, share in mix.items() for _ in range(share)]
    known = [
        Job(
            name=f"job-{number:04d}", schedule=schedules[number % len(schedules)], run=COMMAND,
            concurrency="forbid" if number % 3 else "allow", catch_up=("latest", "all", "none")[number % 3],
        )
        for number in range(jobs)
    ]  # fmt: skip
    start_ms, hour_ms = to_ms(START), 3_600_000
    outage = Outage(start_ms=start_ms + 2 * hour_ms, end_ms=start_ms + 4 * hour_ms)
    began = time.perf_counter()
    simulated = simulate(known, start_ms, to_ms(START + timedelta(days=days)), nodes=3, outages=[outage])
    took = time.perf_counter() - began
    return round(took, 1), sum(simulated.outcomes.values()), len(simulated.rows)


if __name__ == "__main__":
    raise SystemExit(main())
