"""A whole deployment of real processes to be hurt: two beats, three agents, a store; and what they all did."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType

import msgspec

from dkronpy.clock import from_ms, to_ms
from dkronpy.errors import DkronpyError
from dkronpy.verify.gather import gather, unsettled
from dkronpy.verify.history import FaultNote, History, Setback
from dkronpy.verify.load import SLOTS, load, plain_load, pool_of
from dkronpy.verify.trial import processes_of
from tests.acceptance.fleet import Fleet
from tests.faults.proxy import Proxy
from tests.faults.system.machine import Machine
from tests.support import Spawned, StoreServer, wait_until

AGENTS = ("n1", "n2", "n3")
LEAD_MS = 5000
QUIET_SECONDS = 120.0
"""How long a deployment may take to become quiet once nothing is hurt and nothing is due any more."""


class World:
    """Beats and each agent reach the store through a proxy of their own; the judge reaches it directly."""

    def __init__(self, machine: Machine, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.machine = machine
        server = machine.server
        self.folder = folder
        self.prefix = f"hurt-{os.getpid()}-"
        self.truth = folder / "truth"
        self.truth.mkdir()
        self.fleet = Fleet(
            server, folder, {**machine.environment, "DKRONPY_HISTORY_LIMIT": "100000", **(settings or {})}
        )
        self.stack = ExitStack()
        self.proxies = {name: self.stack.enter_context(Proxy(server.port)) for name in ("beats", *AGENTS)}
        self.data = {name: machine.disk(name) or folder / f"data-{name}" for name in AGENTS}
        self.beats: dict[int, Spawned] = {}
        self.agents: dict[str, Spawned] = {}
        self.names: list[str] = []
        self.exits = 0
        self.start_ms = self.end_ms = 0
        self.notes: list[FaultNote] = []
        self.setbacks: list[Setback] = []
        self._epochs: list[int] = []
        self._watching = threading.Event()
        self._watcher = threading.Thread(target=self._watch_epochs, daemon=True)

    def __enter__(self) -> World:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching.set()
        for process in (*self.beats.values(), *self.agents.values()):
            process.signal(signal.SIGCONT)  # a frozen process takes no TERM
        self.fleet.__exit__(kind, value, trace)
        self.stack.close()

    @property
    def server(self) -> StoreServer:
        """The store, or its master."""
        return self.machine.server

    def start(self) -> None:
        """Start every role, and wait until the deployment stands."""
        self.more_beats()
        for name in AGENTS:
            self.more_agents(name)
        self.fleet.leader_pid()
        wait_until(lambda: self.fleet.alive() >= set(AGENTS), timeout=90, description="every agent is alive")
        self._watcher.start()

    def begin(
        self, seconds: float, periods: Mapping[str, int] | None = None, lengths: Mapping[str, float] | None = None
    ) -> None:
        """Save jobs that are due from the next moment on, for so many seconds: one of every policy, or plain ones."""
        now = self.now_ms()
        begin, end = from_ms(now // 1000 * 1000 + LEAD_MS), timedelta(seconds=int(seconds))
        self.start_ms, self.end_ms = now, now + int(seconds * 1000) + LEAD_MS + 1000
        window, prefix = (begin, begin + end), self.prefix
        self.fleet.client.pools.set(pool_of(prefix), SLOTS)
        plain = plain_load(self.truth, *window, periods, lengths or {}, prefix=prefix) if periods else None
        for job in plain or load(self.truth, *window, prefix=prefix):
            self.fleet.save(job)
            self.names.append(job.name)
        assert self.now_ms() < to_ms(begin), "saving the jobs took too long: their first due times are over"

    def more_beats(self, count: int = 2) -> None:
        """Start beats until so many run."""
        self.beats = {pid: beat for pid, beat in self.beats.items() if beat.process.poll() is None}
        while len(self.beats) < count:
            beat = self.fleet._start("beat", DKRONPY_STORE_URL=self._url("beats"))
            self.beats[beat.pid] = beat

    def more_agents(self, name: str) -> None:
        """Start the agent of a node unless it runs."""
        agent = self.agents.get(name)
        if agent is None or agent.process.poll() is not None:
            self.agents[name] = self.fleet._start(
                "agent", "--name", name,
                DKRONPY_DATA_DIR=str(self.data[name]), DKRONPY_STORE_URL=self._url(name),
            )  # fmt: skip

    def leader(self) -> Spawned:
        """The beat that leads, or any of ours where none does right now."""
        try:
            leader = self.fleet.client.status().leader
        except DkronpyError:
            leader = None
        pid = int(leader.holder.rpartition(":")[2]) if leader else 0
        return self.beats.get(pid) or next(iter(self.beats.values()))

    def note(self, what: str) -> None:
        """Write down what was done to the deployment, and start again what did not survive it."""
        self.notes.append(FaultNote(at_ms=self.local_ms(), what=what))
        processes = (*self.beats.values(), *self.agents.values())
        self.exits += sum(process.process.poll() is not None for process in processes)
        self.more_beats()
        for name in AGENTS:
            self.more_agents(name)

    def set_back(self, at_ms: int, seconds: float) -> None:
        """Write down that the store's clock goes back."""
        self.setbacks.append(Setback(at_ms=at_ms, by_ms=round(seconds * 1000)))

    def now_ms(self) -> int:
        """The store's time."""
        return self.fleet.client.deployment.store.now_ms()

    def heal(self) -> None:
        """Undo whatever was done: everything runs, and every connection is welcome."""
        self.machine.heal()
        for process in (*self.beats.values(), *self.agents.values()):
            process.signal(signal.SIGCONT)
        for proxy in self.proxies.values():
            proxy.welcome()
            proxy.flow()
            proxy.watch = None
        self.more_beats()
        for name in AGENTS:
            self.more_agents(name)

    def history(self) -> History:
        """Wait until nothing is due and nothing is open, then gather what happened."""
        self.heal()
        wait_until(self._quiet, timeout=QUIET_SECONDS, description="the deployment becomes quiet")
        history = gather(
            self.fleet.client, self.names, start_ms=self.start_ms, end_ms=self.end_ms, truth=self.truth,
            epochs=self._epochs, faults=self.notes, processes=processes_of(self.prefix),
        )  # fmt: skip
        waiting = (*history.waiting_messages, *self.machine.waiting())
        return msgspec.structs.replace(history, waiting_messages=waiting, setbacks=tuple(self.setbacks))

    def crashes(self) -> Sequence[str]:
        """Tracebacks in the logs of our processes."""
        logs = sorted(self.folder.glob("*.log"))
        return [f"{log.name}: {line}" for log in logs for line in log.read_text(errors="replace").splitlines()
                if line.startswith("Traceback")]  # fmt: skip

    def _quiet(self) -> bool:
        if self.local_ms() < self.end_ms:
            return False
        try:
            return not unsettled(self.fleet.client, self.names, self.end_ms)
        except DkronpyError:
            return False

    def _url(self, who: str) -> str:
        if self.machine.group is not None:  # whoever follows a master goes by no proxy
            return self.machine.group.url
        return self.server.url.replace(f":{self.server.port}/", f":{self.proxies[who].port}/")

    def local_ms(self) -> int:
        from dkronpy.clock import SystemClock

        return SystemClock().now_ms()

    def _watch_epochs(self) -> None:
        """Look who leads, a few times a second."""
        store = self.fleet.client.deployment.store
        while not self._watching.wait(0.2):
            try:
                with store.errors():
                    epoch = store.client.hget(store.keys.leader, "epoch")
            except DkronpyError:
                continue
            if epoch and (not self._epochs or self._epochs[-1] != int(epoch)):
                self._epochs.append(int(epoch))
