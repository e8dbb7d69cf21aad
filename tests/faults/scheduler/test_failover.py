"""The store is gone: beat waits, says so once, burns no processor, and goes on when it is back."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tests.faults.scheduler.arena import Arena
from tests.support import Spawned, wait_until

SECONDS = 10.0
MOST_CPU = 0.05
"""The promise is 0.02; a machine that is busy with other things measures more."""


def test_without_a_store_beat_waits_says_so_once_and_goes_on(arena: Arena) -> None:
    beats = list(arena.beats.values())
    wait_until(lambda: all(map(_is_well, beats)), timeout=90, description="all are up, and no outage of before is left")
    before = _complaints(beats)
    start_ms = arena.now_ms()
    arena.proxy.refuse()
    wait_until(
        lambda: all(now > was for now, was in zip(_complaints(beats), before, strict=True)),
        timeout=20,
        description="both say that they stand by",
    )
    used = [_cpu_seconds(beat.pid) for beat in beats]
    threading.Event().wait(SECONDS)
    shares = [(_cpu_seconds(beat.pid) - was) / SECONDS for beat, was in zip(beats, used, strict=True)]
    arena.proxy.welcome()
    print(f"processor while the store is away: {', '.join(f'{share:.1%}' for share in shares)}")
    print(arena.judge(start_ms, says="the store was away"))
    assert max(shares) < MOST_CPU
    assert [now - was for now, was in zip(_complaints(beats), before, strict=True)] == [1, 1]
    assert all(beat.process.poll() is None for beat in beats)


def _is_well(beat: Spawned) -> bool:
    # One that is still being started would only wait for the store, in other words.
    up = "answers (durability" in beat.output
    return up and beat.output.rfind("works again") >= beat.output.rfind("standing by, the store")


def _complaints(beats: list[Spawned]) -> list[int]:
    return [beat.output.count("standing by, the store") for beat in beats]


def _cpu_seconds(pid: int) -> float:
    """The processor time that a process has used so far: user and system (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
