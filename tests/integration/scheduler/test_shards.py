"""Several shards of due times: jobs go where they belong, beats share them, and nothing is lost when they change."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from dkronpy.clock import SystemClock
from dkronpy.deployment import Deployment
from dkronpy.job import Job, Run
from dkronpy.scheduler.shards import SHARED_TTL_MS, Shards
from dkronpy.settings import Settings
from dkronpy.store.keys import shard_of
from dkronpy.supervisor.checks_deployment import check_deployment
from tests.acceptance.fleet import Fleet
from tests.support import StoreServer, wait_until

COMMAND = Run("shell", {"command": "true"})
NAMES = [f"job-{number}" for number in range(40)]
TAKE_OVER_SECONDS = 5.0


@pytest.fixture
def deployment(store: redis.Redis, store_server: StoreServer) -> Iterator[Deployment]:
    deployment = Deployment(Settings(store_url=store_server.url))
    yield deployment
    deployment.close()


def beat(deployment: Deployment, name: str, wanted: int) -> Shards:
    return Shards(deployment.ledger, SystemClock(), holder=name, ttl_ms=10_000, wanted=wanted)


def standing(deployment: Deployment, shards: int) -> dict[int, set[str]]:
    """The jobs in each shard's sorted set."""
    store = deployment.store
    return {
        shard: {store.keys.job_of(name.decode()) for name in store.client.zrange(store.keys.schedule_of(shard), 0, -1)}
        for shard in range(shards)
    }


def save_all(deployment: Deployment) -> dict[str, int | None]:
    for name in NAMES:
        deployment.jobs.save(Job(name=name, schedule="@every 1h", run=COMMAND))
    return {stored.job.name: stored.due_ms for stored in deployment.jobs.all()}


def test_jobs_move_to_their_shards_and_back_with_their_due_times(deployment: Deployment) -> None:
    due = save_all(deployment)
    deployment.store.client.zadd(deployment.store.keys.schedule, {"redbeat:user-task": 4e9})

    for shards in (4, 3, 1):
        first = beat(deployment, "a", shards)
        first.ask()

        expected = {shard: {name for name in NAMES if shard_of(name, shards) == shard} for shard in range(4)}
        expected[0].add("user-task")
        assert standing(deployment, 4) == expected
        assert {stored.job.name: stored.due_ms for stored in deployment.jobs.all()} == due
        first.release()


def test_jobs_that_change_before_they_were_moved_leave_nothing_behind(deployment: Deployment) -> None:
    """Whoever was to move them is dead: who leads next goes on with it."""
    due = save_all(deployment)
    deployment.store.set_shards(4)
    for name in NAMES[:10]:
        deployment.jobs.delete(name)
    for name in NAMES[10:20]:
        deployment.jobs.save(Job(name=name, schedule="@every 1h", run=COMMAND, timeout=timedelta(minutes=5)))
    expected = {shard: {name for name in NAMES[10:20] if shard_of(name, 4) == shard} for shard in range(1, 4)}
    assert {shard: names for shard, names in standing(deployment, 4).items() if shard} == expected

    beat(deployment, "b", 4).ask()

    assert standing(deployment, 4) == {
        shard: {name for name in NAMES[10:] if shard_of(name, 4) == shard} for shard in range(4)
    }
    assert {stored.job.name: stored.due_ms for stored in deployment.jobs.all()} == {one: due[one] for one in NAMES[10:]}
    assert deployment.store.former_shards() == 0


def test_a_save_and_a_delete_find_the_shard_of_a_job(deployment: Deployment) -> None:
    beat(deployment, "a", 4).ask()
    save_all(deployment)
    another = Deployment(Settings(store_url=deployment.store.url))  # it has not been told of the shards

    for name in NAMES[:20]:
        another.jobs.save(Job(name=name, schedule="@every 2h", run=COMMAND))
    for name in NAMES[20:]:
        another.jobs.delete(name)
    another.close()

    found = standing(deployment, 4)
    assert found == {shard: {name for name in NAMES[:20] if shard_of(name, 4) == shard} for shard in range(4)}


def test_beats_share_the_shards_and_epochs_rise(deployment: Deployment) -> None:
    first, second = beat(deployment, "a", 5), beat(deployment, "b", 5)
    first.ask()
    alone = first.ask().leads

    second.ask()
    kept = first.ask().leads
    taken = second.ask().leads

    assert set(alone) == set(range(5))
    assert (len(kept), len(taken)) == (3, 2)
    assert set(kept) | set(taken) == set(range(5))
    assert all(lead.epoch > alone[shard].epoch for shard, lead in taken.items())
    second.release()
    assert set(first.ask().leads) == set(range(5))


def test_a_beat_that_has_just_come_takes_short_leads(deployment: Deployment) -> None:
    beat(deployment, "a", 4).ask()
    another = Deployment(Settings(store_url=deployment.store.url))  # it has not been told of the shards

    taken = beat(another, "b", 4).ask().leads

    assert len(taken) == 2
    keys = [deployment.store.keys.leader_of(shard) for shard in taken]
    assert max(deployment.store.client.pttl(key) for key in keys) <= SHARED_TTL_MS
    another.close()


@pytest.mark.unbounded_keys("jobs of every second are under way when the services end")
def test_two_beats_fire_all_shards_and_one_goes_on_alone(
    store_server: StoreServer, store: object, tmp_path: Path
) -> None:
    settings = {"DKRONPY_SHARDS": "4", "DKRONPY_LEADER_TTL": "10s"}
    with Fleet(store_server, tmp_path, settings) as fleet:
        fleet.agent("n1")
        for name in NAMES[:8]:
            fleet.save(Job(name=name, schedule="* * * * * *", run=COMMAND))
        beats = [fleet.beat(), fleet.beat()]

        def shared() -> bool:
            leaders = [leader.holder for leader in fleet.client.status().leaders if leader is not None]
            return len(leaders) == 4 and {leaders.count(holder) for holder in leaders} == {2}

        wait_until(shared, timeout=30, description="each of two beats leads two shards")
        assert "4 shards" in next(check_deployment(fleet.client, fleet.client.deployment.settings)).message
        beats[0].signal(signal.SIGKILL)
        killed = fleet.client.status().now_ms
        ours = f":{beats[1].process.pid}"

        def all_ours() -> bool:
            last = [fleet.client.runs(job=name, limit=1) for name in NAMES[:8]]
            return all(runs and runs[0].fired_by.endswith(ours) and runs[0].due_ms > killed for runs in last)

        wait_until(all_ours, timeout=30, description="the other beat fires every job")
        first = [
            min(run.fired_ms for run in fleet.client.runs(job=name, limit=60) if run.due_ms >= killed)
            for name in NAMES[:8]
        ]
        print(f"the last shard was taken over {max(first) - killed} ms after its beat was killed")
        assert max(first) - killed < TAKE_OVER_SECONDS * 1000
