"""Where users of Dkron report that it breaks: many jobs every few seconds, thousands at one instant, a busy API.

Each case runs a real beat on a Valkey of its own. An agent of this benchmark's own takes the messages, claims and
finishes each execution as an agent does, and starts no process, so that beat, ledger and API are what is measured, and
not how many commands this machine can start. Every due time is then looked up: its run succeeded, it has a record that
says why not (nobody took it up in time: more was due than could be run), or it is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.deployment import Deployment
from dkronpy.execution import run_id
from dkronpy.settings import Settings
from dkronpy.store.ledger import RECORD_TTL_MS
from scripts.many_jobs import NODE, schedule_at, store_jobs
from tests.support import StoreServer, spawn, wait_until

LEASE_MS = 60_000
AT_ONCE = 100


def main(argv: list[str] | None = None) -> int:
    """Run the cases and print a line each, or JSON; status 1 when a due time was missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench breaking", description=__doc__)
    parser.add_argument("--every-5s", type=int, nargs="*", default=[1000, 4000], help="jobs that are due every 5 s")
    parser.add_argument("--seconds", type=int, default=600, help="how long they are")
    parser.add_argument("--at-once", type=int, default=5000, help="jobs that are due at one instant")
    parser.add_argument("--each-minute", type=int, default=6137, help="jobs @every 1m while the API is asked")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    found = [every_5s(jobs, options.seconds) for jobs in options.every_5s]
    found += [at_once(options.at_once)] if options.at_once else []
    found += [each_minute(options.each_minute, min(options.seconds, 120))] if options.each_minute else []
    if options.json:
        print(json.dumps(found))
    else:
        for case in found:
            print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in case.items()))
    return 1 if any(case["missed"] for case in found) else 0


