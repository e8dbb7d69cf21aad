"""What becomes of a job's runs in Dkron, statement by statement, and that the same happens here, on a real store.

The numbers are those of ``test_dkron_semantics.py``: 1.3 upsert, 1.5 status, 1.6 next, 2.7 bounds, 3.3 no node, 3.4
groups, 4 the life of runs. What needs an agent is in ``test_dkron_nodes.py``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import redis

from dkronpy.dispatch.courier import NoCourier
from dkronpy.dispatch.targets import Planner
from dkronpy.errors import InvalidError
from dkronpy.scheduler.due import DueReader
from dkronpy.store.quarantine import Quarantine
from dkronpy.store.redbeat import score_of
from tests.conformance.test_dkron_semantics import given
from tests.integration.scheduler.site import Site
from tests.support import StoreServer


@pytest.fixture
def site(store: redis.Redis, store_server: StoreServer) -> Iterator[Site]:
    with Site(store_server.url) as site:
        yield site


def start(site: Site, job: str) -> str:
    """Start a job by hand; the tail of its chain."""
    return site.client.run_job(job).run.id.partition("@")[2]


def status(site: Site, job: str) -> tuple[str, int, int]:
    state = site.client.job(job).state
    return state.status, state.success_count, state.error_count


def test_1_3_saving_again_replaces_all_that_is_said_and_nothing_that_happened(site: Site) -> None:
    site.save_json(given(name="job", disabled=True, retries=3, metadata={"team": "bi"}, owner="me"))
    site.end(f"job@{start(site, 'job')}", success=False)
    site.save_json(given(name="job"))
    job = site.client.job("job").job
    assert (job.enabled, job.max_attempts, job.metadata, job.owner) == (True, 1, {}, "")
    assert status(site, "job") == ("failed", 0, 1)


def test_1_3_next_changes_with_the_text_of_the_schedule_and_not_otherwise(site: Site) -> None:
    def due_after(**fields: object) -> int | None:
        site.save_json(given(name="job", **fields))
        return site.client.job("job").stored.due_ms

    first = due_after(schedule="@every 1h")
    assert first is not None
    assert due_after(schedule="@every 1h", owner="me") == first
    assert (
        due_after(schedule="@every 2h") == first + 3_600_000
    )  # the phase is that of its first save; in Dkron it is lost


def test_1_3_a_child_that_gets_another_parent_is_on_one_list(site: Site) -> None:
    for name in ("one", "two"):
        site.save(name)
    site.save("child", after="one")
    site.save("child", after="two")
    assert site.client.job("one").state.dependent_jobs == ()
    assert site.client.job("two").state.dependent_jobs == ("child",)
    site.save("child")
    assert site.client.job("two").state.dependent_jobs == ()


def test_1_5_status_is_that_of_the_last_run(site: Site) -> None:
    site.save("job")
    assert status(site, "job") == ("", 0, 0)
    site.end(f"job@{start(site, 'job')}")
    assert status(site, "job") == ("success", 1, 0)
    site.end(f"job@{start(site, 'job')}", success=False)
    assert status(site, "job") == ("failed", 1, 1)


def test_1_5_some_nodes_of_several_that_fail_make_it_partially_failed(site: Site) -> None:
    site.node("n2")
    site.save_json(given(name="job"))
    tail = start(site, "job")
    site.end(f"job@{tail}", index=0)
    site.end(f"job@{tail}", index=1, success=False)
    assert status(site, "job") == ("partially_failed", 1, 1)


def test_1_5_a_run_that_goes_on_settles_nothing_yet(site: Site) -> None:
    # Dkron counts what still runs as failed
    site.node("n2")
    site.save_json(given(name="job"))
    tail = start(site, "job")
    site.end(f"job@{tail}", index=0)
    assert status(site, "job") == ("", 1, 0)
    site.end(f"job@{tail}", index=1)
    assert status(site, "job") == ("success", 2, 0)


def test_1_5_a_retry_that_succeeds_makes_a_success_and_is_followed(site: Site) -> None:
    # in Dkron the failed attempt keeps the run partially_failed for ever, and no child starts
    site.save("parent", retry=1)
    site.save("child", after="parent")
    tail = start(site, "parent")
    site.end(f"parent@{tail}", success=False, pause_ms=0)
    site.retry_now(f"parent@{tail}")
    site.end(f"parent@{tail}", delivery=2)
    assert status(site, "parent")[0] == "success"
    assert site.states(tail, "child") == {"child": "running"}
    execution = site.client.run(f"parent@{tail}").executions[0]
    assert [(one.number, one.state, one.node) for one in execution.attempts] == [
        (1, "failed", "n1"), (2, "success", "n1"),
    ]  # fmt: skip


def test_1_6_next_is_in_the_zone_of_the_job_and_absent_where_nothing_comes(site: Site) -> None:
    site.save("daily", schedule="0 0 9 * * *", timezone="Asia/Tokyo")
    site.save("never", schedule="@manually")
    assert site.client.job("daily").state.next.endswith("T00:00:00Z")
    assert site.client.job("never").state.next == "0001-01-01T00:00:00Z"


def test_1_6_next_is_that_of_the_schedule_within_its_bounds_and_gone_with_the_switch(site: Site) -> None:
    # Dkron shows the bound itself, and a next for a job that is disabled or over
    site.save("later", schedule="0 0 9 * * *", starts_at="2031-05-01T12:00:00Z")
    site.save("over", schedule="@hourly", starts_at="2020-01-01T00:00:00Z", expires_at="2020-02-01T00:00:00Z")
    site.save("off", schedule="@hourly", enabled=False)
    assert site.client.job("later").state.next == "2031-05-02T09:00:00Z"
    assert [site.client.job(name).state.next for name in ("over", "off")] == ["0001-01-01T00:00:00Z"] * 2


def test_2_7_bounds_are_for_the_schedule_and_not_for_people(site: Site) -> None:
    site.save("early", schedule="@hourly", starts_at="2031-05-01T12:00:00Z")
    site.save("over", schedule="@hourly", starts_at="2020-01-01T00:00:00Z", expires_at="2020-02-01T00:00:00Z")
    assert site.states(start(site, "early"), "early") == {"early": "running"}
    assert site.states(start(site, "over"), "over") == {"over": "running"}


def test_3_3_nobody_there_leaves_a_record(site: Site) -> None:
    # Dkron has a line in a log for it
    site.save_json(given(name="gpu", tags={"role": "gpu"}))
    view = site.client.run_job("gpu")
    assert (view.run.state, [(one.state, one.node) for one in view.executions]) == ("running", [("queued", "")])
    assert view.executions[0].message == "no live node matches its targets: role=gpu"
    store = site.deployment.store
    store.client.hset(store.keys.execution(f"{view.run.id}.0"), "start_by_ms", 1)  # its start deadline passes
    site.sweep()
    run = site.client.run(view.run.id).run
    assert (run.state, run.reason) == ("skipped", "no_live_node")


def test_3_3_who_comes_before_the_deadline_has_the_run_everyone(site: Site) -> None:
    site.save_json(given(name="gpu", tags={"role": "gpu"}))
    run = site.client.run_job("gpu").run.id
    site.sweep()
    assert [one.node for one in site.client.run(run).executions] == [""]
    for name in ("g1", "g2"):
        site.node(name, tags={"role": "gpu"})
    site.sweep()
    site.sweep()
    assert [(one.node, one.state, one.delivery) for one in site.client.run(run).executions] == [
        ("g1", "queued", 1), ("g2", "queued", 1),
    ]  # fmt: skip
    for index in (0, 1):
        site.end(run, index=index)
    assert status(site, "gpu") == ("success", 2, 0)


def test_3_4_all_nodes_of_a_run_share_it(site: Site) -> None:
    site.node("n2")
    site.save_json(given(name="job"))
    view = site.client.run_job("job")
    assert {one.run_id for one in view.executions} == {view.run.id}
    assert {one.node for one in view.executions} == {"n1", "n2"}


def test_4_1_forbid_skips_while_one_is_open_and_allow_does_not(site: Site) -> None:
    site.save("forbid", concurrency="forbid")
    site.save("allow")
    for name, second in (("forbid", "skipped overlap"), ("allow", "running")):
        start(site, name)
        assert site.states(start(site, name), name) == {name: second}


def test_4_1_nothing_that_died_is_in_the_way_for_ever(site: Site) -> None:
    # Dkron needs four hours to see that a forbidding job is stale; here the lease says so
    site.save("job", concurrency="forbid")
    tail = start(site, "job")
    site.lose(f"job@{tail}")
    assert site.states(tail, "job") == {"job": "lost lease_expired"}
    assert site.states(start(site, "job"), "job") == {"job": "running"}


@pytest.mark.unbounded_keys("its run is still under way at the end")
def test_4_2_what_a_node_has_begun_is_seen_as_running_there(site: Site) -> None:
    site.save("job")
    run = f"job@{start(site, 'job')}"
    before = site.deployment.store.now_ms()
    site.claim(run)
    view = site.client.run(run)
    (execution,) = view.executions
    assert (view.run.state, execution.state, execution.node, execution.attempt) == ("running", "running", "n1", 1)
    assert execution.attempts[0].started_ms >= before


@pytest.mark.unbounded_keys("its run is still under way at the end")
def test_4_2_a_message_that_comes_twice_starts_nothing_twice(site: Site) -> None:
    # in Dkron a connection that breaks after the start has the job dispatched a second time
    site.save("job")
    run = f"job@{start(site, 'job')}"
    site.claim(run)
    assert site.deployment.ledger.claim(f"{run}.0", 1, "n1", "n1", 60_000) == "is running"


def test_4_3_as_much_output_is_kept_as_there() -> None:
    assert given().output_limit == 256_000


def test_4_4_a_report_that_comes_twice_counts_once(site: Site) -> None:
    site.save("job")
    claim = site.claim(f"job@{start(site, 'job')}")
    reports = [site.deployment.ledger.finish(claim.execution.id, claim.token, success=True) for _ in range(2)]
    assert reports == [("closed", "success"), ("again", "")]
    assert status(site, "job") == ("success", 1, 0)


def test_4_4_what_runs_when_its_job_is_deleted_ends_on_record(site: Site) -> None:
    # Dkron refuses the result
    site.save("job")
    tail = start(site, "job")
    site.client.delete_job("job")
    site.end(f"job@{tail}")
    assert site.states(tail, "job") == {"job": "success"}


def test_4_5_what_runs_goes_on_under_another_leader_and_is_followed(site: Site) -> None:
    site.save("parent")
    site.save("child", after="parent")
    tail = start(site, "parent")
    claim = site.claim(f"parent@{tail}")
    site.deployment.store.client.delete(site.deployment.store.keys.leader)
    lead = site.deployment.ledger.lead("another", 60_000)
    assert lead.leading
    assert lead.epoch > site.epoch
    assert site.deployment.ledger.finish(claim.execution.id, claim.token, success=True) == ("closed", "success")
    site.see_off()
    assert site.states(tail, "parent", "child") == {"parent": "success", "child": "running"}


def test_4_5_a_node_that_dies_leaves_a_record_and_starts_no_child(site: Site) -> None:
    site.save("parent")
    site.save("child", after="parent")
    tail = start(site, "parent")
    site.lose(f"parent@{tail}")
    assert site.states(tail, "parent") == {"parent": "lost lease_expired"}
    (execution,) = site.client.run(f"parent@{tail}").executions
    assert execution.message == "node n1 stopped reporting"
    child = site.deployment.ledger.run(f"child@{tail}")
    assert child is None or child.state == "skipped"


def test_4_4_retries_are_attempts_of_the_same_run_on_the_same_node(site: Site) -> None:
    site.save("job", retry=2)
    tail = start(site, "job")
    for number in (1, 2, 3):
        site.end(f"job@{tail}", success=False, pause_ms=0, delivery=number)
        if number < 3:
            site.retry_now(f"job@{tail}")
    execution = site.client.run(f"job@{tail}").executions[0]
    assert (execution.state, len(execution.attempts)) == ("failed", 3)
    assert {one.node for one in execution.attempts} == {"n1"}


def test_4_5_a_new_leader_makes_up_for_what_nobody_served(site: Site) -> None:
    # Dkron begins with the moment at which it is elected
    site.save("job", schedule="* * * * *")
    store, now_ms = site.deployment.store, site.deployment.store.now_ms()
    latest = now_ms // 60_000 * 60_000
    missed = latest - 300_000
    store.client.zadd(store.keys.schedule, {store.keys.entry("job"): score_of(missed)})
    planner = Planner(NoCourier(), random.Random(1), fired_by="test")
    reader = DueReader(store, site.deployment.ledger, NoCourier(), planner, Quarantine(store), batch=100)
    reader.fire(site.epoch, now_ms, site.nodes)
    runs = {run.due_ms: run.state for run in site.deployment.ledger.recent_runs(job="job")}
    assert runs.pop(latest) == "running"
    assert set(runs.values()) == {"skipped"}
    assert min(runs) == missed  # of all there is a record


def test_4_6_a_disabled_job_is_not_due_and_what_runs_goes_on(site: Site) -> None:
    site.save("job", schedule="@hourly")
    tail = start(site, "job")
    site.client.toggle_job("job")
    assert site.client.job("job").stored.due_ms is None
    site.end(f"job@{tail}")
    assert status(site, "job")[0] == "success"
    site.client.toggle_job("job")
    assert site.client.job("job").stored.due_ms is not None


def test_4_7_an_ephemeral_job_goes_with_its_first_success(site: Site) -> None:
    site.save("once", ephemeral=True)
    site.end(f"once@{start(site, 'once')}", success=False)
    assert [view.job.name for view in site.client.jobs()] == ["once"]
    site.end(f"once@{start(site, 'once')}")
    assert site.client.jobs() == []


def test_4_7_an_ephemeral_job_goes_with_a_retry_that_succeeds_and_stays_for_its_children(site: Site) -> None:
    # in Dkron the first holds it for ever
    site.save("once", ephemeral=True, retry=1)
    site.save("parent", ephemeral=True)
    site.save("child", after="parent")
    tail = start(site, "once")
    site.end(f"once@{tail}", success=False, pause_ms=0)
    site.retry_now(f"once@{tail}")
    site.end(f"once@{tail}", delivery=2)
    tail = start(site, "parent")
    site.end(f"parent@{tail}")
    assert [view.job.name for view in site.client.jobs()] == ["child", "parent"]
    assert site.states(tail, "child") == {"child": "running"}


def test_4_8_who_is_deleted_is_on_no_list(site: Site) -> None:
    site.save("parent")
    site.save("child", after="parent")
    site.client.delete_job("child")
    assert site.client.job("parent").state.dependent_jobs == ()


def test_4_8_a_child_is_never_due_by_itself_and_its_schedule_may_be_empty(site: Site) -> None:
    site.save("parent")
    site.save_json(given(name="child", parent_job="parent", schedule="* * * * * *"))
    site.save_json(given(name="plain", parent_job="parent", schedule=""))
    assert [site.client.job(name).stored.due_ms for name in ("child", "plain")] == [None, None]
    assert site.client.job("parent").state.dependent_jobs == ("child", "plain")


def test_4_8_children_follow_a_success_by_schedule_or_by_hand_and_nothing_else(site: Site) -> None:
    site.save("parent")
    site.save("child", after="parent")
    site.save("grandchild", after="child")
    tail = start(site, "parent")
    site.end(f"parent@{tail}")
    site.end(f"child@{tail}")
    assert site.states(tail, "child", "grandchild") == {"child": "success", "grandchild": "running"}
    failed = start(site, "parent")
    site.end(f"parent@{failed}", success=False)
    assert site.states(failed, "child") == {"child": "skipped parent_failed"}


def test_4_8_a_child_s_own_bounds_switch_and_overlap_apply(site: Site) -> None:
    site.save("parent")
    site.save("off", after="parent", enabled=False)
    site.save("over", after="parent", expires_at="2020-01-01T00:00:00Z")
    site.save("busy", after="parent", concurrency="forbid")
    first = start(site, "parent")
    site.end(f"parent@{first}")
    second = start(site, "parent")
    site.end(f"parent@{second}")
    assert site.states(first, "off", "over", "busy") == {"busy": "running"}
    assert site.states(second, "off", "over", "busy") == {"busy": "skipped overlap"}


def test_4_8_a_ring_of_parents_is_refused(site: Site) -> None:
    # Dkron stores one, and runs it for ever
    site.save("a")
    site.save("b", after="a")
    with pytest.raises(InvalidError, match="wait for one another"):
        site.save("a", after="b")
