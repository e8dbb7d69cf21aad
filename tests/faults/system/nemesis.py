"""What breaks: each fault hurts a running deployment for a few seconds and lets it go again."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Mapping

from tests.faults import isolation
from tests.faults.system.world import AGENTS, World
from tests.support import Spawned, end_process

Fault = Callable[[World, random.Random], str]
"""Does its worst, heals, and returns what it did in a few words."""
_CLOCK = threading.Event()


def pause(seconds: float) -> None:
    """Let things go on for a while."""
    _CLOCK.wait(seconds)


def kill_agent(world: World, rng: random.Random) -> str:
    """KILL to an agent in the middle of its work; it comes back."""
    name = rng.choice(AGENTS)
    _kill(world.agents[name])
    gap = rng.uniform(0, 4)
    pause(gap)
    world.more_agents(name)
    return f"agent {name} killed, back after {gap:.1f} s"


def stop_agent(world: World, rng: random.Random) -> str:
    """STOP to an agent, up to longer than its lease."""
    name, seconds = rng.choice(AGENTS), rng.uniform(1, 9)
    _freeze(world.agents[name], seconds)
    return f"agent {name} stopped for {seconds:.1f} s"


def end_agent(world: World, rng: random.Random) -> str:
    """TERM to an agent, as at an upgrade; it comes back."""
    name = rng.choice(AGENTS)
    end_process(world.agents[name].process, grace=20)
    world.more_agents(name)
    return f"agent {name} restarted in good order"


def kill_leader(world: World, rng: random.Random) -> str:
    """KILL to the beat that leads."""
    _kill(world.leader())
    gap = rng.uniform(0, 5)
    pause(gap)
    world.more_beats()
    return f"the leading beat killed, another one started after {gap:.1f} s"


def stop_leader(world: World, rng: random.Random) -> str:
    """STOP to the beat that leads, up to longer than its lock."""
    seconds = rng.uniform(1, 6)
    _freeze(world.leader(), seconds)
    return f"the leading beat stopped for {seconds:.1f} s"


def kill_every_beat(world: World, rng: random.Random) -> str:
    """No beat at all for a while."""
    for beat in world.beats.values():
        _kill(beat)
    gap = rng.uniform(0, 4)
    pause(gap)
    world.more_beats()
    return f"no beat for {gap:.1f} s"


def crash_store(world: World, rng: random.Random) -> str:
    """KILL to the store; it comes back with its append-only file."""
    world.server.kill()
    gap = rng.uniform(0, 3)
    pause(gap)
    world.server.start()
    return f"the store killed, back after {gap:.1f} s"


def freeze_store(world: World, rng: random.Random) -> str:
    """STOP to the store: connections stay open and nothing answers."""
    seconds = rng.uniform(1, 8)
    world.server.pause()
    try:
        pause(seconds)
    finally:
        world.server.resume()
    return f"the store stopped for {seconds:.1f} s"


def fill_store(world: World, rng: random.Random) -> str:
    """The store is at its limit, evicts nothing, and refuses every write."""
    seconds = rng.uniform(1, 4)
    with world.server.client() as client:
        client.config_set("maxmemory", "1mb")
        try:
            pause(seconds)
        finally:
            client.config_set("maxmemory", "0")
    return f"the store full for {seconds:.1f} s"


def cut_off_agent(world: World, rng: random.Random) -> str:
    """No way between an agent and the store, up to longer than its lease."""
    name, seconds = rng.choice(AGENTS), rng.uniform(1, 9)
    world.proxies[name].refuse()
    pause(seconds)
    world.proxies[name].welcome()
    return f"agent {name} cut off for {seconds:.1f} s"


def cut_off_beats(world: World, rng: random.Random) -> str:
    """No way between the beats and the store."""
    seconds = rng.uniform(1, 6)
    world.proxies["beats"].refuse()
    pause(seconds)
    world.proxies["beats"].welcome()
    return f"the beats cut off for {seconds:.1f} s"


def lose_replies(world: World, rng: random.Random) -> str:
    """The store does as it was asked, and the answer gets lost, one time in five."""
    who, seconds = rng.choice(("beats", *AGENTS)), rng.uniform(1, 4)
    world.proxies[who].drop_replies(rng, 0.2)
    pause(seconds)
    world.proxies[who].drop_replies(rng, 0)
    return f"replies to {who} lost for {seconds:.1f} s"


def stall(world: World, rng: random.Random) -> str:
    """Nothing passes between somebody and the store, and nothing breaks either; then all of it arrives at once."""
    who, seconds = rng.choice(("beats", *AGENTS)), rng.uniform(1, 7)
    world.proxies[who].stall()
    pause(seconds)
    world.proxies[who].flow()
    return f"{who} stalled for {seconds:.1f} s"


def kill_agent_in_an_outage(world: World, rng: random.Random) -> str:
    """An agent that has just finished work it cannot report dies before the store is back."""
    name = rng.choice(AGENTS)
    world.server.pause()
    try:
        pause(rng.uniform(0.5, 2))
        _kill(world.agents[name])
        world.more_agents(name)
        pause(rng.uniform(0, 2))
    finally:
        world.server.resume()
    return f"agent {name} killed while the store was stopped"


def move_clocks(world: World, rng: random.Random) -> str:
    """The wall clock of every beat and agent jumps, and jumps back."""
    shift, seconds = rng.uniform(-90, 90), rng.uniform(1, 6)
    world.machine.clock.shift(shift)
    pause(seconds)
    world.machine.clock.shift(0)
    return f"the clock of every beat and agent moved by {shift:+.0f} s for {seconds:.1f} s"


def move_store_clock(world: World, rng: random.Random) -> str:
    """The clock that decides jumps, and jumps back before anybody may believe it."""
    shift, seconds = rng.uniform(-60, 60), rng.uniform(1, 6)
    world.machine.store_clock.shift(shift)
    pause(seconds)
    world.machine.store_clock.shift(0)
    return f"the store's clock moved by {shift:+.0f} s for {seconds:.1f} s"


def slow_disk(world: World, rng: random.Random) -> str:
    """Every sync of the store takes its time."""
    each, seconds = rng.uniform(0.05, 0.5), rng.uniform(2, 8)
    world.machine.slow_disk.slow(each)
    pause(seconds)
    world.machine.slow_disk.slow(0)
    return f"each sync of the store took {each * 1000:.0f} ms, for {seconds:.1f} s"


def fill_disk(world: World, rng: random.Random) -> str:
    """The disk of the store, or of an agent, is full. A store that has to keep everything ends, and comes back."""
    name, seconds = rng.choice(sorted(world.machine.disks)), rng.uniform(1, 6)
    world.machine.disks[name].fill()
    pause(seconds)
    world.machine.disks[name].free()
    if world.server.ended:
        world.server.kill()
        world.server.start()
    return f"the disk of {name} full for {seconds:.1f} s"


def fill_disk_in_an_outage(world: World, rng: random.Random) -> str:
    """An agent can report nothing and write nothing down."""
    name, seconds = rng.choice(AGENTS), rng.uniform(1, 6)
    world.machine.disks[name].fill()
    world.proxies[name].refuse()
    pause(seconds)
    world.proxies[name].welcome()
    pause(rng.uniform(0, 2))
    world.machine.disks[name].free()
    return f"agent {name} cut off with a full disk for {seconds:.1f} s"


def drop_packets(world: World, rng: random.Random) -> str:
    """What is sent between somebody and the store vanishes; no connection breaks, and nobody is told."""
    who, seconds = rng.choice(("beats", *AGENTS)), rng.uniform(1, 9)
    port = world.proxies[who].port
    isolation.drop(port)
    try:
        pause(seconds)
    finally:
        isolation.pass_on(port)
    return f"every packet of {who} dropped for {seconds:.1f} s"


def crash_broker(world: World, rng: random.Random) -> str:
    """KILL to the broker; it comes back with its data."""
    broker = world.machine.broker
    assert broker is not None
    broker.kill()
    gap = rng.uniform(0, 3)
    pause(gap)
    broker.start()
    return f"the broker killed, started again after {gap:.1f} s"


def freeze_broker(world: World, rng: random.Random) -> str:
    """STOP to the broker: connections stay open and nothing answers."""
    broker, seconds = world.machine.broker, rng.uniform(1, 8)
    assert broker is not None
    broker.freeze()
    try:
        pause(seconds)
    finally:
        broker.thaw()
    return f"the broker stopped for {seconds:.1f} s"


def cut_off_broker(world: World, rng: random.Random) -> str:
    """No way to the broker, for anybody."""
    proxy, seconds = world.machine.broker_proxy, rng.uniform(1, 8)
    assert proxy is not None
    proxy.refuse()
    pause(seconds)
    proxy.welcome()
    return f"the broker cut off for {seconds:.1f} s"


FAULTS: Mapping[str, Fault] = {
    "kill-agent": kill_agent,
    "stop-agent": stop_agent,
    "end-agent": end_agent,
    "kill-leader": kill_leader,
    "stop-leader": stop_leader,
    "no-beat": kill_every_beat,
    "crash-store": crash_store,
    "freeze-store": freeze_store,
    "fill-store": fill_store,
    "cut-agent": cut_off_agent,
    "cut-beats": cut_off_beats,
    "lose-replies": lose_replies,
    "stall": stall,
    "kill-in-outage": kill_agent_in_an_outage,
    "clocks": move_clocks,
    "store-clock": move_store_clock,
}
BROKER_FAULTS: Mapping[str, Fault] = {
    "crash-broker": crash_broker,
    "freeze-broker": freeze_broker,
    "cut-broker": cut_off_broker,
}
ISOLATED_FAULTS: Mapping[str, Fault] = {
    "slow-disk": slow_disk,
    "fill-disk": fill_disk,
    "fill-disk-in-outage": fill_disk_in_an_outage,
    "drop-packets": drop_packets,
}
EVERY_FAULT: Mapping[str, Fault] = {**FAULTS, **BROKER_FAULTS, **ISOLATED_FAULTS}


def possible(world: World) -> list[str]:
    """The faults that this world can be given."""
    broker = BROKER_FAULTS if world.machine.broker else ()
    return sorted([*FAULTS, *broker, *(ISOLATED_FAULTS if world.machine.isolated else ())])


def campaign(world: World, seed: int, seconds: float, names: list[str] | None = None) -> None:
    """Faults, one after the other with a breath between them, until the time is over. The seed fixes what and when."""
    chance = random.Random(f"{seed} campaign")
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        name = chance.choice(names or possible(world))
        world.note(EVERY_FAULT[name](world, random.Random(f"{seed} {number} {name}")))
        pause(chance.uniform(0.3, 2.0))


def _kill(process: Spawned) -> None:
    if process.process.poll() is None:
        process.signal(signal.SIGKILL)
        process.process.wait()


def _freeze(process: Spawned, seconds: float) -> None:
    process.signal(signal.SIGSTOP)
    try:
        pause(seconds)
    finally:
        process.signal(signal.SIGCONT)
