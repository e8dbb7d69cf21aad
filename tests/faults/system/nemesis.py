"""What breaks: each fault hurts a running deployment for a few seconds and lets it go again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

from tests.faults.system import ours, store, surroundings
from tests.faults.system.breath import pause
from tests.faults.system.world import World

Fault = Callable[[World, random.Random], str]
"""Does its worst, heals, and returns what it did in a few words."""
FAULTS: Mapping[str, Fault] = {
    "kill-agent": ours.kill_agent,
    "stop-agent": ours.stop_agent,
    "end-agent": ours.end_agent,
    "kill-leader": ours.kill_leader,
    "stop-leader": ours.stop_leader,
    "no-beat": ours.kill_every_beat,
    "crash-store": store.crash_store,
    "freeze-store": store.freeze_store,
    "fill-store": store.fill_store,
    "cut-agent": store.cut_off_agent,
    "cut-beats": store.cut_off_beats,
    "lose-replies": store.lose_replies,
    "stall": store.stall,
    "kill-in-outage": ours.kill_agent_in_an_outage,
    "clocks": surroundings.move_clocks,
    "store-clock": surroundings.move_store_clock,
}
BROKER_FAULTS: Mapping[str, Fault] = {
    "crash-broker": surroundings.crash_broker,
    "freeze-broker": surroundings.freeze_broker,
    "cut-broker": surroundings.cut_off_broker,
}
ISOLATED_FAULTS: Mapping[str, Fault] = {
    "slow-disk": surroundings.slow_disk,
    "fill-disk": surroundings.fill_disk,
    "fill-disk-in-outage": surroundings.fill_disk_in_an_outage,
    "drop-packets": surroundings.drop_packets,
}
REPLICATED_FAULTS: Mapping[str, Fault] = {"fail-over": store.fail_over}
"""Beside what our own processes suffer: everything else hurts the one server that there is, or the way to it."""
EVERY_FAULT: Mapping[str, Fault] = {**FAULTS, **BROKER_FAULTS, **ISOLATED_FAULTS, **REPLICATED_FAULTS}
_OURS = frozenset({"kill-agent", "stop-agent", "end-agent", "kill-leader", "stop-leader", "no-beat", "clocks"})


def possible(world: World) -> list[str]:
    """The faults that this world can be given."""
    broker = BROKER_FAULTS if world.machine.broker else ()
    if world.machine.group is not None:  # half of what happens is a failover
        return sorted([*_OURS, *broker, *(["fail-over"] * len(_OURS))])
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
