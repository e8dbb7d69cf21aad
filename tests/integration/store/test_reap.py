"""``reap`` and ``resend``: what died is closed, what nobody took up is sent again, and no stale reading counts."""

from __future__ import annotations

import pytest

from dkronpy.store.ledger import Claim
from tests.integration.store.plans import QUEUE, SECOND, Desk
from tests.support import wait_until


def lose(desk: Desk, claim: Claim) -> tuple[list[str], int]:
    """The lease of a claim runs out, and the leader looks."""
    desk.look_now(claim.execution.id)
    return desk.reap()


def test_a_lease_that_runs_out_loses_an_at_most_once_execution(desk: Desk) -> None:
    desk.lead()
    claim = desk.claimed(lease_ms=20)

    closed = wait_until(lambda: desk.reap()[1], description="the lease runs out")

    assert closed == 1
    assert desk.state(claim.execution.id) == ("lost", "lease_expired")
    assert desk.counters() == {"lost": 1}


def test_a_lease_that_was_renewed_is_left_alone(desk: Desk) -> None:
    desk.lead()
    claim = desk.claimed(lease_ms=1)
    desk.ledger.renew([(claim.execution.id, claim.token)], 60 * SECOND)

    assert desk.reap() == ([], 0)
    assert desk.state(claim.execution.id)[0] == "running"


def test_retries_of_an_at_most_once_job_are_for_failures_only(desk: Desk) -> None:
    desk.lead()
    claim = desk.claimed(max_attempts=3)

    assert lose(desk, claim) == ([], 1)


def test_an_at_least_once_execution_is_tried_again_until_its_attempts_are_used(desk: Desk) -> None:
    desk.lead()
    first = desk.claimed(mode="at_least_once", max_attempts=2)

    assert lose(desk, first) == ([first.execution.id], 0)
    assert desk.state(first.execution.id)[0] == "queued"
    assert lose(desk, desk.claim(first.execution.id)) == ([], 1)
    assert desk.state(first.execution.id) == ("lost", "attempts_exhausted")


def test_a_cancelled_execution_is_not_tried_again(desk: Desk) -> None:
    desk.lead()
    claim = desk.claimed(mode="at_least_once", max_attempts=2)
    desk.ledger.cancel([claim.execution.id], "ann")

    assert lose(desk, claim) == ([], 1)
    assert desk.state(claim.execution.id) == ("lost", "lease_expired"), "its attempts were not exhausted"


def test_what_nobody_took_up_is_named_for_another_message(desk: Desk) -> None:
    desk.lead()
    (name,) = desk.queued(look_ms=0)

    assert desk.reap() == ([name], 0)
    assert desk.reap() == ([], 0), "not before its next look"


@pytest.mark.parametrize(("node", "reason"), [("web1", "not_started_in_deadline"), ("", "no_live_node")])
def test_what_nobody_took_up_in_time_is_skipped(desk: Desk, node: str, reason: str) -> None:
    desk.lead()
    (name,) = desk.queued(node, look_ms=0, start_by_ms=1)

    assert desk.reap() == ([], 1)
    assert desk.state(name) == ("skipped", reason)
    assert desk.ledger.recent_runs("backup")[0].state == "skipped"


def test_a_further_attempt_that_nobody_takes_up_leaves_the_outcome_of_the_last(desk: Desk) -> None:
    desk.lead()
    failed = desk.claimed(due_ms=60_000, max_attempts=2)
    desk.ledger.finish(failed.execution.id, failed.token, success=False, reason="exit", pause_ms=0)
    lost = desk.claimed(due_ms=120_000, mode="at_least_once", max_attempts=2)
    desk.look_now(failed.execution.id, lost.execution.id)
    desk.reap(window_ms=-1)

    desk.look_now(failed.execution.id, lost.execution.id)
    assert desk.reap() == ([], 2)

    assert desk.state(failed.execution.id) == ("failed", "exit")
    assert desk.state(lost.execution.id) == ("lost", "lease_expired")


def test_nobody_waits_for_a_further_attempt_longer_than_its_run_may_take(desk: Desk) -> None:
    desk.lead()
    end_by = desk.store.now_ms() + 400
    claim = desk.claimed(mode="at_least_once", max_attempts=2, end_by_ms=end_by)
    assert claim.end_by_ms == end_by
    assert lose(desk, claim) == ([claim.execution.id], 0)

    def closed() -> int:
        desk.look_now(claim.execution.id)
        return desk.reap()[1]

    wait_until(closed, timeout=10, description="the time of the run is over")
    assert desk.store.now_ms() >= end_by
    assert desk.state(claim.execution.id) == ("lost", "lease_expired")


def test_only_the_leader_reaps(desk: Desk) -> None:
    (name,) = desk.queued(look_ms=0, start_by_ms=1)
    old = desk.lead()
    desk.ledger.lead("beat-a", 1, release=True)
    desk.lead("beat-b")
    desk.epoch = old

    assert desk.reap() == ([], 0)
    assert desk.state(name)[0] == "queued"


def test_a_second_message_goes_to_the_node_that_was_chosen(desk: Desk) -> None:
    (name,) = desk.queued("web2")

    codes = desk.ledger.resend([(name, 1, "web1", QUEUE, b"again", 5 * SECOND)])

    execution = desk.ledger.execution(name)
    assert codes == [1]
    assert execution is not None
    assert (execution.node, execution.delivery, execution.attempt) == ("web1", 2, 0)
    assert desk.store.client.lrange(QUEUE, 0, -1) == [b"again"]
    assert desk.claim(name, delivery=2).attempt == 1, "a message more is not an attempt more"


def test_what_was_claimed_or_sent_meanwhile_is_not_sent_again(desk: Desk) -> None:
    claimed, sent = desk.queued(due_ms=60_000)[0], desk.queued(due_ms=120_000)[0]
    desk.claim(claimed)
    desk.ledger.resend([(sent, 1, "web1", QUEUE, b"", 5 * SECOND)])
    desk.store.client.delete(QUEUE)

    codes = desk.ledger.resend([(name, 1, "web2", QUEUE, b"again", 5 * SECOND) for name in (claimed, sent)])

    assert codes == [0, 0]
    assert [execution.node for execution in desk.ledger.executions([claimed, sent])] == ["web1", "web1"]
    assert desk.store.client.llen(QUEUE) == 0
