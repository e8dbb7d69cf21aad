"""The same deployment made of stock parts, for comparison: celery-redbeat's beat and plain Celery workers."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from celery import Celery
from celery.schedules import schedule as every
from redbeat import RedBeatSchedulerEntry

from tests.faults.proxy import Proxy
from tests.faults.system.world import AGENTS
from tests.support import Spawned, StoreServer, spawn, wait_until

PERIODS = {"tick": 1, "all": 1, "careful": 2, "again": 3, "everywhere": 4, "long": 5}
"""The entries of either side, with their periods in seconds."""
LENGTHS = {"tick": 0.0, "all": 0.3, "careful": 1.0, "again": 1.0, "everywhere": 0.0, "long": 3.0}
PROGRAM = """
import os, sys, time
from pathlib import Path
from celery import Celery

app = Celery("stock", broker=os.environ["STOCK_URL"], backend=os.environ["STOCK_URL"])
app.conf.update(
    redbeat_redis_url=os.environ["STOCK_URL"], redbeat_lock_timeout=5, beat_max_loop_interval=1,
    redbeat_redis_options={"retry_period": 60}, task_acks_late=os.environ["STOCK_ACKS_LATE"] == "1",
    task_reject_on_worker_lost=os.environ["STOCK_ACKS_LATE"] == "1", worker_prefetch_multiplier=1,
    task_track_started=True, broker_connection_retry_on_startup=True, broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 20, "unacked_restore_interval": 1, "socket_timeout": 5, "socket_connect_timeout": 2,
        "health_check_interval": 5,
    },
    worker_hijack_root_logger=False,
)

@app.task(bind=True, name="stock.mark")
def mark(self, name, seconds):
    place = Path(os.environ["STOCK_TRUTH"], str(os.getpid()))
    def line(what):
        with place.open("a") as file:
            file.write(f"{what} {name}@{self.request.id} 0 here {time.time_ns()}\\n")
    line("start")
    time.sleep(seconds)
    line("ok")
"""


class Outcome(NamedTuple):
    """What became of the due times of a campaign, as the tasks themselves and the result backend tell it."""

    owed: int
    ran: int
    twice: int
    unfinished: int
    explained: int
    exits: int


class StockWorld:
    """Beats, workers and proxies under the names that the faults know. What ends is started again at once."""

    def __init__(self, server: StoreServer, folder: Path, *, acks_late: bool) -> None:
        self.server = server
        self.folder = folder
        self.truth = folder / "truth"
        self.truth.mkdir()
        (folder / "stock.py").write_text(PROGRAM)
        self.stack = ExitStack()
        self.proxies = {name: self.stack.enter_context(Proxy(server.port)) for name in ("beats", *AGENTS)}
        self.beats: dict[int, Spawned] = {}
        self.agents: dict[str, Spawned] = {}
        self.notes: list[str] = []
        self.exits = 0
        self._acks_late = acks_late
        self._started = 0

    def __enter__(self) -> StockWorld:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (*self.beats.values(), *self.agents.values()):
            process.signal(signal.SIGCONT)
        self.stack.close()

    def start(self) -> None:
        """Start every process, and wait until the first task has run."""
        self.more_beats()
        for name in AGENTS:
            self.more_agents(name)
        self._entry("warm-up", 1, 0.0).save()
        wait_until(lambda: any(self.truth.iterdir()), timeout=60, description="stock beat and workers stand")
        self._entry("warm-up", 1, 0.0).delete()

    def begin(self) -> None:
        """Save the entries."""
        for path in self.truth.iterdir():
            path.write_text("")
        for name, period in PERIODS.items():
            self._entry(name, period, LENGTHS[name]).save()

    def finish(self) -> None:
        """Delete the entries, so that nothing more is due."""
        for name in PERIODS:
            self._entry(name, 1, 0.0).delete()

    def more_beats(self, count: int = 2) -> None:
        """Start beats until so many run."""
        ended = [pid for pid, beat in self.beats.items() if beat.process.poll() is not None]
        for pid in ended:
            del self.beats[pid]
        while len(self.beats) < count:
            beat = self._start("beat", "beats", "-S", "redbeat.RedBeatScheduler", "--pidfile=")
            self.beats[beat.pid] = beat

    def more_agents(self, name: str) -> None:
        """Start a worker unless it runs."""
        if name not in self.agents or self.agents[name].process.poll() is not None:
            self.agents[name] = self._start("worker", name, "-c", "4", "-n", f"{name}@here", "--without-gossip")

    def mend(self) -> None:
        """Start again what has ended by itself, as a service manager would; each counts."""
        dead = sum(beat.process.poll() is not None for beat in self.beats.values())
        dead += sum(agent.process.poll() is not None for agent in self.agents.values())
        self.exits += dead
        self.more_beats()
        for name in AGENTS:
            self.more_agents(name)

    def leader(self) -> Spawned:
        """A beat; which of them holds the lock is RedBeat's secret."""
        return next(iter(self.beats.values()))

    def note(self, what: str) -> None:
        """Write down what was done, and start again what did not survive it."""
        self.notes.append(what)
        self.mend()

    def outcome(self, seconds: float) -> Outcome:
        """Count what ran."""
        lines = [line.split() for path in self.truth.iterdir() for line in path.read_text().splitlines()]
        starts = Counter(parts[1] for parts in lines if parts[0] == "start")
        ends = {parts[1] for parts in lines if parts[0] == "ok"}
        names = {name: sum(id_.startswith(f"{name}@") for id_ in starts) for name in PERIODS}
        owed = sum(int(seconds) // period for period in PERIODS.values())
        return Outcome(
            owed=owed,
            ran=sum(names.values()),
            twice=sum(count > 1 for id_, count in starts.items() if not id_.startswith("warm-up")),
            unfinished=sum(id_ not in ends for id_ in starts if not id_.startswith("warm-up")),
            explained=0,
            exits=self.exits,
        )

    def _entry(self, name: str, period: int, seconds: float) -> RedBeatSchedulerEntry:
        app = Celery("stock", broker=self.server.url, set_as_current=False)
        app.conf.update(redbeat_redis_url=self.server.url)
        return RedBeatSchedulerEntry(name, "stock.mark", every(period), args=[name, seconds], app=app)

    def _start(self, role: str, way: str, *arguments: str) -> Spawned:
        self._started += 1
        url = self.server.url.replace(f":{self.server.port}/", f":{self.proxies[way].port}/")
        environment: Mapping[str, str] = {
            "STOCK_URL": url, "STOCK_TRUTH": str(self.truth), "STOCK_ACKS_LATE": "1" if self._acks_late else "0",
            "C_FORCE_ROOT": "1",
        }  # fmt: skip
        command = (sys.executable, "-m", "celery", "-A", "stock", role, "--loglevel=WARNING", *arguments)
        log = self.folder / f"stock-{role}-{self._started}.log"
        return self.stack.enter_context(spawn(command=command, log=log, env=environment, cwd=self.folder, grace=5))
