"""Runs and executions for tests; and, as a program, a process that saves many of them with several threads."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from dkronpy.execution import Attempt, Execution, Output, Run, execution_id, run_id
from dkronpy.results.backend import ResultsBackend
from dkronpy.results.opening import open_results
from tests.support import ROOT, end_process

T0 = 1_795_400_000_000
"""A due time on 23 November 2026."""


def a_run(job: str = "backup", due_ms: int = T0, *, suffix: str = "", **fields: Any) -> Run:
    """A successful run of two executions that took a second."""
    name = run_id(job, due_ms, suffix)
    usual: dict[str, Any] = {
        "id": name,
        "job": job,
        "due_ms": due_ms,
        "state": "success",
        "fired_ms": due_ms + 5,
        "fired_by": "beat-1",
        "revision": 3,
        "finished_ms": due_ms + 1000,
        "execution_ids": (execution_id(name, 0), execution_id(name, 1)),
        "params": '{"days":30}',
    }
    return Run(**{**usual, **fields})


def an_execution(run: Run | None = None, index: int = 0, **fields: Any) -> Execution:
    """A successful execution of *run* that needed two attempts."""
    run = run or a_run()
    lost = Attempt(number=1, node="web1", token=7, started_ms=run.due_ms + 8, state="lost", reason="lease_expired")
    done = Attempt(number=2, node="web1", token=9, started_ms=run.due_ms + 90, state="success", exit_code=0)
    usual: dict[str, Any] = {
        "id": execution_id(run.id, index),
        "run_id": run.id,
        "job": run.job,
        "node": "web1",
        "due_ms": run.due_ms,
        "trigger": run.trigger,
        "state": "success",
        "delivery": 2,
        "attempt": 2,
        "queued_ms": run.due_ms + 5,
        "started_ms": run.due_ms + 8,
        "finished_ms": run.due_ms + 1000,
        "attempts": (lost, done),
        "output": Output(head=b"hello\n", tail=b"bye\n", size=5000),
    }
    return Execution(**{**usual, **fields})


def save_all(results: ResultsBackend, jobs: list[str], count: int, *, threads: int) -> None:
    """Save *count* runs of each job with two executions each, every record twice, from several threads."""

    def save(job: str, number: int) -> None:
        run = a_run(job, T0 + number * 1000)
        for _ in range(2):
            for index in range(2):
                results.save_execution(an_execution(run, index))
            results.save_run(run)

    with ThreadPoolExecutor(threads) as pool:
        saves = [pool.submit(save, job, number) for number in range(count) for job in jobs]
        for done in saves:
            done.result()


def save_in_processes(url: str, *jobs: list[str], threads: int, count: int) -> None:
    """``save_all`` in one process for each list of jobs, all at once; AssertionError with what one said that failed."""
    program = [sys.executable, "-m", "tests.integration.results.records", url, str(threads), str(count)]
    with ExitStack() as stack:
        writers = [subprocess.Popen([*program, *names], cwd=ROOT, stderr=subprocess.PIPE) for names in jobs]
        for writer in writers:
            stack.callback(end_process, writer)
        said = [writer.communicate(timeout=60)[1].decode() for writer in writers]
    assert not any(writer.returncode for writer in writers), "\n".join(said)


if __name__ == "__main__":
    url, threads, count, *jobs = sys.argv[1:]
    opened = open_results(url)
    save_all(opened, jobs, int(count), threads=int(threads))
    opened.close()
