"""A store behind Sentinels and in a Cluster: the whole deployment follows the master wherever it goes."""

from __future__ import annotations

from pathlib import Path

import redis

from dkronpy.errors import DkronpyError
from dkronpy.job import Job
from tests.acceptance.fleet import Fleet
from tests.faults.scheduler.arena import shell
from tests.redis_groups import ClusterGroup, SentinelGroup
from tests.support import wait_until


def test_beat_and_agent_follow_the_master_that_the_sentinels_name(tmp_path: Path) -> None:
    with (
        SentinelGroup() as group,
        Fleet(group.master, tmp_path, {"DKRONPY_STORE_URL": group.url, "DKRONPY_NODE_NAME": "n1"}) as fleet,
    ):
        beat, agent = fleet.beat(), fleet.agent("n1")
        fleet.save(Job(name="hello", schedule="@every 1s", run=shell("echo hello")))
        before = first_success(fleet, after_ms=0)

        group.master.kill()

        assert first_success(fleet, after_ms=before + 2_000) > before
        assert fleet.client.deployment.store.server_url().startswith(f"redis://127.0.0.1:{group.replica.port}/0")
        assert "hello" in fleet.output(fleet.run_now("hello")[1][0])
        assert beat.process.poll() is None, beat.output
        assert agent.process.poll() is None, agent.output


def test_everything_lies_in_one_slot_of_a_cluster_and_follows_it(tmp_path: Path) -> None:
    settings = {
        "DKRONPY_KEY_PREFIX": "{b}:", "DKRONPY_REDBEAT_KEY_PREFIX": "{b}redbeat:", "DKRONPY_NODE_NAME": "n1",
    }  # fmt: skip
    with (
        ClusterGroup() as group,
        Fleet(group.nodes[0], tmp_path, {**settings, "DKRONPY_STORE_URL": group.url}) as fleet,
    ):
        beat, agent = fleet.beat(), fleet.agent("n1")
        fleet.save(Job(name="hello", schedule="@every 1s", run=shell("echo hello")))
        before = first_success(fleet, after_ms=0)
        assert [len(client.keys()) for client in group.clients[1:3]] == [0, 0], "keys outside of the slot"

        group.replica.execute_command("CLUSTER FAILOVER")
        wait_until(lambda: group.replica.info("replication")["role"] == "master", description="the replica takes over")

        assert first_success(fleet, after_ms=before + 2_000) > before
        assert "hello" in fleet.output(fleet.run_now("hello")[1][0])
        assert beat.process.poll() is None, beat.output
        assert agent.process.poll() is None, agent.output


def first_success(fleet: Fleet, *, after_ms: int) -> int:
    """Wait for a run by schedule that was due after a moment and succeeded; its due time."""

    def found() -> int:
        try:
            runs = fleet.client.runs(job="hello", limit=20)
        except (redis.RedisError, DkronpyError):  # the master may be gone in this moment
            return 0
        ended = [run.due_ms for run in runs if run.state == "success" and run.due_ms > after_ms]
        return min(ended, default=0)

    return wait_until(found, timeout=45, description="a run succeeds")
