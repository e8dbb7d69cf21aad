"""What an earlier release stored is read by this one: its jobs go on, its open work ends, its history is there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.acceptance.fleet import Fleet
from tests.support import StoreServer, wait_until

RELEASES = sorted(Path(__file__).parent.glob("stored_*.json"))
"""Every key of a store as a release left it, its agents killed in the middle of work and its beat stopped."""
FOR_EVER = "876000h"


@pytest.fixture(params=RELEASES, ids=[path.stem for path in RELEASES])
def upgraded(request: pytest.FixtureRequest, server: StoreServer, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet of this release on a store that an earlier one has left."""
    with server.client() as client:
        for entry in json.loads(request.param.read_text()):
            fill(client, entry)
    with Fleet(server, tmp_path, {"DKRONPY_RETENTION": FOR_EVER}) as fleet:
        yield fleet


def fill(client: redis.Redis, entry: dict[str, Any]) -> None:
    """Write one key as it was."""
    key, value = entry["key"], entry["value"]
    if entry["type"] == "hash":
        client.hset(key, mapping={raw(field): raw(held) for field, held in value.items()})
    elif entry["type"] == "string":
        client.set(key, raw(value))
    elif entry["type"] == "set":
        client.sadd(key, *map(raw, value))
    elif entry["type"] == "zset":
        client.zadd(key, {raw(member): score for member, score in value})
    elif entry["type"] == "list":
        client.rpush(key, *map(raw, value))
    else:
        for moment, fields in value:
            client.xadd(key, {raw(field): raw(held) for field, held in fields.items()}, id=moment)
    if entry["ttl_ms"] > 0:
        client.pexpire(key, max(entry["ttl_ms"], 600_000))


def raw(text: str) -> bytes:
    return base64.b64decode(text)


def test_jobs_and_history_of_an_earlier_release_are_read(upgraded: Fleet) -> None:
    views = {view.job.name: view for view in upgraded.client.jobs()}
    assert set(views) == {"again", "broken", "everywhere", "flaky", "nightly", "off", "report", "tick", "waits"}
    assert views["nightly"].job.forbids_overlap
    assert views["nightly"].job.schedule == "45 2 * * MON-FRI"
    assert views["nightly"].stored.revision == 2
    assert views["tick"].job.metadata == {"team": "core"}
    ticks = [run for run in upgraded.client.runs(job="tick") if run.state == "success"]
    assert views["tick"].state.success_count == len(ticks) >= 4
    assert views["broken"].state.error_count == 1
    assert views["tick"].state.dependent_jobs == ("report",)

    (failed,) = upgraded.client.runs(job="broken")
    (execution,) = upgraded.client.run(failed.id).executions
    assert (failed.state, failed.reason, execution.attempts[0].exit_code) == ("failed", "exit", 3)
    assert upgraded.output(execution) == "no\n"
    (flaky,) = upgraded.client.runs(job="flaky")
    assert [attempt.state for attempt in upgraded.client.run(flaky.id).executions[0].attempts] == ["failed", "success"]
    assert {run.state for run in upgraded.client.runs(job="report")} == {"success"}


def test_its_open_work_is_taken_up_and_its_jobs_go_on(upgraded: Fleet) -> None:
    (waiting,), (running,) = upgraded.client.runs(job="waits"), upgraded.client.runs(job="again")
    assert (waiting.state, running.state) == ("running", "running")
    upgraded.beat()
    upgraded.agent("n2", role="db")
    upgraded.agent("n3")

    assert upgraded.ended(waiting.id)[0].state == "success", "what waited for its node has run there"
    again = wait_until(
        lambda: next((e for e in upgraded.client.run(running.id).executions if e.attempt == 2), None),
        timeout=30,
        description="what a dead node left behind starts again, as the job allows",
    )
    assert again.attempts[0].state == "lost"
    upgraded.client.cancel_run(running.id)
    assert upgraded.ended(running.id)[0].reason == "cancelled"

    before = {name: upgraded.client.job(name).state.success_count for name in ("tick", "report")}
    upgraded.client.toggle_job("tick")
    for name, count in before.items():
        wait_until(
            lambda name=name, count=count: upgraded.client.job(name).state.success_count >= count + 2,  # type: ignore[misc]
            timeout=30, description=f"{name} runs on",
        )  # fmt: skip
