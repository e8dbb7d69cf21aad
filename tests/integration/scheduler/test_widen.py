"""A broadcast that matched nobody when it was fired, on a real store: whom it waits for, and whom it runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from dkronpy.node import all_nodes, any_node
from tests.integration.scheduler.site import Site
from tests.support import StoreServer


@pytest.fixture
def site(store: redis.Redis, store_server: StoreServer) -> Iterator[Site]:
    with Site(store_server.url) as site:
        yield site


def waiting(site: Site) -> str:
    """A run of ``job`` that has found nobody."""
    run = site.client.run_job("job").run.id
    site.sweep()
    assert [(one.node, one.delivery) for one in site.client.run(run).executions] == [("", 0)]
    return run


def arrive(site: Site, *names: str) -> None:
    """Nodes with the tag that ``job`` wants come up, and the leader looks twice: whom it found, and sending to them."""
    for name in names:
        site.node(name, tags={"role": "web"})
    site.sweep()
    site.sweep()


def placed(site: Site, run: str) -> list[tuple[str, int, str]]:
    return [(one.node, one.delivery, one.message) for one in site.client.run(run).executions]


def test_it_runs_on_all_that_are_there_and_not_on_those_that_come_later(site: Site) -> None:
    site.save("job", on=all_nodes(role="web"), concurrency="forbid")
    run = waiting(site)
    arrive(site, "w1", "w2")
    arrive(site, "w3")
    assert [node for node, _, _ in placed(site, run)] == ["w1", "w2"]
    assert site.client.run_job("job").run.reason == "overlap"
    site.end(run, index=0)
    assert site.client.run(run).run.state == "running"
    site.end(run, index=1)
    assert site.client.run(run).run.state == "success"


def test_a_rolling_one_goes_on_node_by_node(site: Site) -> None:
    site.save("job", on=all_nodes(role="web", rolling=1))
    run = waiting(site)
    arrive(site, "w1", "w2")
    held = "waits for its turn in the rolling run"
    assert placed(site, run) == [("w1", 1, ""), ("w2", 0, held)]
    site.end(run, index=0)
    site.sweep()
    assert placed(site, run)[1] == ("w2", 1, "")
    site.end(run, index=1)
    assert site.client.run(run).run.state == "success"


def test_a_job_that_was_changed_meanwhile_is_placed_as_it_is_now(site: Site) -> None:
    site.save("job", on=all_nodes(role="web"))
    run = waiting(site)
    site.save("job", on=any_node(role="web"))
    arrive(site, "w1", "w2")
    ((node, _, _),) = placed(site, run)
    assert node in ("w1", "w2")
    site.end(run)


def test_one_that_was_deleted_or_cancelled_meanwhile_is_placed_nowhere(site: Site) -> None:
    site.save("job", on=all_nodes(role="web"))
    cancelled, orphan = waiting(site), waiting(site)
    site.client.cancel_run(cancelled)
    site.client.delete_job("job")
    arrive(site, "w1")
    assert [one.state for one in site.client.run(cancelled).executions] == ["skipped"]
    assert [(one.node, one.state) for one in site.client.run(orphan).executions] == [("", "queued")]
