"""What is due while a job is paused is recorded and not run; a job that fails too often pauses itself."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import redis
from msgspec import structs

from dkronpy.client import Client
from dkronpy.clock import from_ms
from dkronpy.dispatch.courier import NoCourier
from dkronpy.dispatch.targets import Planner
from dkronpy.errors import ConflictError, InvalidError, NotFoundError
from dkronpy.execution import Run as RunRecord
from dkronpy.execution import execution_id, run_id
from dkronpy.job import Job, Run
from dkronpy.node import Node, any_node
from dkronpy.pause import Pause
from dkronpy.results.keep import Keep
from dkronpy.scheduler.chains import Chains
from dkronpy.scheduler.due import DueReader
from dkronpy.scheduler.farewell import Farewell
from dkronpy.settings import Settings
from dkronpy.store.ledger import Claim, ExecutionPlan, Firing, RunPlan
from dkronpy.store.pauses import DROPPED, KEPT_MS, MOST
from dkronpy.store.quarantine import Quarantine
from dkronpy.store.redbeat import score_of
from tests.support import StoreServer

NODE = Node(name="n1", instance="n1", tags={"role": "web"})
COMMAND = Run("shell", {"command": "true"})


class Beat:
    """The two halves of beat that pauses concern, moved on by hand."""

    def __init__(self, client: Client) -> None:
        self.client, self.deployment = client, client.deployment
        store, ledger = self.deployment.store, self.deployment.ledger
        planner = Planner(NoCourier(), random.Random(1), fired_by="test")
        self.reader = DueReader(store, ledger, NoCourier(), planner, Quarantine(store), batch=100)
        parts = (store, ledger, self.deployment.jobs, self.deployment.results)
        self.farewell = Farewell(*parts, Chains(*parts, planner), keep_of=lambda _: Keep())

    def due(self, *names: str, ago_ms: int = 0) -> dict[str, RunRecord]:
        """Make jobs due, let beat look, and return the record of each one's due time."""
        keys, store = self.deployment.store.keys, self.deployment.store
        due = (store.now_ms() - ago_ms) // 1000 * 1000
        store.client.zadd(keys.schedule, {keys.entry(name): score_of(due) for name in names})
        self.reader.fire(self.deployment.ledger.lead("test", 60_000).epoch, store.now_ms(), [NODE])
        found = {name: self.deployment.ledger.run(run_id(name, due)) for name in names}
        return {name: run for name, run in found.items() if run is not None}

    def states(self, *names: str, ago_ms: int = 0) -> dict[str, str]:
        return {name: run.state for name, run in self.due(*names, ago_ms=ago_ms).items()}

    def ends(self, job: str, *, success: bool) -> None:
        """A run of *job* that ends so, and is seen off."""
        ledger, now = self.deployment.ledger, self.deployment.store.now_ms()
        self._due = getattr(self, "_due", now) + 1
        run = run_id(job, self._due)
        execution = ExecutionPlan(id=execution_id(run, 0), node="n1", start_by_ms=now + 9000, look_ms=now + 9000)
        plan = RunPlan(id=run, due_ms=self._due, executions=(execution,))
        revision = self.deployment.jobs.get(job).revision
        assert ledger.fire([Firing(job=job, revision=revision, runs=(plan,))], epoch=None)[1] == [1]
        claim = ledger.claim(execution.id, 1, "n1", "agent", 9000)
        assert isinstance(claim, Claim)
        ledger.finish(execution.id, claim.token, success=success, reason="" if success else "exit")
        self.farewell.run(self.deployment.store.now_ms(), [NODE])


@pytest.fixture
def beat(store: redis.Redis, store_server: StoreServer) -> Iterator[Beat]:
    client = Client(Settings(store_url=store_server.url), who="ops")
    yield Beat(client)
    ledger, keys = client.deployment.ledger, client.deployment.store.keys
    ledger.cancel([name.decode() for name in store.zrange(keys.open, 0, -1)], "the end of the test")
    client.close()


