"""Six small jobs that do something real on any machine, every few seconds, so that there is something to see.

Replace them by your own. `dkronpy validate config` checks this folder without touching anything; `dkronpy up --config
config` (which `./scripts/run` calls) runs it.
"""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

from dkronpy import Http, Job, RunContext, Shell, all_nodes, at, cron, every, job

HEALTH_URL = os.environ.get("DKRONPY_HEALTH_URL", "http://127.0.0.1:8080/health")
"""The health endpoint of `dkronpy up`, which says where it listens."""

LOGS = Path(tempfile.gettempdir()) / f"dkronpy-demo-{os.getuid()}"

# A command with a pipe is a line for the shell.
Job(
    name="disk-space",
    schedule=cron("*/5 * * * * *"),
    run=Shell('df -P . | awk \'NR == 2 { print $5 " of " $6 " in use, " $4 " KiB free" }\''),
    timeout="10s",
    doc="How full the disk is that the agent works on.",
)

# An answer other than 2xx is a failure, and is asked for again twice.
Job(
    name="check-health",
    schedule=every("6s"),
    run=Http(HEALTH_URL, timeout="3s"),
    retry=2,
    doc="Whether dkronpy itself says that it is well.",
)

# Never two at a time: one that is still at work makes the next be skipped, with a record that says so.
Job(
    name="rotate-logs",
    schedule=every("8s"),
    run=Shell(
        """
        umask 077
        mkdir -p "$LOGS" && cd "$LOGS" || exit
        date >> demo.log
        test "$(wc -l < demo.log)" -lt 3 && { echo "demo.log has $(wc -l < demo.log) lines"; exit; }
        rm -f demo.log.3
        for n in 2 1; do test -e demo.log.$n && mv demo.log.$n demo.log.$((n + 1)); done
        mv demo.log demo.log.1
        echo "rotated:" demo.log.*
        """,
        env={"LOGS": str(LOGS)},
    ),
    concurrency="forbid",
    timeout="10s",
    doc="Writes a line to a log in a temporary folder, and rotates the log when it has three.",
)


# A function is imported on the node as `config.jobs:machine`, so the node needs this folder as well.
@job(schedule=cron("2-59/7 * * * * *"), timeout="20s")
def machine(run: RunContext) -> dict[str, str | float]:
    """Which machine this is, and how busy it has been for a minute; what it returns is the result of the run."""
    print(f"{run.job} was due at {run.due:%H:%M:%S} and runs on {run.node}")  # noqa: T201 - the output of the run
    return {"python": platform.python_version(), "machine": platform.machine(), "load": os.getloadavg()[0]}


# A broadcast: one execution on every live node.
Job(
    name="hello-everywhere",
    schedule=every("10s"),
    run=Shell('echo "hello from $DKRONPY_NODE"'),
    on=all_nodes(),
    timeout="10s",
    doc="Says hello from every node.",
)

# A one-shot. The moment has passed, yet a job that is saved within the grace is owed it, once: after the first start
# the record of that due time exists, and a second start does not repeat it.
Job(
    name="welcome",
    schedule=at("2026-01-01T00:00:00Z", grace="3650d"),
    run=Shell(("echo", "The first start is done. Now put your own jobs into config/jobs.py.")),
    doc="Runs once in the life of a store.",
)
