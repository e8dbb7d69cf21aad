"""A user's own Celery application for tests: ``python -m celery -A tests.executors.services.shop worker``.

Broker and backend come from SHOP_BROKER and SHOP_BACKEND; each call is a line in the file SHOP_LOG.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery

from tests.support import ROOT, Spawned, spawn, wait_until

app = Celery("shop", broker=os.environ.get("SHOP_BROKER"), backend=os.environ.get("SHOP_BACKEND"))
app.conf.update(task_track_started=True, worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


def _write(what: str, request: Any, **more: Any) -> None:
    with Path(os.environ["SHOP_LOG"]).open("a") as log:
        log.write(json.dumps({"what": what, "id": request.id, "headers": request.headers, **more}) + "\n")


@app.task(bind=True, name="shop.close")
def close(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Give back what it was called with."""
    _write("close", self.request, args=args, kwargs=kwargs)
    return {"args": args, "kwargs": kwargs}


@app.task(bind=True, name="shop.fail")
def fail(self: Any, times: int) -> str:
    """Fail so many times, counted in a file, then succeed."""
    _write("fail", self.request)
    before = [json.loads(line) for line in Path(os.environ["SHOP_LOG"]).read_text().splitlines()]
    if sum(entry["id"] == self.request.id for entry in before) <= times:
        raise ValueError("no stock")
    return "done"


@app.task(bind=True, name="shop.hang")
def hang(self: Any) -> None:
    """Go on until it is ended."""
    _write("hang", self.request)
    threading.Event().wait(60)


class Worker:
    """A running worker, and what it was asked."""

    def __init__(self, process: Spawned, log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Each call: ``what``, ``id``, ``headers``, ``args``, ``kwargs``."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def called(self, execution_id: str) -> list[dict[str, Any]]:
        """The calls for one execution."""
        return [call for call in self.calls if call["id"] == execution_id]


@contextmanager
def worker(folder: Path, broker: str, backend: str, queues: str = "celery,shop") -> Iterator[Worker]:
    """A worker for the length of a ``with``."""
    log = folder / "calls.jsonl"
    log.touch()
    env = {"SHOP_BROKER": broker, "SHOP_BACKEND": backend, "SHOP_LOG": str(log)}
    options = ["--queues", queues, "--concurrency", "4", "--loglevel", "info", "--without-mingle", "--without-gossip"]
    command = (sys.executable, "-m", "celery", "-A", "tests.executors.services.shop", "worker", *options)
    with spawn(command=command, log=folder / "worker.log", env=env, cwd=ROOT) as process:
        wait_until(lambda: " ready." in process.output, timeout=40, description="the worker is ready")
        yield Worker(process, log)
