"""The command line on a real store: in this process where its output counts, as a process where signals do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner, Result

from dkronpy.cli.main import cli
from dkronpy.client import Client
from dkronpy.job import Job, Run
from dkronpy.node import Target, any_node
from dkronpy.settings import load_settings
from tests.support import ROOT, Spawned, StoreServer, end_process, spawn, wait_until

FAST = {"DKRONPY_HEARTBEAT": "500ms", "DKRONPY_STOP_GRACE": "1s", "DKRONPY_ALLOW_ROOT": "1", "TZ": "UTC"}
NOTHING = {name: "" for name in os.environ if name.startswith("DKRONPY_")}


class CommandLine:
    """`dkronpy` on one store, with a folder ``config`` of its own that is empty at first."""

    def __init__(self, server: StoreServer, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.config.mkdir()
        self.environment = {
            **NOTHING,
            **FAST,
            "DKRONPY_STORE_URL": server.url,
            "DKRONPY_CONFIG": str(self.config),
            "DKRONPY_DATA_DIR": str(folder / "data"),
        }
        self.client = Client(load_settings(None, self.environment)[0], who="test")

    def __call__(self, *arguments: str, **env: str) -> Result:
        """Run a command in this process."""
        return CliRunner().invoke(cli, arguments, env={**self.environment, **env})

    @contextmanager
    def process(self, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command as a process, with pipes for its output."""
        process = subprocess.Popen(
            [sys.executable, "-m", "dkronpy", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self.environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(env or {})},
            cwd=self.folder,
        )
        try:
            with process:
                try:
                    yield process
                finally:
                    end_process(process)
        finally:
            assert process.returncode is not None

    @contextmanager
    def service(self, *arguments: str, **env: str) -> Iterator[Spawned]:
        """Run a service; what it logs goes to a file."""
        log = self.folder / f"{arguments[0]}{len(list(self.folder.glob('*.log')))}.log"
        with spawn(*arguments, log=log, env={**self.environment, **env}, cwd=self.folder) as spawned:
            yield spawned

    @contextmanager
    def agent(self, name: str, *arguments: str) -> Iterator[Spawned]:
        """Run an agent whose node is alive."""
        with self.service("agent", "--name", name, "--data-dir", str(self.folder / name), *arguments) as agent:
            wait_until(
                lambda: (
                    agent.process.poll() is not None
                    or any(node.name == name and node.alive for node in self.client.nodes())
                ),
                timeout=30,
                description=f"node {name} is alive",
            )
            assert agent.process.poll() is None, agent.output
            yield agent

    def shell(self, name: str, command: str, *, on: Target | None = None, **fields: object) -> str:
        """Save a job that runs a command line when it is asked to; its name."""
        run = Run("shell", {"command": command, "shell": True})
        job = Job(name=name, schedule="@manually", run=run, on=on or any_node(), **fields)  # type: ignore[arg-type]
        self.client.save_job(job, source="test")
        return name


@pytest.fixture
def dkronpy(store: redis.Redis, store_server: StoreServer, tmp_path: Path) -> Iterator[CommandLine]:
    """The command line on an empty store, with no service running."""
    line = CommandLine(store_server, tmp_path)
    yield line
    line.client.close()


@pytest.fixture(scope="module")
def fleet(store_server: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command line on a deployment with a beat and the nodes web1 and web2, shared by the tests of a module."""
    with store_server.client() as client:
        client.flushall()
    line = CommandLine(store_server, tmp_path_factory.mktemp("fleet"))
    with ExitStack() as stack:
        stack.callback(line.client.close)
        beat = stack.enter_context(line.service("beat"))
        for name in ("web1", "web2"):
            stack.enter_context(line.agent(name, "--tag", "role=web"))
        wait_until(lambda: line.client.status().leader, description=f"a beat leads: {beat.output}")
        yield line
