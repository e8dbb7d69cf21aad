"""What it takes to forget: passes over a results backend in SQL that holds runs of very many jobs.

Beat makes a pass each ten seconds, a second after one that found something, and dispatches nothing meanwhile: how long
one lasts is what counts. The definitions are read from a Valkey, as beat reads them; SQLite holds the runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.clock import SystemClock
from dkronpy.deployment import Deployment
from dkronpy.execution import Execution, Run, execution_id, run_id
from dkronpy.results.backend import PRUNED_JOBS
from dkronpy.results.schema import EXECUTION, RUN
from dkronpy.scheduler.forgetting import Forgetting
from dkronpy.scheduler.keeping import Keeping
from dkronpy.settings import Settings
from scripts.many_jobs import store_jobs
from tests.support import StoreServer

CHUNK = 20_000


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and print its figures, or JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench forget", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=10, help="runs of each job that are stored")
    parser.add_argument("--keep", type=int, default=9, help="how many of them are to be kept")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    with StoreServer(kind="valkey") as server, tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/results.db"
        settings = Settings(store_url=server.socket_url, results_url=url, history_limit=options.keep)
        deployment = Deployment(settings)
        names = store_jobs(deployment, options.jobs, "@every 1h")
        fill(deployment, url, names, options.runs)
        figures = {
            "jobs": options.jobs,
            "runs": options.jobs * options.runs,
            **{f"forgetting_{name}": figure for name, figure in passes(deployment, options.jobs).items()},
            **{f"looking_{name}": figure for name, figure in passes(deployment, options.jobs).items()},
        }
        deployment.close()
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name.replace('_', ' '):<40}{figure:>12,}")
    return 0


def fill(deployment: Deployment, url: str, names: list[str], each: int) -> None:
    """Write runs with an execution each: one is filed in the usual way, and the others are its copies."""
    now = deployment.store.now_ms()
    run = Run(id=run_id("model", now), job="model", due_ms=now, state="success", finished_ms=now)
    deployment.results.save_run(run)
    name = execution_id(run.id, 0)
    copied = Execution(id=name, run_id=run.id, job="model", node="bench", due_ms=now, state="success", finished_ms=now)
    deployment.results.save_execution(copied)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        like_run = dict(connection.execute(sa.select(RUN)).mappings().one())
        like_execution = dict(connection.execute(sa.select(EXECUTION)).mappings().one())
        connection.execute(sa.delete(RUN))
        connection.execute(sa.delete(EXECUTION))
    pairs = [(name, now - number * 1000) for number in range(each) for name in names]
    for start in range(0, len(pairs), CHUNK):
        runs, executions = [], []
        for name, due in pairs[start : start + CHUNK]:
            one = run_id(name, due)
            runs.append({**like_run, "id": one, "job": name, "due_ms": due, "aged_ms": due})
            same = {"run_id": one, "job": name, "due_ms": due, "aged_ms": due}
            executions.append({**like_execution, "id": execution_id(one, 0), **same})
        with engine.begin() as connection:
            connection.execute(sa.insert(RUN), runs)
            connection.execute(sa.insert(EXECUTION), executions)
    engine.dispose()


def passes(deployment: Deployment, jobs: int) -> dict[str, float]:
    """Go once through all jobs, as beat does: passes, what they took in ms, what went, how long beat takes."""
    keeping = Keeping(deployment.jobs, deployment.settings, SystemClock())
    forgetting = Forgetting(deployment.results, SystemClock())
    forgetting.next_ms = began_ms = deployment.store.now_ms()
    spent, gone, seen = [], 0, 0
    while True:
        began = time.perf_counter()
        went = forgetting.run(forgetting.next_ms, keeping)
        spent.append((time.perf_counter() - began) * 1000)
        gone += went
        seen += PRUNED_JOBS
        if not went and seen >= jobs:
            break
    return {
        "passes": len(spent),
        "gone": gone,
        "ms_median": round(statistics.median(spent), 1),
        "ms_p99": round(statistics.quantiles(spent, n=100)[98], 1),
        "ms_most": round(max(spent), 1),
        "runs_at_once": forgetting.budget,
        "minutes_of_a_round": round((forgetting.next_ms - began_ms) / 60_000),
    }


if __name__ == "__main__":
    raise SystemExit(main())
