"""The agent process: puts its parts together, runs the Celery worker, and stops in good order."""

from __future__ import annotations

import gc
import logging
import os
import platform
import resource
import secrets
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import Celery, signals
from celery.exceptions import SecurityWarning

from dkronpy.agent.doorbell import AGENT
from dkronpy.agent.heartbeat import Control, Heartbeat
from dkronpy.agent.launcher import Launcher
from dkronpy.agent.leases import Leases
from dkronpy.agent.machine import load_for_each_cpu, memory_in_use
from dkronpy.agent.output import OutputPump
from dkronpy.agent.policy import Policy
from dkronpy.agent.reporter import Reporter
from dkronpy.agent.runner import Runner
from dkronpy.agent.spool import Report, Spool
from dkronpy.agent.worker import make_worker
from dkronpy.clock import SystemClock
from dkronpy.deployment import Deployment
from dkronpy.errors import ConfigError, ConflictError, StoreUnavailableError
from dkronpy.node import Node
from dkronpy.store.nodes import ALIVE_MS
from dkronpy.store.quarantine import Quarantine
from dkronpy.tracer import open_tracer
from dkronpy.version import VERSION

log = logging.getLogger(__name__)

ASK_SECONDS = 1.0
YOUNG = 10_000
"""After so many new objects rings are looked for among them: few are made here, and an execution makes hundreds."""


def agent_of(app: Celery) -> Agent:
    """The agent whose worker runs the application's tasks."""
    return app.conf[AGENT]  # type: ignore[no-any-return]


