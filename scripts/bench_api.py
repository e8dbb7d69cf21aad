"""How fast the API answers: a page of many jobs, one job saved, many jobs restored; one server, over loopback."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.api.site import restore_file, site_on
from tests.support import StoreServer

LIMITS = {"page": 0.030, "save": 0.010, "restore": 10.0}
"""What is asked of it, in seconds: the 99th of 100 pages, the median save, all of a restore of 10,000 jobs."""


def definition(number: int) -> dict[str, Any]:
    return {
        "name": f"job-{number:05}", "displayname": f"Job {number}", "schedule": "@every 1h", "retries": number % 3,
        "disabled": number % 7 == 0, "executor": "shell", "executor_config": {"command": f"echo {number}"},
        "tags": {"role": "worker:1"}, "metadata": {"team": f"t{number % 20}"},
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench api", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, StoreServer() as server, site_on(server, Path(folder)) as site:
        process, api = site.serve()
        session = requests.Session()
        began = time.perf_counter()
        jobs = [definition(number) for number in range(options.jobs)]
        answer = session.post(f"{api.url}/v1/restore", files=restore_file(jobs), timeout=300)
        took = time.perf_counter() - began
        assert answer.status_code == 200, answer.text
        told = json.loads(answer.json())
        assert len(told) == options.jobs
        assert all(line.startswith("success") for line in told)
        print(f"restore of {options.jobs} jobs: {took:.2f} s ({used(process.pid):.2f} s of them the server's own)")
        spent = used(process.pid)
        pages = times(options.requests, lambda number: page(session, api.url, number, options.jobs))
        show(f"GET /v1/jobs, 100 of {options.jobs}", pages)
        print(f"  the server's own: {1000 * (used(process.pid) - spent) / options.requests:.1f} ms each")
        saves = times(options.requests, lambda number: save(session, api.url, number))
        show("POST /v1/jobs", saves)
        mixed = times(options.requests, lambda number: save_and_list(session, api.url, number, options.jobs))
        show("GET /v1/jobs right after a save", mixed)
    good = took <= LIMITS["restore"] * options.jobs / 10_000
    good = good and quantile(pages, 0.99) <= LIMITS["page"] and statistics.median(saves) <= LIMITS["save"]
    print("within the limits" if good else f"NOT within the limits: {LIMITS}")
    return 0 if good else 1


def used(pid: int) -> float:
    """The processor time that a process has had so far, in seconds: what others take away does not count."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def times(count: int, call: Any) -> list[float]:
    call(0)  # the first one reads everything
    return [call(number) for number in range(count)]


def page(session: requests.Session, url: str, number: int, jobs: int) -> float:
    start = number * 37 % max(1, jobs - 100)
    return timed(lambda: session.get(f"{url}/v1/jobs?_sort=name&_order=ASC&_start={start}&_end={start + 100}"), 200)


def save(session: requests.Session, url: str, number: int) -> float:
    return timed(lambda: session.post(f"{url}/v1/jobs", json=definition(number) | {"owner": f"o{number}"}), 201)


def save_and_list(session: requests.Session, url: str, number: int, jobs: int) -> float:
    save(session, url, number + 1)
    return page(session, url, number, jobs)


def timed(call: Any, status: int) -> float:
    began = time.perf_counter()
    answer = call()
    took = time.perf_counter() - began
    assert answer.status_code == status, answer.text
    return took


def quantile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def show(title: str, times: list[float]) -> None:
    words = [f"{name} {1000 * quantile(times, share):.1f} ms" for name, share in (("p50", 0.5), ("p99", 0.99))]
    print(f"{title}: {', '.join(words)} ({len(times)} requests)")


if __name__ == "__main__":
    sys.exit(main())
