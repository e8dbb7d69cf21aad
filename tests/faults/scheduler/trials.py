"""The faults, each as a trial: it hurts the deployment of an arena and lets it recover; others judge."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from msgspec.structs import replace

from tests.faults.proxy import Link
from tests.faults.scheduler.arena import LEADER_TTL_SECONDS, Arena
from tests.support import wait_until

Trial = Callable[[Arena, random.Random], None]
SPARE_SECONDS = 1.0
"""How much longer than its lock a dead leader may be missed."""


@contextmanager
def next_commit(arena: Arena, action: Callable[[Link, bytes], bytes | None]) -> Iterator[threading.Event]:
    """Hand the next commit that a beat sends to *action*, before the store has it; the event tells that it came."""
    fire = arena.fleet.client.deployment.store.scripts._scripts["fire"].sha.encode()
    came, lock = threading.Event(), threading.Lock()

    def watch(link: Link, data: bytes) -> bytes | None:
        with lock:
            if came.is_set() or fire not in data:
                return data
            came.set()
        return action(link, data)

    arena.proxy.watch = watch
    try:
        yield came
    finally:
        arena.proxy.watch = None


def kill_in_mid_commit(arena: Arena, rng: random.Random) -> None:
    """KILL to the leader while its commit is under way: before the store has all of it, or before it has the answer."""
    leader = arena.leader()
    half = rng.random() < 0.5

    def kill(link: Link, data: bytes) -> bytes | None:
        leader.signal(signal.SIGKILL)
        if half:
            link.forward(data[: len(data) // 2])
            return None
        return data

    arena.wait(rng.random())
    with next_commit(arena, kill) as came:
        assert came.wait(20), "no commit passed"
        killed = time.monotonic()
        leader.process.wait()
        arena.another_leader(leader.pid)
        ours = f":{arena.leader().pid}"
        wait_until(
            lambda: any(run.fired_by.endswith(ours) for run in arena.fleet.client.runs(job="line-all", limit=5)),
            timeout=10,
            description="the new leader dispatches",
        )
    gap = time.monotonic() - killed
    print(f"the stand-by dispatched {gap:.1f} s after the leader was killed")
    assert gap < LEADER_TTL_SECONDS + SPARE_SECONDS + 1.0, f"{gap:.1f} s until the stand-by dispatched"
    arena.more_beats()


def stop_past_the_lock(arena: Arena, rng: random.Random) -> None:
    """STOP to the leader in mid commit, CONT when another leads: the rest of its commit reaches the store only then."""
    leader = arena.leader()
    late = threading.Event()

    def freeze(link: Link, data: bytes) -> bytes | None:
        leader.signal(signal.SIGSTOP)
        late.wait(30)
        return data

    with next_commit(arena, freeze) as came:
        assert came.wait(20), "no commit passed"
        try:
            arena.another_leader(leader.pid)
            arena.wait(rng.random() * 2)
        finally:
            late.set()
            leader.signal(signal.SIGCONT)
    arena.wait(1.5)
    assert leader.process.poll() is None, f"it ended:\n{leader.output}"


def two_beats_at_once(arena: Arena, rng: random.Random) -> None:
    """No beat at all, then two in the same moment."""
    arena.wait(rng.random())
    for beat in arena.beats.values():
        beat.kill()
    arena.more_beats(2)
    arena.leader()
    arena.wait(2)


def store_crashes(arena: Arena, rng: random.Random) -> None:
    """KILL to the store, which comes back with its append-only file."""
    arena.wait(rng.random())
    arena.server.kill()
    arena.server.start()
    wait_until(lambda: arena.fleet.client.status().leader, timeout=30, description="a beat leads again")
    arena.wait(2)


def store_paused(arena: Arena, rng: random.Random, seconds: float = 15.0) -> None:
    """CLIENT PAUSE: the store takes every command and answers none."""
    with arena.server.client(socket_timeout=seconds + 10) as client:
        client.execute_command("CLIENT", "PAUSE", int(seconds * 1000), "ALL")
        client.ping()
    arena.wait(2)


def store_frozen(arena: Arena, rng: random.Random, seconds: float = 15.0) -> None:
    """STOP to the store for a while."""
    arena.server.pause()
    try:
        threading.Event().wait(seconds)
    finally:
        arena.server.resume()
    arena.wait(2)


def store_full(arena: Arena, rng: random.Random, seconds: float = 4.0) -> None:
    """The store is at its limit and refuses to write; it evicts nothing."""
    with arena.server.client() as client:
        client.config_set("maxmemory", "1mb")
        try:
            threading.Event().wait(seconds)
        finally:
            client.config_set("maxmemory", "0")
    wait_until(lambda: arena.fleet.client.status().leader, timeout=30, description="a beat leads again")
    arena.wait(2)


def no_beat_for_a_while(arena: Arena, rng: random.Random, seconds: float = 20.0) -> None:
    """KILL to every beat; for twenty seconds nobody serves what is due, and then it is up to each job's policy."""
    for beat in arena.beats.values():
        beat.kill()
    arena.wait(seconds * (0.8 + rng.random() / 5))
    arena.more_beats()
    arena.leader()
    arena.wait(2)


