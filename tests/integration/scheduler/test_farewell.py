"""What has ended is seen off: once, in the state it has then, and whatever else stands beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from dkronpy.store.ended import Seen, let_go, read_ended
from tests.integration.scheduler.site import Site
from tests.support import StoreServer

LONG_AFTER_MS = 60_000


@pytest.fixture
def site(store: redis.Redis, store_server: StoreServer) -> Iterator[Site]:
    with Site(store_server.url) as site:
        yield site


def listed(site: Site) -> list[str]:
    """The runs that wait to be seen off."""
    found = read_ended(site.deployment.store, site.deployment.store.now_ms() + LONG_AFTER_MS, 100)
    return [one.id for one in found]


def test_a_run_that_is_amended_while_it_is_seen_off_is_looked_at_again(site: Site) -> None:
    site.save("extract")
    site.save("load", schedule="", after=("extract",))
    store, ledger = site.deployment.store, site.deployment.ledger
    run = site.client.run_job("extract").run.id
    claim = site.claim(run)
    site.reap(run)
    read = read_ended(store, store.now_ms() + LONG_AFTER_MS, 100)
    assert [(one.id, one.state, one.followed) for one in read] == [(run, "lost", True)]

    ledger.finish(claim.execution.id, claim.token, success=True)
    let_go(store, [Seen(run=one) for one in read])

    assert listed(site) == [run], "what beat saw is not what became of it"
    site.see_off()
    assert listed(site) == []
    assert [one.trigger for one in ledger.recent_runs("load")] == ["chained"]
    kept = site.deployment.results.run(run)
    assert kept is not None
    assert kept.state == "success"


def test_a_run_that_the_ledger_has_forgotten_is_not_looked_at_again(site: Site) -> None:
    site.save("steady")
    run = site.client.run_job("steady").run.id
    claim, store = site.claim(run), site.deployment.store
    site.deployment.ledger.finish(claim.execution.id, claim.token, success=True)
    store.client.delete(store.keys.run(run), store.keys.execution(f"{run}.0"))
    assert listed(site) == [run]
    site.see_off()
    assert listed(site) == []
    assert site.deployment.results.run(run) is None


def test_an_entry_of_another_kind_stops_no_others(site: Site) -> None:
    site.save("broken")
    site.save("steady", ephemeral=True)
    runs = [site.client.run_job(name).run.id for name in ("broken", "steady")]
    store = site.deployment.store
    claims = [site.claim(run) for run in runs]
    store.client.delete(store.keys.entry("broken"))
    store.client.set(store.keys.entry("broken"), "no hash")
    try:
        for claim in claims:
            site.deployment.ledger.finish(claim.execution.id, claim.token, success=True)
        site.see_off()
    finally:
        store.client.delete(store.keys.entry("broken"))
    assert listed(site) == []
    assert site.deployment.jobs.names() == ["broken"], "the other one is ephemeral, and gone"


def test_what_its_agent_has_not_filed_is_filed_with_its_output(site: Site) -> None:
    site.save("steady")
    run = site.client.run_job("steady").run.id
    claim, store = site.claim(run), site.deployment.store
    site.deployment.ledger.finish(claim.execution.id, claim.token, success=True)
    site.farewell.run(store.now_ms(), site.nodes)
    assert listed(site) == [run], "its agent may still be about to do that"
    assert site.deployment.results.run(run) is None
    site.see_off()
    assert listed(site) == []
    assert site.deployment.results.run(run) == site.deployment.ledger.run(run)
    assert site.deployment.results.execution(f"{run}.0") is not None
