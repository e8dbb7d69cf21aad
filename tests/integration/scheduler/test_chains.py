"""Chains on a real store: who is fired when parents end, what is never fired, and a chain that is run again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis

from dkronpy.client import Client
from dkronpy.dispatch.courier import NoCourier
from dkronpy.dispatch.targets import Planner
from dkronpy.errors import ConflictError, InvalidError, NotFoundError
from dkronpy.job import Job, Run
from dkronpy.node import Node
from dkronpy.scheduler.chains import Chains
from dkronpy.scheduler.farewell import Farewell
from dkronpy.settings import Settings
from dkronpy.store.ledger import Claim
from tests.support import StoreServer

NODE = Node(name="n1", instance="n1")


class Site:
    """A client, a leader that sees runs off, and a node that ends what a test tells it to."""

    def __init__(self, url: str) -> None:
        self.client = Client(Settings(store_url=url), who="test")
        self.deployment = self.client.deployment
        planner = Planner(NoCourier(), random.Random(1), fired_by="test")
        parts = (self.deployment.store, self.deployment.ledger, self.deployment.jobs, self.deployment.results)
        self.farewell = Farewell(*parts, Chains(*parts, planner), retention=timedelta(days=1), keep=100)
        self.deployment.nodes.report(NODE)

    def save(self, name: str, **fields: Any) -> None:
        schedule = {} if "after" in fields else {"schedule": "@manually"}
        self.client.save_job(Job(name=name, run=Run("shell", {"command": "true"}), **{**schedule, **fields}))

    def end(self, run_id: str, *, success: bool = True, result: str = "") -> None:
        """The node runs a run's only execution, and reports."""
        claim = self.deployment.ledger.claim(f"{run_id}.0", 1, "n1", "n1", 60_000)
        assert isinstance(claim, Claim), claim
        self.deployment.ledger.finish(
            f"{run_id}.0", claim.token, success=success, reason="" if success else "exit", result=result
        )
        self.see_off()

    def see_off(self) -> None:
        """The leader looks at what has ended, until nothing more comes of it."""
        for _ in range(5):
            self.farewell.run(self.deployment.store.now_ms() + 60_000, [NODE])

    def states(self, tail: str, *names: str) -> dict[str, str]:
        """What became of jobs in a chain; of those that have a run in it."""
        found = {name: self.deployment.ledger.run(f"{name}@{tail}") for name in names}
        return {name: f"{run.state} {run.reason}".strip() for name, run in found.items() if run is not None}


@pytest.fixture
def site(store: redis.Redis, store_server: StoreServer) -> Iterator[Site]:
    site = Site(store_server.url)
    yield site
    waiting = [name.decode() for name in site.deployment.store.client.zrange(site.deployment.store.keys.open, 0, -1)]
    site.deployment.ledger.cancel(waiting, "the end of the test")
    site.client.close()


def start(site: Site, job: str) -> str:
    """Start a job by hand; the tail of its chain."""
    return site.client.run_job(job).run.id.partition("@")[2]


def test_several_parents_meet_once_and_the_failed_branch_says_so(site: Site) -> None:
    site.save("root")
    site.save("left", after="root")
    site.save("right", after="root")
    site.save("both", after=["left", "right"])
    site.save("alarm", after={"left": "failure", "right": "failure"}, join="any")
    site.save("clean", after={"left": "any", "right": "any"})
    site.save("last", after="both")
    tail = start(site, "root")
    site.end(f"root@{tail}")
    assert site.states(tail, "left", "right", "both") == {"left": "running", "right": "running"}
    site.end(f"left@{tail}")
    assert site.states(tail, "both", "alarm", "clean") == {}
    site.end(f"right@{tail}", success=False)
    assert site.states(tail, "both", "alarm", "clean", "last") == {
        "both": "skipped parent_failed", "alarm": "running", "clean": "running", "last": "skipped parent_failed",
    }  # fmt: skip
    both = site.deployment.ledger.run(f"both@{tail}")
    assert both is not None
    assert both.message == "right ended as failed (exit), and success was wanted"


