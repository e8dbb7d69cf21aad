"""A trial of a deployment that people use: jobs of every policy, a few faults that it must stand, and the judge."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from dkronpy.agent.process_tree import EXECUTION_ID
from dkronpy.client import Client
from dkronpy.clock import from_ms
from dkronpy.errors import DkronpyError, NotFoundError, StoreUnavailableError
from dkronpy.verify.gather import gather, unsettled
from dkronpy.verify.history import FaultNote, History
from dkronpy.verify.load import PREFIX, SLOTS, load, pool_of

LEAD_MS = 5_000
PAUSE_SECONDS = 4.0
BETWEEN_SECONDS = 3.0
QUIET = timedelta(minutes=5)
SOURCE = "verify"
Say = Callable[[str], None]


class Trial:
    """One trial. Its jobs are named ``verify-…``, and are deleted at its end, however that comes about."""

    def __init__(self, client: Client, truth: Path, *, seed: int, say: Say) -> None:
        self.client = client
        self.truth = truth
        self.chance = random.Random(seed)  # noqa: S311 - chance that can be repeated
        self.say = say
        self.names: list[str] = []
        self.notes: list[FaultNote] = []
        self.epochs: list[int] = []
        self.start_ms = self.end_ms = 0
        self._clock = threading.Event()

    def run(self, seconds: float, faults: Sequence[str]) -> History:
        """Save the jobs, hurt the deployment in turn for so long, wait until it is quiet, and gather what happened."""
        try:
            self._save(seconds)
            end = time.monotonic() + seconds + LEAD_MS / 1000
            turn = 0
            while time.monotonic() < end:
                self._rest(min(BETWEEN_SECONDS, max(0.1, end - time.monotonic())))
                if faults and time.monotonic() < end - BETWEEN_SECONDS:
                    self._hurt(faults[turn % len(faults)])
                    turn += 1
            self._wait_until_quiet()
            return gather(
                self.client, self.names, start_ms=self.start_ms, end_ms=self.end_ms,
                truth=self.truth if self.witnessed() else None, epochs=self.epochs, faults=self.notes,
                processes=processes_of(PREFIX),
            )  # fmt: skip
        finally:
            self._delete()

    def witnessed(self) -> bool:
        """Whether every node is on this machine, so that what jobs write down can be read here."""
        here = socket.gethostname()
        return all(node.address == here for node in self.client.nodes() if node.alive)

    def _save(self, seconds: float) -> None:
        now = self.client.deployment.store.now_ms()
        begin, length = from_ms(now // 1000 * 1000 + LEAD_MS), timedelta(seconds=int(seconds))
        self.start_ms, self.end_ms = now, now + LEAD_MS + int(seconds) * 1000 + 1000
        self.client.pools.set(pool_of(PREFIX), SLOTS)
        for job in load(self.truth, begin, begin + length):
            self.names.append(job.name)
            self.client.save_job(job, source=SOURCE)

    def _hurt(self, name: str) -> None:
        done = FAULTS[name](self)
        self.notes.append(FaultNote(at_ms=self._now_ms(), what=done))
        self.say(done)

    def _rest(self, seconds: float) -> None:
        self._clock.wait(seconds)
        with suppress(DkronpyError):
            leader = self.client.status().leader
            if leader is not None and self.epochs[-1:] != [leader.epoch]:
                self.epochs.append(leader.epoch)

    def _wait_until_quiet(self) -> None:
        self.say("waiting until everything has ended")
        until = time.monotonic() + QUIET.total_seconds()
        while True:
            self._rest(1.0)
            try:
                if self._now_ms() > self.end_ms and not unsettled(self.client, self.names, self.end_ms):
                    return
            except StoreUnavailableError:
                pass
            if time.monotonic() > until:
                self.say(f"it did not become quiet within {QUIET}; what is still open is named below")
                return

    def _delete(self) -> None:
        for name in self.names:
            with suppress(NotFoundError):
                self.client.delete_job(name)
        with suppress(NotFoundError):
            self.client.pools.delete(pool_of(PREFIX))

    def _now_ms(self) -> int:
        return self.client.deployment.store.now_ms()


def kill_beat(trial: Trial) -> str:
    """KILL to the beat that leads, where it runs on this machine; another one follows, or is started."""
    leader = trial.client.status().leader
    if leader is None:
        return "no beat leads, none was killed"
    host, pid = leader.holder.split(":")[:2]
    return _kill(int(pid), host, f"the beat that leads ({leader.holder})")


def kill_agent(trial: Trial) -> str:
    """KILL to an agent, where there is one on this machine."""
    here = [node for node in trial.client.nodes() if node.alive and node.address == socket.gethostname()]
    if not here:
        return "no agent runs on this machine, none was killed"
    node = trial.chance.choice(here)
    return _kill(node.pid, node.address, f"the agent of {node.name}")


def pause_store(trial: Trial) -> str:
    """The store takes every command and answers none for a while."""
    with trial.client.deployment.store.errors():
        trial.client.deployment.store.client.execute_command("CLIENT", "PAUSE", int(PAUSE_SECONDS * 1000), "ALL")
    return f"the store answers nothing for {PAUSE_SECONDS:g} s"


def cut_connections(trial: Trial) -> str:
    """Every connection to the store breaks."""
    with trial.client.deployment.store.errors():
        cut = trial.client.deployment.store.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    return f"{cut} connections to the store cut"


def _kill(pid: int, host: str, what: str) -> str:
    if host != socket.gethostname():
        return f"{what} is on {host}, and was left alone"
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError) as error:
        return f"{what} was left alone: {error.strerror}"
    return f"{what} killed"


FAULTS: dict[str, Callable[[Trial], str]] = {
    "beat": kill_beat,
    "pause": pause_store,
    "agent": kill_agent,
    "cut": cut_connections,
}


def processes_of(prefix: str) -> list[str]:
    """Processes that carry an execution of a job with this prefix in their environment, as ``pid execution``."""
    needle = f"{EXECUTION_ID}={prefix}"
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            parts = environ.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # ended meanwhile, or somebody else's
            continue
        found += [f"{environ.parent.name} {part.partition('=')[2]}" for part in parts if part.startswith(needle)]
    return found
