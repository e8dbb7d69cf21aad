"""Beat files runs and forgets old ones by what each job is to keep of its history."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from dkronpy.scheduler.keeping import FRESH_SECONDS, Keeping
from dkronpy.store.ledger import FILED_TTL_MS, RECORD_TTL_MS
from tests.integration.scheduler.site import Site
from tests.support import HandClock, StoreServer


@pytest.fixture
def site(store: redis.Redis, store_server: StoreServer) -> Iterator[Site]:
    with Site(store_server.url) as site:
        yield site


@pytest.fixture
def clock(site: Site) -> HandClock:
    clock, deployment = HandClock(), site.deployment
    site.farewell.keep_of = Keeping(deployment.jobs, deployment.settings, clock)
    return clock


def run(site: Site, name: str, *, success: bool = True) -> str:
    found = site.client.run_job(name).run.id
    site.end(found, success=success)
    return found


@pytest.mark.usefixtures("clock")
def test_a_run_that_is_filed_makes_room_by_what_its_job_says(site: Site) -> None:
    site.save("chatty", history_limit=2, failure_limit=1)
    site.save("steady")
    failed = run(site, "chatty", success=False)
    runs = [run(site, "chatty") for _ in range(4)]
    steady = [run(site, "steady") for _ in range(4)]
    kept = site.deployment.results
    assert {one.id for one in kept.runs(job="chatty")} == {runs[3], runs[2], failed}
    assert {one.id for one in kept.runs(job="steady")} == set(steady)
    assert {one.run.id for one in site.client.history("chatty")} == {runs[3], runs[2], failed}


def test_a_change_is_heeded_soon_also_for_what_is_there(site: Site, clock: HandClock) -> None:
    site.save("steady")
    runs = [run(site, "steady") for _ in range(3)]
    site.save("steady", history_limit=1)
    kept, now = site.deployment.results, site.deployment.store.now_ms()
    site.farewell.forget(now)
    assert len(kept.runs(job="steady")) == 3, "the definition is not read for each run"
    clock.seconds += FRESH_SECONDS
    site.farewell.forget(now + 60_000)
    assert [one.id for one in kept.runs(job="steady")] == runs[2:]


def test_what_is_asked_for_ahead_is_read_once_for_all(site: Site, clock: HandClock) -> None:
    site.save("chatty", history_limit=2)
    site.save("steady")
    keeping = Keeping(site.deployment.jobs, site.deployment.settings, clock)
    usual = site.deployment.settings.history_limit
    keeping.ahead(["chatty", "steady", "gone"])
    site.save("chatty", history_limit=3)
    assert [keeping(job).runs for job in ("chatty", "steady", "gone", "")] == [2, usual, usual, usual]
    clock.seconds += FRESH_SECONDS
    assert keeping("chatty").runs == 3


def test_the_ledger_keeps_what_is_filed_for_minutes_and_what_is_lost_for_days(site: Site) -> None:
    site.save("steady")
    ended = run(site, "steady")
    lost = site.client.run_job("steady").run.id
    site.lose(lost)
    store = site.deployment.store
    records = [store.keys.run(ended), store.keys.execution(f"{ended}.0")]

    assert all(0 < store.client.pttl(name) <= FILED_TTL_MS for name in records)
    assert store.client.pttl(store.keys.run(lost)) > RECORD_TTL_MS
    assert site.client.run(ended).run.state == "success"


def test_the_ledger_keeps_for_hours_what_those_that_follow_may_need(site: Site) -> None:
    site.save("extract")
    site.save("load", schedule="", after=("extract",))
    parent = run(site, "extract")
    site.see_off()
    store = site.deployment.store

    assert store.client.pttl(store.keys.execution(f"{parent}.0")) > FILED_TTL_MS


def test_a_job_pauses_itself_although_the_ledger_has_forgotten_its_earlier_failures(site: Site) -> None:
    site.save("seldom", pause_after=3)
    store = site.deployment.store
    for _ in range(2):
        failed = run(site, "seldom", success=False)
        site.see_off()
        store.client.delete(store.keys.run(failed), store.keys.execution(f"{failed}.0"))
    assert site.client.maintenance.pauses() == []

    run(site, "seldom", success=False)
    site.see_off()

    assert [one.reason for one in site.client.maintenance.pauses()] == ["3 failures in a row"]