def save(beat: Beat, *names: str, **fields: Any) -> None:
    for name in names:
        beat.deployment.jobs.save(Job(**{"name": name, "schedule": "0 0 1 1 *", "run": COMMAND, **fields}))


def test_a_pause_of_a_job_a_tag_or_everything_skips_what_is_due(beat: Beat) -> None:
    save(beat, "backup", "other")
    save(beat, "web", on=any_node(role="web"))
    save(beat, "team", metadata={"team": "bi"})
    names = ("backup", "other", "team", "web")
    maintenance = beat.client.maintenance
    before = from_ms(beat.deployment.store.now_ms()) - timedelta(seconds=5)
    maintenance.pause(job="backup", reason="disk is full", start=before)
    maintenance.pause(tag="role=web", until=timedelta(hours=2), start=before)
    maintenance.pause(tag="team=bi", start=before)
    runs = beat.due(*names)
    assert {name: run.reason for name, run in runs.items()} == {
        "backup": "paused", "other": "", "team": "paused", "web": "paused"
    }  # fmt: skip
    assert runs["backup"].message == "job backup is paused by ops until it is resumed: disk is full"
    assert runs["web"].message.startswith("every job with role=web is paused by ops until 20")
    save(beat, "third")
    maintenance.pause(start=before)
    assert beat.states("third") == {"third": "skipped"}


def test_the_due_time_counts_and_not_when_beat_comes_to_it(beat: Beat) -> None:
    save(beat, "backup")
    now = from_ms(beat.deployment.store.now_ms())
    beat.client.maintenance.pause(start=now - timedelta(minutes=10), until=now + timedelta(hours=1))
    beat.client.maintenance.resume()
    assert beat.states("backup", ago_ms=120_000) == {"backup": "skipped"}, "it was due while paused"
    save(beat, "second")
    assert beat.states("second", ago_ms=900_000) == {"second": "running"}, "it was due before"


def test_a_pause_that_lies_ahead_or_is_over_skips_nothing(beat: Beat) -> None:
    save(beat, "backup")
    now = from_ms(beat.deployment.store.now_ms())
    ahead = beat.client.maintenance.pause(job="backup", start=now + timedelta(hours=1), until=timedelta(hours=2))
    assert ahead.until_ms == ahead.from_ms + 7_200_000
    assert beat.states("backup") == {"backup": "running"}
    (ended,) = beat.client.maintenance.resume(id=ahead.id)
    assert not ended.holds(ahead.from_ms), "of one that has not begun nothing is left"
    assert beat.client.maintenance.pauses() == []
    assert [one.resumed_by for one in beat.client.maintenance.pauses(ended=True)] == ["ops"]


def test_a_job_that_is_also_paused_by_its_tag_says_so_when_it_is_resumed(beat: Beat) -> None:
    save(beat, "web", on=any_node(role="web"))
    beat.client.maintenance.pause(tag="role=web", reason="update")
    with pytest.raises(NotFoundError) as raised:
        beat.client.maintenance.resume(job="web")
    assert "every job with role=web is paused by ops" in raised.value.hint
    assert "`dkronpy resume --tag role=web`" in raised.value.hint


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"job": "backup", "tag": "a=b"}, "about a job or about a tag"),
        ({"tag": "web"}, "'web' is no tag with its value"),
        ({"until": timedelta(0)}, "over before it begins"),
        ({"reason": "x" * 501}, "501 characters"),
    ],
)
def test_a_pause_that_makes_no_sense_is_refused(beat: Beat, given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidError, match=said):
        beat.client.maintenance.pause(**given)
    with pytest.raises(NotFoundError):
        beat.client.maintenance.pause(job="nobody")


def test_a_child_that_is_paused_is_skipped_when_its_parent_ends(beat: Beat) -> None:
    save(beat, "parent")
    save(beat, "child", schedule="", after="parent")
    beat.client.maintenance.pause(job="child")
    beat.ends("parent", success=True)
    (run,) = beat.deployment.ledger.recent_runs("child")
    assert (run.state, run.reason, run.trigger) == ("skipped", "paused", "chained")


