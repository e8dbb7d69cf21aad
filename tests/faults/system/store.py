"""What happens to the store and on the way to it."""

from __future__ import annotations

import random

from tests.faults.system.breath import pause
from tests.faults.system.world import AGENTS, World


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


def fail_over(world: World, rng: random.Random) -> str:
    """The master stops, dies, or dies while its replica is behind; the replica takes over, and it follows that one."""
    group = world.machine.group
    assert group is not None, "there is no replica"
    master, how, gap = (
        group.current,
        rng.choice(("stopped", "killed", "killed ahead of its replica")),
        rng.uniform(2, 6),
    )
    if how == "stopped":
        master.pause()
        try:
            pause(gap)
        finally:
            master.resume()
    else:
        other = group.part() if how != "killed" else None
        pause(rng.uniform(0.5, 2.5))
        master.kill()
        if other is not None:
            other.resume()
        pause(gap)
        master.start()
    group.settle()
    return f"the master {how}, for {gap:.1f} s"
