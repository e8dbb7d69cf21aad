"""What happens around our processes and the store: to clocks, disks, packets, and to a broker beside it."""

from __future__ import annotations

import random

from tests.faults import isolation
from tests.faults.system.breath import pause
from tests.faults.system.world import AGENTS, World


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
    if shift < 0:
        world.set_back(world.local_ms(), -shift)
    world.machine.store_clock.shift(shift)
    pause(seconds)
    if shift > 0:
        world.set_back(world.local_ms() + round(shift * 1000), shift)
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
