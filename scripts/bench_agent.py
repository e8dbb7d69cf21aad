"""How much memory one agent takes with many executions at once that sleep, and how fast it starts and ends them.

Counted is the proportional share (PSS) of the agent and every process below it, but for the commands themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.agent.process_tree import list_descendants
from dkronpy.job import Job, Run
from tests.acceptance.fleet import Fleet
from tests.support import StoreServer, wait_until

KB = 1024


def main(argv: list[str] | None = None) -> int:
    """Start them, measure, end them."""
    parser = argparse.ArgumentParser(prog="scripts/bench agent", description=__doc__)
    parser.add_argument("--executions", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    count = options.executions
    settings = {"DKRONPY_CAPACITY": str(count + 10), "DKRONPY_LEASE": "60s", "DKRONPY_LEASE_RENEW": "15s"}
    with StoreServer(kind="valkey") as server, Fleet(server, Path(tempfile.mkdtemp()), settings) as fleet:
        fleet.beat()
        agent = fleet.agent("n1")
        fleet.leader_pid()
        fleet.save(Job(name="one", schedule="@manually", run=Run("shell", {"command": "true"})))
        fleet.run_now("one")
        idle = memory(agent.pid)
        fleet.save(Job(name="sleeper", schedule="@manually", run=Run("shell", {"command": "sleep 3600"})))
        began = time.monotonic()
        runs = [fleet.client.run_job("sleeper").run.id for _ in range(count)]

        def running() -> int:
            return sum(one.state == "running" for one in fleet.client.some_executions([f"{run}.0" for run in runs]))

        wait_until(lambda: running() == count, timeout=300, description=f"{count} executions run")
        started = time.monotonic() - began
        busy = memory(agent.pid)
        began = time.monotonic()
        for run in runs:
            fleet.client.cancel_run(run)
        wait_until(
            lambda: all(run.terminal for run in fleet.client.some_runs(runs)), timeout=300, description="all have ended"
        )
        ended = time.monotonic() - began
        wait_until(lambda: sleepers(agent.pid) == 0, timeout=30, description="no command is left")
    found = {
        "executions": count, "started_s": round(started, 1), "ended_s": round(ended, 1),
        "idle_mb": round(idle / KB), "busy_mb": round(busy / KB), "kb_each": round((busy - idle) / count),
    }  # fmt: skip
    if options.json:
        print(json.dumps(found))
    else:
        print(
            f"{count} sleeping executions on one agent: {found['busy_mb']} MB ({found['idle_mb']} MB idle,"
            f" {found['kb_each']} kB each); started within {started:.1f} s, cancelled and gone within {ended:.1f} s"
        )
    return 0


def memory(agent: int) -> int:
    """The proportional set size of an agent and everything below it that is ours, in kB."""
    pids = [agent, *(entry.pid for entry in list_descendants(agent))]
    return sum(share(pid) for pid in pids if "sleep" not in name_of(pid))


def sleepers(agent: int) -> int:
    """How many commands run below it."""
    return sum(name_of(entry.pid) == "sleep" for entry in list_descendants(agent))


def share(pid: int) -> int:
    """A process's proportional set size in kB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def name_of(pid: int) -> str:
    """A process's name; '' when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