def store_away_at_the_start(arena: Arena, rng: random.Random) -> None:
    """The beats start while the store is away: they wait for it, and none of them ends."""
    for beat in arena.beats.values():
        beat.kill()
    arena.server.kill()
    arena.more_beats()
    try:
        for beat in arena.beats.values():
            beat.wait_for("waiting for it", timeout=60)
    finally:
        arena.server.start()
    arena.leader()
    arena.wait(2 + rng.random())
    assert all(beat.process.poll() is None for beat in arena.beats.values()), "a beat ended"


def node_dies(arena: Arena, rng: random.Random) -> None:
    """KILL to the only agent; what waits for its node is skipped in time, or taken up by the next life of it."""
    arena.wait(rng.random())
    assert arena.agent is not None
    arena.agent.kill()
    arena.wait(6 + rng.random() * 4)
    arena.agent = arena.fleet.agent("n1")
    arena.wait(2)


def jobs_edited(arena: Arena, rng: random.Random, seconds: float = 8.0) -> None:
    """A job of every second is saved anew, again and again, around the moments at which it is due."""
    name = "line-all"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = arena.fleet.client.job(name).job
        arena.fleet.save(replace(job, owner=f"owner-{rng.randrange(1000)}"))
        threading.Event().wait(rng.random() / 2)


def connections_cut(arena: Arena, rng: random.Random, seconds: float = 8.0) -> None:
    """Connections break at random, in the middle of a request and before the answer to one that was served."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pause = threading.Event()
        how = rng.choice(("cut", "request", "reply", "stall"))
        if how == "cut":
            arena.proxy.cut()
        elif how == "request":
            with next_commit(arena, _half) as came:
                came.wait(2)
        elif how == "reply":
            arena.proxy.drop_replies(rng, 0.3)
            pause.wait(0.2 + rng.random() / 2)
            arena.proxy.drop_replies(rng, 0)
        else:
            arena.proxy.stall()
            pause.wait(rng.random())
            arena.proxy.flow()
        pause.wait(rng.random())
    wait_until(lambda: arena.fleet.client.status().leader, timeout=30, description="a beat leads again")
    arena.wait(1)


def _half(link: Link, data: bytes) -> bytes | None:
    link.forward(data[: len(data) // 2])
    return None


TRIALS: Mapping[str, tuple[Trial, bool]] = {
    "kill": (kill_in_mid_commit, False),
    "stop": (stop_past_the_lock, False),
    "two-beats": (two_beats_at_once, False),
    "crash": (store_crashes, True),
    "pause": (store_paused, True),
    "freeze": (store_frozen, True),
    "full": (store_full, True),
    "cut": (connections_cut, False),
    "no-beat": (no_beat_for_a_while, False),
    "start-without": (store_away_at_the_start, True),
    "node": (node_dies, True),
    "edits": (jobs_edited, False),
}
"""Each trial by its name, and whether executions may be lost: the agent is cut off from the store as well."""
