"""How soon a stand-by fires after the leader was killed, and what beat costs while the store is away.

Two real beats on a Valkey of its own and a job of every second: the leader is killed with KILL, and the next run
that the other one fires is waited for; again and again, each time with a new stand-by. Then the store is stopped, and
the processor time of the beat that is left is read. No agent takes part.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.deployment import Deployment
from dkronpy.job import Job
from dkronpy.settings import Settings
from scripts.many_jobs import COMMAND, NODE, processor_seconds
from tests.support import Spawned, StoreServer, spawn, wait_until


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and print a line for each figure, or JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench failover", description=__doc__)
    parser.add_argument("--ttl", type=int, nargs="*", default=[3, 10], help="leader_ttl in seconds")
    parser.add_argument("--times", type=int, default=5, help="how often a leader is killed")
    parser.add_argument("--away", type=int, default=20, help="how many seconds the store is away")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    figures: dict[str, float] = {}
    for ttl in options.ttl:
        figures.update(failover(ttl, options.times, options.away if ttl == options.ttl[0] else 0))
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name.replace('_', ' ')}: {figure:g}")
    return 0


def failover(ttl: int, times: int, away: int) -> dict[str, float]:
    """Kill the leader so many times; then, for *away* seconds, the store."""
    with ExitStack() as stack:
        server = stack.enter_context(StoreServer(kind="valkey"))
        deployment = Deployment(Settings(store_url=server.socket_url))
        stack.callback(deployment.close)
        deployment.nodes.report(NODE)
        deployment.jobs.save(Job(name="second", schedule="* * * * * *", run=COMMAND))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def beat(number: int) -> Spawned:
            environment = {"DKRONPY_STORE_URL": server.socket_url, "DKRONPY_LEADER_TTL": f"{ttl}s"}
            return stack.enter_context(spawn("beat", log=folder / f"beat-{number}.log", env=environment))

        leading = beat(0)
        leading.wait_for("leading, epoch", timeout=60)
        gaps = []
        for number in range(1, times + 1):
            standing_by = beat(number)
            standing_by.wait_for("beat: Starting", timeout=60)
            wait_until(lambda: newest(deployment) > 0, timeout=30, description="a run is fired")
            leading.process.kill()
            leading.process.wait()
            killed = deployment.store.now_ms()
            standing_by.wait_for("leading, epoch", timeout=ttl + 30)
            first = wait_until(lambda: after(deployment, killed), timeout=30, description="the stand-by fires")  # noqa: B023
            gaps.append((first - killed) / 1000)
            leading = standing_by
        found: dict[str, float] = {
            f"ttl_{ttl}_s_killed_to_next_run_seconds_median": round(statistics.median(gaps), 2),
            f"ttl_{ttl}_s_killed_to_next_run_seconds_most": round(max(gaps), 2),
        }
        if away:
            server.terminate()
            leading.wait_for("cannot be used", timeout=30)
            began, used = time.monotonic(), processor_seconds(leading.pid)
            wait_until(lambda: time.monotonic() - began >= away, timeout=away + 10, description="time passes")
            share = (processor_seconds(leading.pid) - used) / (time.monotonic() - began)
            found["store_away_beat_processor_percent"] = round(share * 100, 2)
            server.start()
        return found


def newest(deployment: Deployment) -> int:
    """When the newest run was fired; 0 for none."""
    return max((run.fired_ms for run in deployment.ledger.recent_runs(limit=1)), default=0)


def after(deployment: Deployment, moment_ms: int) -> int:
    """When the first run after a moment was fired; 0 for none."""
    deployment.nodes.report(NODE)
    fired = [run.fired_ms for run in deployment.ledger.recent_runs(limit=20)]
    return min((at for at in fired if at > moment_ms), default=0)


if __name__ == "__main__":
    raise SystemExit(main())
