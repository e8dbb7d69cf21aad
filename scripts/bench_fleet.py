"""How long the declared fleet takes: plan, apply and list of many jobs, each as a command that a person would type.

Each figure is the time of a whole process, its start included; `load` alone is the configuration without a store. What
a busy machine takes away shows in the difference of the two columns: time on the clock, and time on a processor. The
modules are compiled before, as pip does when it installs them: a process that compiles them takes 0.3 s more.
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.store.connection import Store
from tests.support import ROOT, StoreServer

JOBS = """
from dkronpy import Job, Shell, any_node, cron

CHANGED = {changed}
for n in range({jobs}):
    Job(
        name=f"job-{{n}}",
        schedule=cron(f"{{n * 7 % 60}} {{(n + (n < CHANGED)) % 24}} * * *", tz="Europe/Berlin"),
        run=Shell(f"echo {{n}}"),
        on=any_node(role=f"r{{n % 5}}"),
        timeout="10m",
    )
"""


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and print a table."""
    parser = argparse.ArgumentParser(prog="scripts/bench fleet", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--changed", type=int, default=10)
    options = parser.parse_args(argv)
    for package in ("dkronpy", "executors", "tasks"):
        compileall.compile_dir(ROOT / package, quiet=1)
    with StoreServer(kind="valkey") as server, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config"
        config.mkdir()
        bench = Bench(server, config)
        print(f"{options.jobs:,} jobs{'':18} on the clock   on a processor")
        bench.write(options.jobs, 0)
        bench.show("load (validate)", "validate", status=0)
        bench.show("plan of as many new jobs", "plan", status=2)
        bench.show("apply of as many new jobs", "apply", status=0)
        bench.give_pasts(options.jobs)
        bench.show("job list", "job", "list", status=0)
        bench.show("plan without a change", "plan", status=0)
        bench.write(options.jobs, options.changed)
        bench.show(f"plan of {options.changed} changes", "plan", status=2)
        bench.show(f"apply of {options.changed} changes", "apply", status=0)
    return 0


class Bench:
    """Commands on one store and one folder of configuration."""

    def __init__(self, server: StoreServer, config: Path) -> None:
        self.config = config
        self.store = Store(server.socket_url)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DKRONPY_")}
        self.environment = {
            **clean, "DKRONPY_STORE_URL": server.socket_url, "DKRONPY_CONFIG": str(config), "PYTHONPATH": str(ROOT),
        }  # fmt: skip

    def write(self, jobs: int, changed: int) -> None:
        """Write the configuration, with so many jobs an hour later."""
        (self.config / "jobs.py").write_text(JOBS.format(jobs=jobs, changed=changed))

    def give_pasts(self, jobs: int) -> None:
        """Let each job have run: what is shown of one that has is more than of one that has not."""
        moment = self.store.now_ms()
        with self.store.client.pipeline(transaction=False) as pipe:
            for n in range(jobs):
                past = {"success_count": n, "error_count": n % 7, "status": "success", "last_success_ms": moment - n}
                pipe.hset(self.store.keys.job_state(f"job-{n}"), mapping={**past, "last_error_ms": moment - 1000 * n})
            pipe.execute()

    def show(self, what: str, *arguments: str, status: int) -> None:
        """Run a command and print how long it took."""
        used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "dkronpy", *arguments], env=self.environment, capture_output=True, text=True
        )
        took = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != status:
            raise SystemExit(f"{what}: exit status {done.returncode}\n{done.stderr}")
        busy = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        print(f"{what:30} {took:9.2f} s   {busy:11.2f} s")


if __name__ == "__main__":
    sys.exit(main())
