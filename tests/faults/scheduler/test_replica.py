"""A master is replaced by a replica that does not know all: what it does not know was never answered."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dkronpy.client.records import Records
from dkronpy.job import Job
from tests.acceptance.fleet import Fleet
from tests.faults.scheduler.arena import due_of, shell
from tests.redis_groups import SentinelGroup
from tests.support import wait_until

SECONDS = 8.0
BEHIND_SECONDS = 2.5
LINES = 4


def pause_master(group: SentinelGroup) -> None:
    """The master stands still, and goes on as one when it has long been replaced."""
    group.master.pause()
    threading.Event().wait(SECONDS)
    group.master.resume()


def lose_the_last_moments(group: SentinelGroup) -> None:
    """The master goes on for a while after its replica has heard the last of it, and is gone for good."""
    replica = group.part()
    threading.Event().wait(BEHIND_SECONDS)
    group.master.kill()
    replica.resume()
    wait_until(lambda: group.current is replica, timeout=30, description="the replica takes over")
    group.master.start()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("replace", "min_replicas"), [(pause_master, 1), (lose_the_last_moments, 0)])
def test_a_master_that_is_replaced_doubles_and_loses_nothing(
    replace: Callable[[SentinelGroup], None], min_replicas: int, tmp_path: Path
) -> None:
    truth = tmp_path / "truth"
    truth.touch()
    with SentinelGroup(min_replicas=min_replicas) as group:
        settings = {"DKRONPY_STORE_URL": group.url, "DKRONPY_STORE_REPLICAS": "1", "DKRONPY_HISTORY_LIMIT": "5000"}
        with Fleet(group.master, tmp_path, settings) as fleet:
            fleet.beat()
            fleet.agent("n1")
            for number in range(LINES):
                run = shell(f'echo "$DKRONPY_RUN_ID" >> {truth}')
                fleet.save(Job(name=f"line-{number}", schedule="* * * * * *", run=run, catch_up="all"))
            _more(truth)
            start_ms = _now_ms(fleet)
            replace(group)
            _more(truth)
            end_ms = _now_ms(fleet)
            jobs = [f"line-{number}" for number in range(LINES)]
            records = Records(fleet.client.deployment)
            wait_until(
                lambda: all(records.audit(job, start_ms, end_ms).audit.clean for job in jobs),
                timeout=60, description="every due time has its one record",
            )  # fmt: skip
            wait_until(lambda: _states(fleet, start_ms, end_ms) == {"success"}, timeout=60, description="all succeed")
            written = Counter(line for line in truth.read_text().split() if start_ms < due_of(line) <= end_ms)
            owed = sum(records.audit(job, start_ms, end_ms).audit.owed for job in jobs)
    print(f"{replace.__name__}: {owed} due times")
    assert owed >= LINES * 4
    assert set(written.values()) == {1}, "a run was started twice"
    assert len(written) == owed


def _now_ms(fleet: Fleet) -> int:
    return fleet.client.deployment.store.now_ms()


def _states(fleet: Fleet, start_ms: int, end_ms: int) -> set[str]:
    runs = [run for number in range(LINES) for run in fleet.client.runs(job=f"line-{number}", limit=1000)]
    return {run.state for run in runs if start_ms < run.due_ms <= end_ms}


def _more(truth: Path) -> None:
    """Until every job has run a few times more than now."""
    enough = len(truth.read_text().split()) + 3 * LINES
    wait_until(lambda: len(truth.read_text().split()) >= enough, timeout=90, description="work goes on")
