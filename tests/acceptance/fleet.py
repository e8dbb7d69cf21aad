"""A fleet of real processes for a test: a store, beats and agents, all ended by the test that started them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from dkronpy.agent.launcher import find_processes
from dkronpy.client import Client
from dkronpy.execution import Execution, Run
from dkronpy.job import Job
from dkronpy.settings import load_settings
from tests.support import Spawned, StoreServer, spawn, wait_until

FAST = {
    "DKRONPY_LEADER_TTL": "3s",
    "DKRONPY_LEASE": "5s",
    "DKRONPY_LEASE_RENEW": "1s",
    "DKRONPY_HEARTBEAT": "500ms",
    "DKRONPY_STOP_GRACE": "2s",
    "DKRONPY_ALLOW_ROOT": "true",
}
"""Shorter times than the defaults, so that a test sees a take-over or a lost lease in seconds."""


class Fleet:
    """Starts services of one deployment on *server* and asks it questions through a client."""

    def __init__(self, server: StoreServer, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.server = server
        self.folder = folder
        self.environment = {**FAST, "DKRONPY_STORE_URL": server.url, **(settings or {})}
        self.client = Client(load_settings(None, self.environment)[0], who="test")
        self._stack = ExitStack()
        self._started = 0

    def __enter__(self) -> Fleet:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self.client.close()

    def beat(self) -> Spawned:
        """Start a beat; it leads or stands by."""
        return self._start("beat")

    def agent(self, name: str, **tags: str) -> Spawned:
        """Start an agent and wait until its node is alive."""
        arguments = [part for tag, value in tags.items() for part in ("--tag", f"{tag}={value}")]
        agent = self._start("agent", "--name", name, *arguments, DKRONPY_DATA_DIR=str(self.folder / f"data-{name}"))
        wait_until(lambda: self._ended(agent) or name in self.alive(), timeout=90, description=f"node {name} is alive")
        return agent

    def alive(self) -> set[str]:
        """The names of the nodes that are alive."""
        return {node.name for node in self.client.nodes() if node.alive}

    def leader_pid(self) -> int:
        """The process id of the beat that leads; waits for one."""
        leader = wait_until(lambda: self.client.status().leader, timeout=90, description="a beat leads")
        return int(leader.holder.rpartition(":")[2])

    def save(self, job: Job) -> None:
        """Store a job."""
        self.client.save_job(job, source="test")

    def run_now(self, job: str, *, timeout: float = 30) -> tuple[Run, tuple[Execution, ...]]:
        """Start a job by hand and wait for its end."""
        return self.ended(self.client.run_job(job).run.id, timeout=timeout)

    def ended(self, run_id: str, *, timeout: float = 30) -> tuple[Run, tuple[Execution, ...]]:
        """Wait for the end of a run."""
        wait_until(lambda: self.client.run(run_id).run.terminal, timeout=timeout, description=f"run {run_id} has ended")
        view = self.client.run(run_id)
        return view.run, view.executions

    def started(self, run_id: str, *, timeout: float = 20) -> Execution:
        """Wait until the first execution of a run is running."""

        def running() -> Execution | None:
            execution = self.client.run(run_id).executions[0]
            return execution if execution.state == "running" else None

        return wait_until(running, timeout=timeout, description=f"run {run_id} has started")

    def output(self, execution: Execution) -> str:
        """What its last attempt printed."""
        return self.client.output(execution).text()

    def _start(self, *arguments: str, **environment: str) -> Spawned:
        self._started += 1
        log = self.folder / f"{arguments[0]}-{self._started}.log"
        environment = {**self.environment, **environment}
        return self._stack.enter_context(spawn(*arguments, log=log, env=environment, cwd=self.folder))

    @staticmethod
    def _ended(process: Spawned) -> bool:
        assert process.process.poll() is None, f"it ended:\n{process.output}"
        return False


def left_running(execution_id: str) -> list[int]:
    """The processes of an execution that are still there."""
    return [pid for pid in find_processes(execution_id) if pid != os.getpid()]