class Agent:
    """All parts of one agent. ``run`` returns when the worker was told to stop."""

    def __init__(self, app: Celery, deployment: Deployment) -> None:
        settings = deployment.settings
        self.settings = settings
        self.deployment = deployment
        self.app = app
        self.name = settings.node
        self.started_ms = SystemClock().now_ms()
        self.host = socket.gethostname()
        self.instance = f"{self.host}:{os.getpid()}:{secrets.token_hex(4)}"
        store, ledger = deployment.store, deployment.ledger
        self.launcher = Launcher(python_shim=settings.python_shim)
        self.pump = OutputPump()
        self.leases = Leases(
            ledger, lease_seconds=settings.lease.total_seconds(), renew_seconds=settings.lease_renew.total_seconds()
        )
        spool = Spool(Path(settings.data_dir) / "spool" / self.name)
        self.reporter = Reporter(spool, ledger, deployment.results, self._copy_results)
        self.runner = Runner(
            settings, store, ledger, self.reporter, self.leases, self.launcher, self.pump,
            node=self.name, instance=self.instance, policy=(policy := Policy(settings, deployment.verifier)),
        )  # fmt: skip
        self.offered = policy.offered()
        self.heartbeat = Heartbeat(deployment.nodes, self.describe, settings.heartbeat.total_seconds())
        self.control = Control(store, self.name, self.leases.cancel)
        self._stopping = False

    def describe(self) -> Node:
        """The node as it is reported."""
        return Node(
            name=self.name,
            address=self.host,
            tags=dict(self.settings.node_tags),
            version=VERSION,
            python=platform.python_version(),
            pid=os.getpid(),
            capacity=self.settings.capacity,
            running=self.leases.running(),
            load=load_for_each_cpu(),
            memory=memory_in_use(),
            executors=self.offered,
            instance=self.instance,
            started_ms=self.started_ms,
            clock_ms=SystemClock().now_ms(),
            leases_renewed=self.leases.renewed,
            leases_missed=self.leases.missed,
            connections=self.runner.connections(),
        )

    def run(self) -> int:
        """Register, work until told to stop, sign off. Returns the exit status."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # secrets pass through its memory
        self.launcher.start()  # before there are threads
        signal.signal(signal.SIGTERM, _leave)  # until the worker has its own way to stop
        self.runner.tracer = open_tracer(self.settings, "agent")  # it has a thread of its own
        self._await_store()
        self._register()
        parts = (self.pump, self.leases, self.reporter, self.heartbeat, self.control)
        for part in parts:
            part.start()
        try:
            worker = make_worker(
                self.app, node=self.name, host=self.host, capacity=self.settings.capacity,
                quarantine=Quarantine(self.deployment.store),
            )  # fmt: skip
            signals.worker_shutting_down.connect(self._on_stop)
            tags = self.settings.node_tags or "none"
            shim = "compiled" if self.launcher.compiled else "Python"
            log.info("node %s is up: %d slots, tags %s, %s shim", self.name, self.settings.capacity, tags, shim)
            gc.collect()
            gc.freeze()  # what was imported is not looked through for rings again and again
            gc.set_threshold(YOUNG)
            worker.start()
        finally:
            self._close()
        return worker.exitcode or 0

    def _await_store(self) -> None:
        said = False
        pause = threading.Event()
        while True:
            try:
                with self.deployment.store.errors():
                    self.deployment.store.client.ping()
            except StoreUnavailableError as error:
                if not said:
                    log.error("%s; waiting for it", error)
                said = True
                pause.wait(ASK_SECONDS)
            else:
                return

    def _register(self) -> None:
        """Take the node's name. One that an agent held until it was killed is free once that is no longer alive."""
        pause = threading.Event()
        for _ in range(ALIVE_MS // 1000 + 2):
            accepted, holder = self.deployment.nodes.report(self.describe())
            if accepted:
                return
            if self._is_dead(holder):
                self.deployment.nodes.report(self.describe(), take_over=True)
                return
            log.warning("node name %s is held by %s; waiting for it to become free", self.name, holder)
            pause.wait(ASK_SECONDS)
        raise ConflictError(
            f"node name {self.name!r} is taken by a live agent ({holder})", hint="give this one another with --name"
        )

    def _is_dead(self, instance: str) -> bool:
        host, pid, _ = instance.rsplit(":", 2)
        return host == self.host and not Path(f"/proc/{pid}").exists()

    def _on_stop(self, **_: Any) -> None:
        """The worker takes no more; what runs may go on for the grace period and is then ended."""
        if self._stopping:
            return
        self._stopping = True
        grace = self.settings.stop_grace
        if self.leases.running():
            log.info("stopping: %d executions may run on for %.0f s", self.leases.running(), grace.total_seconds())
        timer = threading.Timer(grace.total_seconds(), self.leases.cancel_all, ("shutdown",))
        timer.daemon = True
        timer.start()

    def _close(self) -> None:
        self.control.stop()
        self.reporter.stop()
        self.leases.stop()
        self.pump.stop()
        self.runner.close()
        if self.runner.tracer is not None:
            self.runner.tracer.close()
        self.launcher.stop(timedelta(seconds=1))
        self.heartbeat.stop()

    def _copy_results(self, reports: Sequence[Report]) -> None:
        """The copies for ``AsyncResult(execution_id)``: small, without output.

        As Celery's own backend writes them, but for many in one round trip, and without a look at what is there
        already: that the holder of the last token speaks here is settled.
        """
        if not self.settings.celery_results:
            return
        backend, done = self.app.backend, self.app.now().isoformat()
        with backend.client.pipeline(transaction=False) as pipe:
            for report in reports:
                key, value = backend.get_key_for_task(report.execution_id), backend.encode(_celery_result(report, done))
                pipe.set(key, value, ex=backend.expires)
                pipe.publish(key, value)
            pipe.execute()


def _celery_result(report: Report, done: str) -> dict[str, Any]:
    """What Celery keeps of a task that has ended."""
    value: Any = {"exit_code": report.exit_code, "result": report.result, "output_bytes": report.output.size}
    state = "SUCCESS"
    if not report.success:
        state = "FAILURE"
        message = f"{report.reason}: {report.message}" if report.message else report.reason
        value = {"exc_type": "ExecutionFailedError", "exc_message": [message], "exc_module": "dkronpy.tasks.run"}
    return {
        "task_id": report.execution_id, "status": state, "result": value, "date_done": done,
        "traceback": None, "children": [],
    }  # fmt: skip


def _leave(*_: Any) -> None:
    raise SystemExit(0)


def run_agent(app: Celery, deployment: Deployment, config: str | None = None) -> int:
    """Run an agent in this process until it is told to stop; returns the exit status.

    The folder that holds *config* becomes importable, for jobs that call Python. Raises ConfigError when run as root
    without ``allow_root``, ConflictError when the node's name is taken.
    """
    if os.geteuid() == 0 and not deployment.settings.allow_root:
        raise ConfigError(
            "allow_root: an agent that runs as root gives every job root's rights",
            hint="run it as another user, or say --allow-root if that is what you want",
        )
    warnings.simplefilter("ignore", SecurityWarning)  # Celery's own word on root; it was said and allowed
    if config:
        sys.path.insert(0, str(Path(config).resolve().parent))
    agent = Agent(app, deployment)
    app.conf[AGENT] = agent
    return agent.run()
