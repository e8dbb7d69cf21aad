"""What happens to our own processes: agents and beats are killed, stopped and restarted."""

from __future__ import annotations

import random

from tests.faults.system.breath import freeze, kill, pause
from tests.faults.system.world import AGENTS, World
from tests.support import end_process


def kill_agent(world: World, rng: random.Random) -> str:
    """KILL to an agent in the middle of its work; it comes back."""
    name = rng.choice(AGENTS)
    kill(world.agents[name])
    gap = rng.uniform(0, 4)
    pause(gap)
    world.more_agents(name)
    return f"agent {name} killed, back after {gap:.1f} s"


def stop_agent(world: World, rng: random.Random) -> str:
    """STOP to an agent, up to longer than its lease."""
    name, seconds = rng.choice(AGENTS), rng.uniform(1, 9)
    freeze(world.agents[name], seconds)
    return f"agent {name} stopped for {seconds:.1f} s"


def end_agent(world: World, rng: random.Random) -> str:
    """TERM to an agent, as at an upgrade; it comes back."""
    name = rng.choice(AGENTS)
    end_process(world.agents[name].process, grace=20)
    world.more_agents(name)
    return f"agent {name} restarted in good order"


def kill_leader(world: World, rng: random.Random) -> str:
    """KILL to the beat that leads."""
    kill(world.leader())
    gap = rng.uniform(0, 5)
    pause(gap)
    world.more_beats()
    return f"the leading beat killed, another one started after {gap:.1f} s"


def stop_leader(world: World, rng: random.Random) -> str:
    """STOP to the beat that leads, up to longer than its lock."""
    seconds = rng.uniform(1, 6)
    freeze(world.leader(), seconds)
    return f"the leading beat stopped for {seconds:.1f} s"


def kill_every_beat(world: World, rng: random.Random) -> str:
    """No beat at all for a while."""
    for beat in world.beats.values():
        kill(beat)
    gap = rng.uniform(0, 4)
    pause(gap)
    world.more_beats()
    return f"no beat for {gap:.1f} s"


def kill_agent_in_an_outage(world: World, rng: random.Random) -> str:
    """An agent that has just finished work it cannot report dies before the store is back."""
    name = rng.choice(AGENTS)
    world.server.pause()
    try:
        pause(rng.uniform(0.5, 2))
        kill(world.agents[name])
        world.more_agents(name)
        pause(rng.uniform(0, 2))
    finally:
        world.server.resume()
    return f"agent {name} killed while the store was stopped"
