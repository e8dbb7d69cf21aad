"""Chains on a real store: who is fired when parents end, what is never fired, and a chain that is run again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import redis

from dkronpy.errors import ConflictError, InvalidError, NotFoundError
from dkronpy.scheduler.farewell import AGENT_GRACE_MS
from dkronpy.store.jobs import StoredJob
from tests.integration.scheduler.site import Site
from tests.support import StoreServer


@pytest.fixture
def site(store: redis.Redis, store_server: StoreServer) -> Iterator[Site]:
    with Site(store_server.url) as site:
        yield site


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


def test_the_values_of_a_run_say_with_whom_it_counts(site: Site) -> None:
    site.save("sync", concurrency="forbid", concurrency_key="{{ params.customer }}", params={"customer": "acme"})

    def state(**params: str) -> str:
        return site.client.run_job("sync", params=params).run.state

    assert [state(customer="b"), state(), state(customer="c")] == ["running"] * 3
    assert [state(customer="acme"), state(), state(customer="c")] == ["skipped"] * 3
    run = next(run for run in site.client.runs(job="sync") if run.message == "with customer=b")
    site.end(run.id)
    assert state(customer="b") == "running"


def test_what_is_run_again_is_given_what_it_was_given(site: Site) -> None:
    site.save("load", params={"day": "monday", "full": False})
    run = site.client.run_job("load", params={"day": "friday"}).run.id
    site.end(run, success=False)

    (again,) = site.client.rerun(run)

    assert again.run.params == '{"day":"friday"}'
    claim = site.claim(again.run.id)
    assert claim.extra == {"params": '{"day":"friday"}'}
    site.deployment.ledger.finish(claim.execution.id, claim.token, success=False, reason="exit")
    site.see_off()
    site.save("load", params={"full": False})
    with pytest.raises(InvalidError, match="there is no parameter 'day'"):
        site.client.rerun(run)


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


@pytest.mark.parametrize("saves", [1, 4])
def test_a_child_that_is_saved_while_its_parent_is_seen_off_runs_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    site.save("root")
    site.save("child", after="root")
    tail = start(site, "root")
    read, versions = site.deployment.jobs.many, iter(range(saves))

    def many(names: Sequence[str]) -> list[StoredJob]:
        found = read(names)
        if "child" in names and (version := next(versions, None)) is not None:
            site.save("child", after="root", doc=f"version {version}")
        return found

    monkeypatch.setattr(site.farewell.chains.jobs, "many", many)
    site.end(f"root@{tail}")
    for wait_ms in (AGENT_GRACE_MS, 2 * AGENT_GRACE_MS, 3 * AGENT_GRACE_MS, 4 * AGENT_GRACE_MS):
        site.farewell.run(site.deployment.store.now_ms() + wait_ms, site.nodes)

    assert site.states(tail, "child") == {"child": "running"}
    (run,) = site.deployment.ledger.recent_runs("child")
    assert run.revision == site.client.job("child").stored.revision
    site.end(run.id)
    assert len(site.deployment.ledger.recent_runs("child")) == 1


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
