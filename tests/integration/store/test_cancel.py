"""``cancel``: what waits ends here, what runs is told, and what became of an attempt stays what it was."""

from __future__ import annotations

from tests.integration.store.plans import Desk
from tests.support import wait_until


def test_what_waits_is_skipped(desk: Desk) -> None:
    (name,) = desk.queued()

    assert desk.ledger.cancel([name], "ann") == ["ended"]

    execution = desk.ledger.execution(name)
    assert execution is not None
    assert (execution.state, execution.reason, execution.message) == ("skipped", "cancelled", "cancelled by ann")


def test_what_runs_is_flagged_and_its_node_told(desk: Desk) -> None:
    claim = desk.claimed(max_attempts=2)
    subscription = desk.store.client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(desk.store.keys.control("web1"))
    subscription.get_message(timeout=5)

    assert desk.ledger.cancel([claim.execution.id], "ann") == ["told"]

    told = wait_until(lambda: subscription.get_message(timeout=0.1), description="the node is told")
    assert told["data"] == b"cancel " + claim.execution.id.encode()
    subscription.close()
    answer = desk.ledger.finish(claim.execution.id, claim.token, success=False, reason="cancelled", pause_ms=0)
    assert answer == ("closed", "failed"), "no further attempt"


def test_what_waits_for_a_retry_has_failed(desk: Desk) -> None:
    claim = desk.claimed(max_attempts=2)
    desk.ledger.finish(claim.execution.id, claim.token, success=False, reason="exit", pause_ms=60_000)

    assert desk.ledger.cancel([claim.execution.id], "ann") == ["ended"]
    assert desk.state(claim.execution.id) == ("failed", "cancelled")


def test_what_a_node_left_behind_stays_lost(desk: Desk) -> None:
    """Nobody knows whether the first attempt did the work: cancelling the second does not make it a failure."""
    desk.lead()
    claim = desk.claimed(mode="at_least_once", max_attempts=2)
    desk.look_now(claim.execution.id)
    desk.reap()

    assert desk.ledger.cancel([claim.execution.id], "ann") == ["ended"]
    assert desk.state(claim.execution.id) == ("lost", "lease_expired")
    assert desk.ledger.finish(claim.execution.id, claim.token, success=True) == ("amended", "success")


def test_what_has_ended_or_is_gone_says_so(desk: Desk) -> None:
    claim = desk.claimed()
    desk.ledger.finish(claim.execution.id, claim.token, success=True)

    assert desk.ledger.cancel([claim.execution.id, "no-such"], "ann") == ["success", "gone"]