class Taker(threading.Thread):
    """Takes messages from the node's queue, and claims and ends what they ring for, a hundred at a time."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(daemon=True)
        self._deployment = deployment
        self._stopping = threading.Event()

    def run(self) -> None:
        store = self._deployment.store
        queue = store.keys.queue(NODE.name)
        reported = 0.0
        while not self._stopping.is_set():
            if time.monotonic() - reported > 1:
                self._deployment.nodes.report(NODE)
                reported = time.monotonic()
            messages = store.client.rpop(queue, AT_ONCE) or ()
            if messages:
                self._take([json.loads(json.loads(raw)["body"])[0] for raw in messages])
            else:
                self._stopping.wait(0.02)

    def _take(self, rung: list[tuple[str, int]]) -> None:
        """As an agent does for each: the claim, the end, and the record for the results backend."""
        ledger, results = self._deployment.ledger, self._deployment.results
        claims, ends = (self._deployment.store.scripts.line(step) for step in ("claim", "finish"))
        for name, delivery in rung:
            claims.send(NODE.name, "bench", LEASE_MS, RECORD_TTL_MS, name, delivery)
        granted = [
            (name, answer[1])
            for (name, _), (answer,) in zip(rung, [claims.receive() for _ in rung], strict=True)
            if answer[0] == b"ok"
        ]
        for name, token in granted:
            ends.send(RECORD_TTL_MS, name, token, "success", "", "", 0, "", "", 0)
        for _ in granted:
            ends.receive()
        claims.close()
        ends.close()
        for execution in ledger.executions([name for name, _ in granted]):
            results.save_execution(execution)

    def stop(self) -> None:
        """Take nothing more."""
        self._stopping.set()
        self.join(10)


@contextmanager
def deployment(jobs: int, schedule: str, *roles: tuple[str, ...]) -> Iterator[tuple[Deployment, list[str], list[str]]]:
    """A store with jobs, a beat that leads, and the taker; yields the names of the jobs and what the roles print."""
    with ExitStack() as stack:
        server = stack.enter_context(StoreServer(kind="valkey"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made = Deployment(Settings(store_url=server.socket_url, history_limit=200))
        made.nodes.report(NODE)
        names = store_jobs(made, jobs, schedule)
        taker = Taker(Deployment(made.settings))
        taker.start()
        stack.callback(taker.stop)
        environment = {
            "DKRONPY_STORE_URL": server.socket_url,
            "DKRONPY_HISTORY_LIMIT": "200",
            "DKRONPY_ALLOW_ROOT": "true",
            "DKRONPY_DATA_DIR": str(folder),
        }
        said = []
        for number, role in enumerate((("beat",), *roles)):
            process = stack.enter_context(spawn(*role, log=folder / f"{number}.log", env=environment))
            said.append(process.wait_for("leading" if role[0] == "beat" else "the API is at ", timeout=120))
        yield made, names, said


def judge(made: Deployment, names: list[str], due: list[int]) -> dict[str, float]:
    """How many of the due times have no record, or one that is no success, and how late the runs were fired."""
    missed, too_much, lags = 0, 0, []
    for name in names:
        ids = [run_id(name, moment) for moment in due]
        try:
            known = {run.id: run for run in made.ledger.runs(ids)}
        except redis.RedisError as error:
            raise SystemExit(f"the store cannot be read: {error}") from None
        runs = [run for run in (known.get(one) or made.results.run(one) for one in ids) if run is not None]
        missed += len(ids) - len(runs)
        too_much += sum(run.state != "success" for run in runs)
        lags += [run.fired_ms - run.due_ms for run in runs]
    lags.sort()
    return {
        "due": len(names) * len(due),
        "missed": missed,
        "recorded_as_not_taken_in_time": too_much,
        "lag_ms_median": lags[len(lags) // 2] if lags else -1,
        "lag_ms_p99": lags[int(len(lags) * 0.99)] if lags else -1,
    }


def settled(made: Deployment, until_ms: int) -> None:
    """Wait until nothing is owed before a moment and nothing is open."""

    def done() -> bool:
        keys, client = made.store.keys, made.store.client
        first = client.zrange(keys.schedule, 0, 0, withscores=True)
        return bool(first) and first[0][1] * 1000 > until_ms

    wait_until(done, timeout=300, description="all that was due is fired")
    wait_until(lambda: open_before(made, until_ms) == 0, timeout=300, description="all of it has ended")


def open_before(made: Deployment, until_ms: int) -> int:
    """How many executions that were due by a moment have not ended (looks at the first 1,000)."""
    ids = [name.decode() for name in made.store.client.zrange(made.store.keys.open, 0, 999)]
    return sum(execution.due_ms <= until_ms for execution in made.ledger.executions(ids))


def every_5s(jobs: int, seconds: int) -> dict[str, float]:
    """So many jobs due every 5 s."""
    with deployment(jobs, "*/5 * * * * *") as (made, names, _):
        first = made.store.now_ms() // 5000 * 5000 + 10_000
        schedule_at(made, names, [first] * jobs)
        last = first + seconds // 5 * 5000
        wait_until(lambda: made.store.now_ms() > last + 500, timeout=seconds + 60, description="time passes")
        settled(made, last)
        return {"jobs_every_5_s": jobs, "seconds": seconds, **judge(made, names, list(range(first, last + 1, 5000)))}


def at_once(jobs: int) -> dict[str, float]:
    """So many jobs due at one instant."""
    with deployment(jobs, "0 0 1 1 *") as (made, names, _):
        due = made.store.now_ms() // 1000 * 1000 + 5000
        schedule_at(made, names, [due] * jobs)
        settled(made, due)
        return {"jobs_at_one_instant": jobs, **judge(made, names, [due])}


def each_minute(jobs: int, seconds: int) -> dict[str, float]:
    """So many jobs of every minute, while somebody reads lists, jobs and runs over the API all the time."""
    with deployment(jobs, "@every 1m", ("server", "--port", "0")) as (made, names, said):
        address = said[1].rpartition("the API is at ")[2].split()[0]
        first = made.store.now_ms() // 1000 * 1000 + 3000
        due = [first + number * 60_000 // jobs // 1000 * 1000 for number in range(jobs)]
        schedule_at(made, names, due)
        spent = []
        with requests.Session() as session:
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                name = names[len(spent) % jobs]
                for path in ("v1/jobs?_start=0&_end=20", f"v1/jobs/{name}", f"v1/jobs/{name}/executions", "v1/leader"):
                    began = time.perf_counter()
                    session.get(f"{address}/{path}", timeout=30).raise_for_status()
                    spent.append((time.perf_counter() - began) * 1000)
        settled(made, due[-1])
        found = [judge(made, [name], [moment]) for name, moment in list(zip(names, due, strict=True))]
        return {
            "jobs_each_minute": jobs,
            "due": jobs,
            "missed": sum(one["missed"] for one in found),
            "requests": len(spent),
            "api_ms_median": round(statistics.median(spent), 1),
            "api_ms_p99": round(statistics.quantiles(spent, n=100)[98], 1),
        }


if __name__ == "__main__":
    raise SystemExit(main())