def test_a_job_pauses_itself_after_failures_in_a_row_and_counts_anew_once_resumed(beat: Beat) -> None:
    save(beat, "backup", pause_after=2)

    def paused() -> list[str]:
        return [one.reason for one in beat.client.maintenance.pauses()]

    beat.ends("backup", success=False)
    beat.ends("backup", success=True)
    beat.ends("backup", success=False)
    assert paused() == []
    beat.ends("backup", success=False)
    assert paused() == ["2 failures in a row"]
    beat.ends("backup", success=False)
    assert paused() == ["2 failures in a row"], "once is enough"
    beat.client.maintenance.resume(job="backup")
    beat.ends("backup", success=False)
    assert paused() == []
    beat.ends("backup", success=False)
    assert paused() == ["2 failures in a row"]


def test_failures_before_the_last_pause_of_a_job_do_not_count_however_long_ago_that_was(beat: Beat) -> None:
    save(beat, "weekly", pause_after=2)
    for _ in range(2):
        beat.ends("weekly", success=False)
    beat.client.maintenance.resume(job="weekly")
    pauses = beat.deployment.pauses
    assert pauses.forget(beat.deployment.store.now_ms() + KEPT_MS + 1) == 1

    beat.ends("weekly", success=False)
    assert pauses.all() == []
    beat.ends("weekly", success=False)
    assert [one.reason for one in pauses.all()] == ["2 failures in a row"]


def fill(beat: Beat, **fields: Any) -> None:
    """As many pauses as there may be, one of which ended in each of the last seconds."""
    store = beat.deployment.store
    now = store.now_ms()
    found = [
        Pause(**{"id": f"p{n}", "tag": "a=b", "until_ms": now - n * 1000, "resumed_by": "ops", **fields})
        for n in range(MOST)
    ]
    store.client.delete(store.keys.pauses)
    store.client.hset(store.keys.pauses, mapping={one.id: msgspec.json.encode(one) for one in found})


def test_pauses_that_have_ended_make_room_the_oldest_first(beat: Beat) -> None:
    fill(beat)
    made = beat.client.maintenance.pause(tag="a=c")

    left = {one.id for one in beat.deployment.pauses.all()}
    assert left == {f"p{n}" for n in range(MOST - DROPPED)} | {made.id}


def test_pauses_into_which_an_owed_due_time_falls_stay_and_those_in_force_make_no_room(beat: Beat) -> None:
    fill(beat)
    save(beat, "late")
    store = beat.deployment.store
    due_ms = store.now_ms() - (MOST - 10) * 1000
    store.client.zadd(store.keys.schedule, {store.keys.entry("late"): score_of(due_ms)})
    beat.client.maintenance.pause(tag="a=c")
    assert MOST - 12 < len(beat.deployment.pauses.all()) < MOST - 5, "what ended before that due time is gone"

    fill(beat, until_ms=None)
    with pytest.raises(ConflictError, match="there are 1000 pauses already"):
        beat.client.maintenance.pause(tag="a=d")


def test_a_job_that_cannot_pause_itself_is_seen_off_all_the_same(beat: Beat, caplog: pytest.LogCaptureFixture) -> None:
    save(beat, "backup", pause_after=1)
    fill(beat, until_ms=None)
    with caplog.at_level(logging.ERROR):
        beat.ends("backup", success=False)
    assert "job backup cannot be paused after 1 failures in a row: there are 1000 pauses already" in caplog.messages
    assert "cannot be seen off" not in caplog.text


def test_pauses_that_ended_long_ago_are_forgotten(beat: Beat) -> None:
    now = beat.deployment.store.now_ms()
    old = beat.client.maintenance.pause(tag="a=b")
    beat.deployment.pauses.put(structs.replace(old, from_ms=0, until_ms=now - 8 * 86_400_000))
    beat.client.maintenance.pause(tag="a=c")
    assert [one.tag for one in beat.client.maintenance.pauses(ended=True)] == ["a=c"]
