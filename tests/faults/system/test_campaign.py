"""A short round of random faults on a whole deployment, with the history as the witness and the rules as the judge."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dkronpy.verify.checker import check
from tests.faults import isolation
from tests.faults.system.machine import Machine
from tests.faults.system.nemesis import campaign
from tests.faults.system.world import World
from tests.support import ROOT

SECONDS = 25.0
SEEDS = [int(os.environ.get("DKRONPY_FAULTS_SEED") or 31)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_deployment_that_is_hurt_keeps_every_promise(seed: int, tmp_path: Path) -> None:
    with Machine(tmp_path) as machine, World(machine, tmp_path) as world:
        world.start()
        world.begin(SECONDS)
        campaign(world, seed, SECONDS)
        history = world.history()
        crashes = world.crashes()
    kept = tmp_path / "history.json"
    history.write(kept)
    print(f"seed {seed}:", "; ".join(note.what for note in history.faults))
    violations = check(history)
    assert not violations, "\n".join([f"seed {seed}, history in {kept}", *map(str, violations[:20])])
    assert sum(len(job.owed) for job in history.jobs) > 100, "hardly anything was owed"
    assert len(history.marks) > 50, "hardly anything ran"
    assert not crashes


@pytest.mark.timeout(420)
def test_a_round_with_another_broker_and_where_allowed_a_network_and_disks_of_its_own() -> None:
    isolated = ["--isolated"] if isolation.allowed() else []
    options = ["--rabbitmq", "--seed", str(SEEDS[0]), "--minutes", "0.4", *isolated]
    command = [sys.executable, "scripts/faults_system.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  clean (" in done.stdout
