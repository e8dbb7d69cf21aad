"""What has ended is seen off: once, in the state it has then, and whatever else stands beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from dkronpy.scheduler.chains import SupersededError
from dkronpy.scheduler.farewell import AGENT_GRACE_MS
from dkronpy.store.ended import Seen, let_go, read_ended
from tests.integration.scheduler.site import LEASE_MS, Site
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


def test_what_follows_is_started_while_the_results_are_away_and_what_ended_is_filed_afterwards(
    store: redis.Redis, store_server: StoreServer, tmp_path: Path
) -> None:
    path = tmp_path / "results.db"
    with Site(store_server.url, results_url=f"sqlite:///{path}?timeout=0.1") as site:
        site.deployment.results.ping()
        site.save("extract")
        site.save("load", after="extract")
        run = site.client.run_job("extract").run.id
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            site.end(run)
            site.farewell.forget(site.deployment.store.now_ms())

        (child,) = site.deployment.ledger.recent_runs("load")
        assert child.trigger == "chained"
        assert site.deployment.results.run(run) is None
        site.farewell.run(site.deployment.store.now_ms() + LONG_AFTER_MS + AGENT_GRACE_MS, site.nodes)
        kept = site.deployment.results.run(run)
        assert kept is not None
        assert kept.state == "success"
        assert len(site.deployment.ledger.recent_runs("load")) == 1


def test_a_beat_that_leads_no_longer_starts_nothing_that_follows(site: Site) -> None:
    site.save("extract")
    site.save("load", after="extract")
    run = site.client.run_job("extract").run.id
    claim, ledger, store = site.claim(run), site.deployment.ledger, site.deployment.store
    ledger.finish(claim.execution.id, claim.token, success=True)
    ledger.lead("test", 1, release=True)
    epoch = ledger.lead("another", LEASE_MS).epoch

    with pytest.raises(SupersededError, match="Another beat leads by now"):
        site.farewell.run(store.now_ms() + LONG_AFTER_MS, site.nodes, site.epoch)
    assert ledger.recent_runs("load") == []
    assert listed(site) == [run], "whoever leads sees it off"
    site.farewell.run(store.now_ms() + LONG_AFTER_MS, site.nodes, epoch)
    assert len(ledger.recent_runs("load")) == 1


def test_a_beat_that_knows_that_it_leads_no_longer_ends_its_pass(site: Site) -> None:
    site.save("once", ephemeral=True)
    site.farewell.leading = lambda epoch: epoch != site.epoch
    run = site.client.run_job("once").run.id
    claim = site.claim(run)
    site.deployment.ledger.finish(claim.execution.id, claim.token, success=True)

    with pytest.raises(SupersededError):
        site.farewell.run(site.deployment.store.now_ms() + LONG_AFTER_MS, site.nodes, site.epoch)
    assert site.deployment.jobs.names() == ["once"]
    site.see_off()
    assert site.deployment.jobs.names() == []
