"""What the pages cost: server time, page weight, requests and first paint with many jobs, and how soon a run appears.

A real server on a real store, seen by Debian's Chromium. The store holds jobs, and a history of runs that this script
writes; no beat and no agent take part. The last figures are taken while runs are started at the given rate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import requests
from playwright.sync_api import Browser, Page, Response, sync_playwright

from dkronpy.client import Client
from dkronpy.execution import Execution, run_id
from dkronpy.execution import Run as RunRecord
from dkronpy.job import Job, Run
from dkronpy.node import Node
from dkronpy.settings import load_settings
from tests.support import StoreServer, free_port, spawn

PAGES = (
    "/ui/", "/ui/jobs", "/ui/jobs?q=owner:team-3&sort=next", "/ui/jobs/job-00042", "/ui/jobs/job-00042/statistics",
    "/ui/runs", "/ui/timeline", "/ui/schedule", "/ui/schedule?view=month", "/ui/graph", "/ui/nodes", "/ui/settings",
)  # fmt: skip
CALLS = 15
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and print a table, or JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench web", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="how many jobs there are")
    parser.add_argument("--runs", type=int, default=200, help="how many runs of one job are known")
    parser.add_argument("--rate", type=int, default=1_000, help="runs that are started a minute while pages are open")
    parser.add_argument("--seconds", type=int, default=15, help="for how long")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    with StoreServer(kind="valkey") as store, tempfile.TemporaryDirectory() as folder:
        environment = {"DKRONPY_STORE_URL": store.socket_url}
        client = Client(load_settings(None, environment)[0], who="bench")
        fill(client, options.jobs, options.runs)
        port = free_port()
        with spawn("server", "--port", str(port), log=Path(folder) / "server.log", env=environment) as server:
            server.wait_for("the API is at")
            figures = measure(client, f"http://127.0.0.1:{port}", options.rate, options.seconds)
        client.close()
    report(figures, options)
    return 0


def fill(client: Client, jobs: int, runs: int) -> None:
    """Store jobs of every kind, nodes, and a history of one job."""
    for number in range(jobs):
        after = (f"job-{number - 1:05d}",) if number % 10 in {1, 2} else ()
        client.deployment.jobs.save(
            Job(
                name=f"job-{number:05d}",
                schedule="" if after else f"0 {number % 60} {number % 24} * * *",
                after=after,
                run=Run("shell", {"command": "true"}),
                owner=f"team-{number % 7}",
                doc="What it is for, in a sentence.",
            )
        )
    for number in range(8):
        client.deployment.nodes.report(Node(name=f"node-{number}", instance="bench", capacity=8))
    now_ms = client.deployment.store.now_ms()
    for number in range(runs):
        due = now_ms - (runs - number) * 3_600_000
        name = run_id("job-00042", due)
        took = 1_000 + number * 37 % 900
        client.deployment.results.save_run(
            RunRecord(
                id=name, job="job-00042", due_ms=due, state="failed" if number % 17 == 0 else "success", fired_ms=due,
                finished_ms=due + took, execution_ids=(f"{name}.0",),
            )
        )  # fmt: skip
        client.deployment.results.save_execution(
            Execution(id=f"{name}.0", run_id=name, job="job-00042", due_ms=due, state="success", finished_ms=due + took)
        )


def measure(client: Client, url: str, rate: int, seconds: int) -> dict[str, Any]:
    """The figures of every page, then those of open pages under load."""
    pages = {}
    first = time.perf_counter()
    requests.get(url + "/ui/jobs", timeout=120)
    first = time.perf_counter() - first
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        for path in PAGES:
            pages[path] = {**server_time(url + path), **page_cost(browser, url + path)}
        live = under_load(client, browser, url, rate, seconds)
        browser.close()
    return {"first_ms": round(first * 1000), "pages": pages, "live": live}


def server_time(url: str) -> dict[str, int]:
    """Milliseconds until the whole answer is there, warm, over one connection."""
    times = []
    with requests.Session() as session:
        for _ in range(CALLS):
            begun = time.perf_counter()
            answer = session.get(url, timeout=60)
            times.append(time.perf_counter() - begun)
            answer.raise_for_status()
    return {"median_ms": round(statistics.median(times) * 1000), "least_ms": round(min(times) * 1000)}


def page_cost(browser: Browser, url: str) -> dict[str, int]:
    """What a browser that knows nothing loads, and when it paints first."""
    context = browser.new_context(timezone_id="UTC")
    page, loaded = context.new_page(), {}

    def note(response: Response) -> None:
        loaded[response.url] = int(response.headers.get("content-length", "0"))

    page.on("response", note)
    page.goto(url)
    page.wait_for_selector('#live[data-state="on"]')
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    context.close()
    return {"requests": len(loaded) + 1, "bytes": sum(loaded.values()), "paint_ms": round(paint)}


def under_load(client: Client, browser: Browser, url: str, rate: int, seconds: int) -> dict[str, int]:
    """Open pages while runs start: how soon one appears, how often a page asks, its longest pause."""
    stop = threading.Event()

    def start_runs() -> None:
        number = 0
        while not stop.wait(60 / rate):
            client.run_job(f"job-{number % 500 * 10:05d}")
            number += 1

    pages = [browser.new_context(timezone_id="UTC").new_page() for _ in range(2)]
    for page, path in zip(pages, ("/ui/", "/ui/runs"), strict=True):
        page.goto(url + path)
        page.wait_for_selector('#live[data-state="on"]')
        page.evaluate(_WATCH)
    seen = [appears(client, page) for page in pages for _ in range(4)]
    thread = threading.Thread(target=start_runs, daemon=True)
    thread.start()
    ages = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.5)
        newest = max(page.evaluate(_NEWEST) for page in pages[1:])
        ages.append(client.deployment.store.now_ms() - newest)
    found = [page.evaluate("window.bench") for page in pages]
    stop.set()
    thread.join()
    return {
        "appears_ms": round(statistics.median(seen)), "appears_most_ms": round(max(seen)),
        "age_ms": round(statistics.median(ages[2:])), "age_most_ms": max(ages[2:]),
        "refreshes_a_minute": round(max(one["refreshes"] / one["seconds"] * 60 for one in found)),
        "longest_task_ms": round(max(one["longest"] for one in found)),
    }  # fmt: skip


_NEWEST = """() => Math.max(...[...document.querySelectorAll('[id^="run-"]')].map((row) =>
  Date.parse(row.id.split('@')[1].slice(0, 24))))"""
_WATCH = """() => {
  const begun = performance.now(), kept = { refreshes: 0, longest: 0 };
  document.addEventListener("dk:refreshed", () => { kept.refreshes++; });
  const tasks = new PerformanceObserver((list) => {
    for (const one of list.getEntries()) kept.longest = Math.max(kept.longest, one.duration);
  });
  tasks.observe({ type: "longtask" });
  Object.defineProperty(window, "bench", { get: () => ({ ...kept, seconds: (performance.now() - begun) / 1000 }) });
}"""


def appears(client: Client, page: Page) -> float:
    """How many ms after it was started a run stands in a page."""
    begun = time.perf_counter()
    run = client.run_job("job-00042").run.id
    page.wait_for_selector(f'[id="run-{run}"]', timeout=20_000)
    return (time.perf_counter() - begun) * 1000


def report(figures: dict[str, Any], options: argparse.Namespace) -> None:
    """Print what was measured."""
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{options.jobs:,} jobs; the first page after a start took {figures['first_ms']} ms\n")
    print(f"{'page':<40}{'server ms':>10}{'least':>7}{'requests':>10}{'kB':>7}{'paint ms':>10}")
    for path, one in figures["pages"].items():
        weight = f"{one['bytes'] / 1000:.1f}"
        print(
            f"{path:<40}{one['median_ms']:>10}{one['least_ms']:>7}{one['requests']:>10}{weight:>7}{one['paint_ms']:>10}"
        )
    live = figures["live"]
    print(
        f"\na run appears in an open page after {live['appears_ms']} ms (most {live['appears_most_ms']})\n"
        f"at {options.rate:,} runs a minute the newest run in a page is {live['age_ms']} ms old (most "
        f"{live['age_most_ms']}), a page asks {live['refreshes_a_minute']} times a minute, and its longest task takes "
        f"{live['longest_task_ms']} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
