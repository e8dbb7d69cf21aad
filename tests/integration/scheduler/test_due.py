"""The reader of due entries, on a real store: what it fires, what it knows, and when it wants to be called again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from msgspec import structs

from dkronpy.clock import iso_ms
from dkronpy.deployment import Deployment
from dkronpy.dispatch.courier import NoCourier
from dkronpy.dispatch.targets import Planner
from dkronpy.job import Job, Run
from dkronpy.node import Node
from dkronpy.pause import Pause
from dkronpy.scheduler.due import DueReader
from dkronpy.scheduler.pacing import Pace, Pacer
from dkronpy.settings import Settings
from dkronpy.store.ledger import RunPlan
from dkronpy.store.pauses import Pauses
from dkronpy.store.quarantine import Quarantine
from dkronpy.store.redbeat import score_of
from tests.support import StoreServer

NODE = Node(name="n1", instance="n1")
COMMAND = Run("shell", {"command": "true"})


@pytest.fixture
def deployment(store: redis.Redis, store_server: StoreServer) -> Iterator[Deployment]:
    deployment = Deployment(Settings(store_url=store_server.url))
    yield deployment
    waiting = [name.decode() for name in deployment.store.client.zrange(deployment.store.keys.open, 0, -1)]
    deployment.ledger.cancel(waiting, "the end of the test")


class CountingPlanner(Planner):
    """Says how often it was asked."""

    asked = 0

    def run(self, *args: Any, **kwargs: Any) -> RunPlan:
        self.asked += 1
        return super().run(*args, **kwargs)


@pytest.fixture
def planner() -> CountingPlanner:
    return CountingPlanner(NoCourier(), random.Random(1), fired_by="test")


@pytest.fixture
def reader(deployment: Deployment, planner: Planner) -> DueReader:
    return DueReader(deployment.store, deployment.ledger, NoCourier(), planner, Quarantine(deployment.store), batch=2)


def make_due(deployment: Deployment, *names: str) -> int:
    """Each job is due at the last whole second; returns that moment in ms."""
    due = deployment.store.now_ms() // 1000 * 1000
    keys = deployment.store.keys
    deployment.store.client.zadd(keys.schedule, {keys.entry(name): score_of(due) for name in names})
    return due


def lead(deployment: Deployment) -> int:
    return deployment.ledger.lead("test", 60_000).epoch


def test_it_fires_all_that_is_due_in_several_batches(deployment: Deployment, reader: DueReader) -> None:
    names = [f"job-{number}" for number in range(7)]
    for name in names:
        deployment.jobs.save(Job(name=name, schedule="* * * * *", run=COMMAND))
    due = make_due(deployment, *names)
    fired = reader.fire(lead(deployment), deployment.store.now_ms(), [NODE])
    assert (fired.read, fired.runs, fired.leading) == (7, 7, True)
    assert {run.due_ms for run in deployment.ledger.recent_runs()} == {due}


def test_it_wants_to_be_called_when_the_first_of_those_it_fired_is_due_again(
    deployment: Deployment, reader: DueReader
) -> None:
    deployment.jobs.save(Job(name="second", schedule="* * * * * *", run=COMMAND))
    deployment.jobs.save(Job(name="hour", schedule="0 * * * *", run=COMMAND))
    due = make_due(deployment, "second")
    fired = reader.fire(lead(deployment), due + 5, [NODE])
    assert fired.next_ms == due + 1000


def soon(deployment: Deployment, name: str) -> int:
    """A job that is due in two seconds; that moment in ms."""
    deployment.jobs.save(Job(name=name, schedule="0 0 1 1 *", run=COMMAND))
    due = deployment.store.now_ms() + 2000
    keys = deployment.store.keys
    deployment.store.client.zadd(keys.schedule, {keys.entry(name): score_of(due)})
    return due


def test_what_is_due_soon_needs_no_definition_then(deployment: Deployment, reader: DueReader) -> None:
    due, store = soon(deployment, "job"), deployment.store
    reader.prepare(due - 2000, [NODE], lambda: True)
    store.client.hdel(store.keys.entry("job"), "job")
    assert reader.fire(lead(deployment), due + 1, [NODE]).runs == 1


def test_what_is_due_soon_is_decided_about_before(
    deployment: Deployment, reader: DueReader, planner: CountingPlanner
) -> None:
    names = [f"job-{number}" for number in range(5)]
    due = [soon(deployment, name) for name in names]
    reader.prepare(due[0] - 2000, [NODE], lambda: True)
    reader.prepare(due[0] - 1000, [NODE], lambda: True)
    fired = reader.fire(lead(deployment), due[-1] + 5, [NODE])
    assert (fired.runs, planner.asked) == (5, 5)
    assert sorted((run.job, run.due_ms) for run in deployment.ledger.recent_runs()) == sorted(
        zip(names, due, strict=True)
    )
    assert reader.fire(lead(deployment), due[-1] + 6, [NODE]).read == 0


def test_nothing_that_is_prepared_goes_out_before_it_is_due(deployment: Deployment, reader: DueReader) -> None:
    due = soon(deployment, "job")
    reader.prepare(due - 2000, [NODE], lambda: True)
    assert reader.fire(lead(deployment), due - 1, [NODE]).read == 0
    assert deployment.ledger.recent_runs() == []
    assert reader.fire(lead(deployment), due, [NODE]).runs == 1


@pytest.mark.parametrize(
    "nodes",
    [[NODE, Node(name="n2", instance="n2")], [structs.replace(NODE, drained=True), Node(name="n2", instance="n2")]],
    ids=["another came", "it is drained"],
)
def test_what_is_prepared_is_decided_about_anew_when_there_are_other_nodes(
    deployment: Deployment, reader: DueReader, planner: CountingPlanner, nodes: list[Node]
) -> None:
    due = soon(deployment, "job")
    reader.prepare(due - 2000, [NODE], lambda: True)
    assert reader.fire(lead(deployment), due, nodes).runs == 1
    assert planner.asked == 2


def test_a_pause_that_begins_after_the_preparing_holds(deployment: Deployment, reader: DueReader) -> None:
    due = soon(deployment, "job")
    reader.prepare(due - 2000, [NODE], lambda: True)
    Pauses(deployment.store).put(Pause(id="p", job="job", from_ms=due - 100))
    assert reader.fire(lead(deployment), due, [NODE]).runs == 1
    assert [run.reason for run in deployment.ledger.recent_runs()] == ["paused"]
    deployment.store.client.delete(deployment.store.keys.pauses)


def test_what_is_prepared_is_for_its_due_time_and_not_for_long_after_it(
    deployment: Deployment, reader: DueReader, planner: CountingPlanner
) -> None:
    due = soon(deployment, "job")
    reader.prepare(due - 2000, [NODE], lambda: True)
    assert reader.fire(lead(deployment), due + 60_000, [NODE]).runs == 1
    assert planner.asked == 2
    run = deployment.ledger.recent_runs()[0]
    assert (run.due_ms, run.trigger) == (due, "schedule")


def test_a_definition_that_changed_after_the_preparing_is_the_one_that_counts(
    deployment: Deployment, reader: DueReader
) -> None:
    due, store = soon(deployment, "job"), deployment.store
    reader.prepare(due - 2000, [NODE], lambda: True)
    changed = deployment.jobs.save(Job(name="job", schedule="0 0 1 1 *", run=COMMAND, owner="somebody"))
    epoch = lead(deployment)
    assert (reader.fire(epoch, due, [NODE]).runs, reader.fire(epoch, due, [NODE]).runs) == (0, 1)
    run = deployment.ledger.run(f"job@{iso_ms(due)}")
    assert run is not None
    assert run.revision == changed.revision
    assert store.client.zscore(store.keys.schedule, store.keys.entry("job")) > due / 1000


def test_preparing_ends_when_there_is_no_time_left(deployment: Deployment, reader: DueReader) -> None:
    due, store = soon(deployment, "job"), deployment.store
    reader.prepare(due - 2000, [NODE], lambda: False)
    store.client.hdel(store.keys.entry("job"), "job")
    fired = reader.fire(lead(deployment), due + 1, [NODE])
    assert (fired.runs, fired.plain) == (0, (store.keys.entry("job"),))


def test_what_waits_for_its_turn_is_late_and_not_missed(deployment: Deployment, reader: DueReader) -> None:
    epoch, store = lead(deployment), deployment.store
    for number in range(80):  # more than are read at a time
        deployment.jobs.save(Job(name=f"job-{number:02d}", schedule="0 0 1 1 *", run=COMMAND, catch_up="none"))
    began = store.now_ms()
    reader.fire(epoch, began, [NODE])
    due = make_due(deployment, *(f"job-{number:02d}" for number in range(80)))
    assert reader.fire(epoch, began + 4000, [NODE]).again
    assert reader.fire(epoch, began + 8000, [NODE]).runs == 16
    states = {(run.due_ms, run.decision) for run in deployment.ledger.recent_runs(limit=100)}
    assert states == {(due, "fire")}


def test_a_definition_that_changed_is_read_anew(deployment: Deployment, reader: DueReader) -> None:
    deployment.jobs.save(Job(name="job", schedule="* * * * * *", run=COMMAND))
    epoch = lead(deployment)
    due = make_due(deployment, "job")
    assert reader.fire(epoch, due + 5, [NODE]).runs == 1
    changed = deployment.jobs.save(Job(name="job", schedule="* * * * * *", run=COMMAND, owner="somebody"))
    deployment.store.client.zadd(deployment.store.keys.schedule, {"redbeat:job": score_of(due - 1000)})

    refused = reader.fire(epoch, due - 995, [NODE])
    assert (refused.runs, refused.again) == (0, True)
    assert reader.fire(epoch, due - 995, [NODE]).runs == 1
    run = deployment.ledger.run(f"job@{iso_ms(due - 1000)}")
    assert run is not None
    assert run.revision == changed.revision


def test_a_due_time_that_had_come_as_its_job_was_disabled_still_runs_and_none_after_it(
    deployment: Deployment, reader: DueReader
) -> None:
    deployment.jobs.save(Job(name="job", schedule="* * * * * *", run=COMMAND))
    owed = make_due(deployment, "job")
    deployment.jobs.save(Job(name="job", schedule="* * * * * *", run=COMMAND, enabled=False))

    store, epoch = deployment.store, lead(deployment)
    while reader.fire(epoch, store.now_ms(), [NODE]).again:
        pass
    runs = {run.due_ms: run.state for run in deployment.ledger.recent_runs()}
    assert runs[owed] == "running"
    assert "skipped" not in runs.values()
    assert store.client.zscore(store.keys.schedule, store.keys.entry("job")) is None


def test_one_that_does_not_lead_writes_nothing(deployment: Deployment, reader: DueReader) -> None:
    deployment.jobs.save(Job(name="job", schedule="* * * * *", run=COMMAND))
    stale = lead(deployment)
    deployment.store.client.delete(deployment.store.keys.leader)
    deployment.ledger.lead("other", 60_000)
    make_due(deployment, "job")
    fired = reader.fire(stale, deployment.store.now_ms(), [NODE])
    assert (fired.runs, fired.leading) == (0, False)
    assert deployment.ledger.recent_runs() == []


def test_a_job_whose_keys_are_not_the_ledgers_is_set_aside(deployment: Deployment, reader: DueReader) -> None:
    for name in ("job", "broken"):
        deployment.jobs.save(Job(name=name, schedule="* * * * *", run=COMMAND))
    deployment.store.client.set(deployment.store.keys.job_runs("broken"), "not a sorted set", ex=60)
    due = make_due(deployment, "job", "broken")

    fired = reader.fire(lead(deployment), deployment.store.now_ms(), [NODE])

    assert (fired.read, fired.runs) == (2, 1)
    assert list(Quarantine(deployment.store).all()) == ["redbeat:broken"]
    assert deployment.store.client.zscore(deployment.store.keys.schedule, "redbeat:broken") is None
    deployment.store.client.delete(deployment.store.keys.run(f"broken@{iso_ms(due)}"), deployment.store.keys.quarantine)


def test_an_entry_that_is_no_hash_is_set_aside_and_the_rest_of_its_batch_fires(
    deployment: Deployment, reader: DueReader
) -> None:
    store = deployment.store
    deployment.jobs.save(Job(name="sound", schedule="* * * * *", run=COMMAND))
    store.client.set(store.keys.entry("odd"), "not a hash", ex=60)
    make_due(deployment, "odd", "sound")

    fired = reader.fire(lead(deployment), store.now_ms(), [NODE])

    assert (fired.read, fired.runs, fired.plain) == (2, 1, ())
    assert store.client.zscore(store.keys.schedule, store.keys.entry("odd")) is None
    assert b"WRONGTYPE" in store.client.hget(store.keys.quarantine, store.keys.entry("odd"))


def test_a_beat_that_takes_over_goes_on_with_the_make_up_runs_where_the_other_was(deployment: Deployment) -> None:
    first, second = Pacer(Pace(rate=1)), Pacer(Pace(rate=1))
    now, far = deployment.store.now_ms(), deployment.store.now_ms() + 3_600_000
    first.follow(deployment.store, (1,))
    assert [first.moment("job", now, 0, far) for _ in range(3)] == [now, now + 1000, now + 2000]

    first.save(deployment.store)
    second.follow(deployment.store, (2,))

    assert second.moment("job", now, 0, far) == now + 3000
