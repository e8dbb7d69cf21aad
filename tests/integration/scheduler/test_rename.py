"""A node of another name gets what the old one was meant to do, also what is being sent to the old one meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from dkronpy.client.rename import rename_node
from dkronpy.node import on_node
from tests.integration.scheduler.site import Site
from tests.support import StoreServer


@pytest.fixture
def site(store: redis.Redis, store_server: StoreServer) -> Iterator[Site]:
    with Site(store_server.url) as site:
        yield site


def test_what_beat_sends_to_the_old_name_meanwhile_goes_to_the_new_one_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.node("old")
    site.node("new")
    site.save("bound", on=on_node("old"))
    run = site.client.run_job("bound").run
    (waiting,) = run.execution_ids
    site.deployment.nodes.leave("old", "old")
    site.deployment.nodes.drain("old", "test")
    ledger, resend, drained_first = site.deployment.ledger, site.deployment.ledger.resend, []

    def beat_is_first(sends: list[tuple[str, int, str, str, bytes, int]]) -> list[int]:
        drained_first.append(next(node.drained for node in site.deployment.nodes.all() if node.name == "new"))
        if len(drained_first) == 1:
            delivery = ledger.executions([waiting])[0].delivery
            assert resend([(waiting, delivery, "old", "", b"", 5000)]) == [1]
        return resend(sends)

    monkeypatch.setattr(ledger, "resend", beat_is_first)
    done = rename_node(site.deployment, "old", "new", by="test")

    assert (done.jobs, done.executions) == (("bound",), 1)
    assert ledger.executions([waiting])[0].node == "new"
    assert drained_first == [True, True], "a drained node's successor takes nothing before it is drained, too"