def test_a_chain_is_run_again_from_what_failed_on_and_keeps_what_succeeded(site: Site) -> None:
    site.save("extract")
    site.save("other")
    site.save("load", after="extract")
    site.save("report", after="load")
    tail = start(site, "extract")
    site.end(f"extract@{tail}")
    with pytest.raises(ConflictError, match=rf"load@{tail} is still open"):
        site.client.rerun(f"extract@{tail}")
    site.end(f"load@{tail}", success=False)
    tree = site.client.run_tree(f"report@{tail}")
    assert [(link.job, link.run and link.run.state) for link in tree] == [
        ("extract", "success"), ("load", "failed"), ("report", "skipped"),
    ]  # fmt: skip
    (again,) = site.client.rerun(f"report@{tail}", by="ann")
    assert (again.run.id, again.run.fired_by) == (f"load@{tail}-r1", "ann")
    assert again.run.message == f"again after load@{tail}"
    site.end(again.run.id, success=False)
    (third,) = site.client.rerun(f"load@{tail}")
    assert third.run.id == f"load@{tail}-r2"
    site.end(third.run.id)
    site.end(f"report@{tail}-r2")
    assert [link.run and link.run.id for link in site.client.run_tree(f"extract@{tail}")] == [
        f"extract@{tail}", f"load@{tail}-r2", f"report@{tail}-r2",
    ]  # fmt: skip
    with pytest.raises(ConflictError, match="nothing failed"):
        site.client.rerun(f"extract@{tail}")
    with pytest.raises(NotFoundError, match="'other' has no run"):
        site.client.rerun(f"report@{tail}-r2", start="other")
    (whole,) = site.client.rerun(f"report@{tail}", start="extract")
    assert whole.run.id == f"extract@{tail}-r3"


def test_a_run_that_is_not_there_has_no_tree(site: Site) -> None:
    with pytest.raises(NotFoundError, match="there is no run 'x@y'"):
        site.client.run_tree("x@y")


def test_a_job_that_is_disabled_or_over_does_not_follow(site: Site) -> None:
    site.save("root")
    site.save("off", after="root", enabled=False)
    site.save("over", after="root", expires_at="2020-01-01T00:00:00Z")
    site.save("later", after="root", starts_at="2999-01-01T00:00:00Z")
    tail = start(site, "root")
    site.end(f"root@{tail}")
    assert site.states(tail, "off", "over", "later") == {}


def test_a_job_with_parents_is_never_due_by_itself(site: Site) -> None:
    site.save("root")
    site.save("child", after="root", schedule="* * * * *")
    assert site.client.job("child").stored.due_ms is None
    site.save("child", schedule="* * * * *")
    assert site.client.job("child").stored.due_ms is not None
    site.save("child", after="root", schedule="* * * * *")
    assert site.client.job("child").stored.due_ms is None


def test_jobs_that_would_wait_for_one_another_are_refused_and_nothing_is_stored(site: Site) -> None:
    site.save("a")
    site.save("b", after="a")
    site.save("c", after="b")
    with pytest.raises(InvalidError, match="the jobs would wait for one another: a after c after b after a"):
        site.save("a", after="c")
    assert site.client.job("a").job.after == ()
    assert site.client.job("c").state.dependent_jobs == ()
    site.save("c")
    site.save("a", after="c")
    assert site.client.job("c").state.dependent_jobs == ("a",)


def test_an_ephemeral_job_that_others_follow_stays(site: Site) -> None:
    site.save("once", ephemeral=True)
    site.save("parent", ephemeral=True)
    site.save("child", after="parent")
    for name in ("once", "parent"):
        site.end(f"{name}@{start(site, name)}")
    assert [view.job.name for view in site.client.jobs()] == ["child", "parent"]
