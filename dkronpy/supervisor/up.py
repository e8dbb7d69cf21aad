"""Everything on one machine under one supervisor, from the first check to the last stop."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from dkronpy.client import Client
from dkronpy.clock import Clock
from dkronpy.errors import ConfigError, DkronpyError, StoreUnavailableError
from dkronpy.execution import Execution
from dkronpy.fleet.apply import Fleet
from dkronpy.job import Job
from dkronpy.settings import Settings, Sources
from dkronpy.store.connection import check_durability
from dkronpy.supervisor.console import Console
from dkronpy.supervisor.data_dir import DataDir
from dkronpy.supervisor.embedded import EmbeddedStore
from dkronpy.supervisor.health import HealthEndpoint
from dkronpy.supervisor.progress import Progress
from dkronpy.supervisor.roles import agent_role, beat_role, can_serve, role_environment, server_role, store_role
from dkronpy.supervisor.supervisor import Supervisor
from dkronpy.supervisor.unfinished import unfinished

_LOOK = timedelta(seconds=1)
_ASK = timedelta(milliseconds=500)


@dataclass(frozen=True, kw_only=True)
class UpRequest:
    """What to start: the settings in force, the configuration and its jobs, and how many executions to wait for.

    ``executions`` is None to go on until a signal comes; else ``within`` bounds the wait. ``program`` is how the
    user calls the command line.
    """

    settings: Settings
    sources: Sources
    config: str
    jobs: Sequence[Job]
    moved: Mapping[str, str]
    environ: Mapping[str, str]
    executions: int | None = None
    within: timedelta = timedelta(seconds=150)
    program: str = "dkronpy"


@dataclass(frozen=True, kw_only=True)
class UpResult:
    """What came of it: the executions that count, why it stopped (a signal's name or ''), and what did not come."""

    finished: Sequence[Execution]
    signal: str = ""
    missing: Sequence[str] = ()


class Up:
    """One `up`. ``run`` returns once everything has stopped.

    Raises ConfigError, ConflictError, StoreRefusedError before anything was started; DkronpyError when the embedded
    store does not come up.
    """

    def __init__(self, request: UpRequest, console: Console, clock: Clock, health: HealthEndpoint) -> None:
        self.request = request
        self._console, self._clock, self._health = console, clock, health
        self._supervisor = Supervisor(console, clock)
        self._until = clock.monotonic() + request.within.total_seconds()
        self._overrides: dict[str, Any] = {}

    def run(self) -> UpResult:
        """Start everything, go on until it is time to stop, and stop everything."""
        settings = self._settings()
        with ExitStack() as stack:
            data_dir = DataDir(settings.data_dir)
            stack.callback(data_dir.close)
            self._overrides["data_dir"] = str(data_dir.path)
            stack.enter_context(self._supervisor.signals())
            stack.callback(self._supervisor.stop)
            client = self._open_store(settings, data_dir)
            if client is None:
                return UpResult(finished=(), signal=self._supervisor.stop_reason)
            stack.callback(client.close)
            self._health.watch(client)
            self._save_jobs(client)
            progress = self._start_roles(client)
            stack.callback(progress.stop)
            self._say_where_to_look(client)
            self._go_on(progress)
            return self._result(client, progress)

    def _settings(self) -> Settings:
        """The settings in force; as root, whether the agent may run is decided here and not by its tenth restart."""
        settings, source = self.request.settings, self.request.sources["allow_root"]
        if settings.embedded and self.request.sources["http_allow"].kind == "default":
            self._overrides["http_allow"] = "127.0.0.0/8,::1"  # the deployment is this machine
        if os.geteuid() != 0 or settings.allow_root:
            return settings
        if not settings.embedded or source.kind != "default":
            raise ConfigError(
                "allow_root: an agent that runs as root gives every job root's rights",
                hint="run it as another user, or set DKRONPY_ALLOW_ROOT=1 if that is what you want",
            )
        # Nobody but root can reach the embedded store, nor the server without a token: jobs come from root alone.
        self._overrides["allow_root"] = True
        self._console.say("running as root, and so do the jobs that name no other user")
        return settings

    def _open_store(self, settings: Settings, data_dir: DataDir) -> Client | None:
        """A client of the store once that answers; None when a stop was asked for meanwhile."""
        if settings.embedded:
            settings = self._start_store(settings, data_dir)
        client = Client(settings, who="dkronpy up")
        said = False

        def answers() -> bool:
            nonlocal said
            try:
                client.ping()
            except StoreUnavailableError as error:
                if not said:
                    self._console.say(f"{error}; waiting for it")
                said = True
                return False
            return True

        if not self._supervisor.wait_until(answers, look=_ASK):
            client.close()
            return None
        level = check_durability(client.deployment.store, allow_volatile=settings.allow_volatile)
        if level == "D0":
            self._console.say(f"the store at {client.deployment.store.where} may forget what it was told (level D0)")
        return client

    def _start_store(self, settings: Settings, data_dir: DataDir) -> Settings:
        """Start the embedded store and wait for it; the settings that name it."""
        store = EmbeddedStore(data_dir)
        self._supervisor.start(store_role(store, self.request.environ))

        def answers() -> bool:
            if not self._supervisor.runs("store"):
                raise DkronpyError(
                    f"the store of {data_dir.path} ended before it answered; what it said stands above",
                    hint=f"its data are in {store.folder}; --data-dir with an empty folder shows whether it is they",
                )
            return store.answers()

        if self._supervisor.wait_until(answers):
            data_dir.write_url(store.url)
        self._overrides["store_url"] = store.url
        return msgspec.structs.replace(settings, store_url=store.url)

    def _save_jobs(self, client: Client) -> None:
        """Put the jobs of the configuration into the store, before beat can look at an old definition."""
        fleet = Fleet(client, Path(self.request.config).resolve().name)
        plan = fleet.plan(list(self.request.jobs), client.stored_jobs(), moved=self.request.moved)
        done = fleet.apply(plan)
        did = {"created": len(done.created), "changed": len(done.changed), "unchanged": len(plan.those("unchanged"))}
        told = ", ".join(f"{count} {what}" for what, count in did.items() if count) or "none"
        self._console.say(f"jobs of {self.request.config}: {told}")
        for row in plan.those("foreign"):
            self._console.say(f"{row.name} is another job, of {row.owner!r}, and stays as it is")
        for name in done.busy:
            self._console.say(f"{name} is not renamed while runs under its former name have not ended")
        for name in done.refused:
            self._console.say(f"{name} was changed by somebody in this very moment, and stays as they left it")
        left = [row.name for row in plan.those("removed")]
        if left:
            prune = f"`{self.request.program} apply --prune` deletes them"
            self._console.say(f"still in the store, no longer in {self.request.config}: {', '.join(left)}; {prune}")

    def _start_roles(self, client: Client) -> Progress:
        request, settings = self.request, self.request.settings
        progress = Progress(
            client,
            self._console,
            jobs=[job.name for job in request.jobs],
            wanted=request.executions,
            on_count=self._supervisor.wake,
        )
        progress.start()
        environment = role_environment(
            request.environ,
            settings,
            request.sources,
            config=str(Path(request.config).resolve()) if Path(request.config).exists() else request.config,
            health_url=self._health.url,
            overrides=self._overrides,
        )
        self._supervisor.start(beat_role(environment))
        self._supervisor.start(agent_role(environment, settings))
        if can_serve():
            chosen = request.sources["http_port"].kind != "default"
            self._supervisor.start(server_role(environment, next_port=not chosen))
        return progress

    def _say_where_to_look(self, client: Client) -> None:
        program, settings = self.request.program, self.request.settings
        self._console.say(f"store {client.deployment.store.where}, node {settings.node}, health {self._health.url}")
        if self.request.sources["data_dir"].kind == "flag":
            self._console.say(f"for other terminals: export DKRONPY_DATA_DIR={self._overrides['data_dir']}")
        commands = ("status", "runs list", "logs JOB", "next JOB", "doctor")
        self._console.say("look closer: " + " · ".join(f"{program} {command}" for command in commands))
        self._console.say("Ctrl-C stops everything")

    def _go_on(self, progress: Progress) -> None:
        while not (self._supervisor.stop_reason or progress.complete):
            if self.request.executions is None:
                self._supervisor.turn(_LOOK)
                continue
            left = self._until - self._clock.monotonic()
            if left <= 0:
                return
            self._supervisor.turn(min(_LOOK, timedelta(seconds=left)))

    def _result(self, client: Client, progress: Progress) -> UpResult:
        finished, signal = progress.finished, self._supervisor.stop_reason
        missing: list[str] = []
        if self.request.executions is not None and not progress.complete and not signal:
            try:
                missing = unfinished(client, self.request.jobs, finished)
            except DkronpyError as error:
                missing = [str(error)]
        return UpResult(finished=finished, signal=signal, missing=missing)
