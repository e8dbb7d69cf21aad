"""The leases of what runs on a node: whatever becomes of one attempt, those of the others are kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dkronpy.agent.context import AttemptContext, Identity
from dkronpy.agent.launcher import Launcher
from dkronpy.agent.leases import Held, Leases
from dkronpy.agent.output import AttemptOutput
from dkronpy.clock import SystemClock, from_ms
from dkronpy.masking import Masker
from dkronpy.plugins.reach import Reach
from dkronpy.store.ledger import Claim
from dkronpy.store.output import OutputWriter
from tests.integration.store.plans import Desk
from tests.support import wait_until


def held(desk: Desk, claim: Claim, *, timeout: timedelta | None = None) -> Held:
    """The attempt that was claimed, as if an executor were at it."""
    execution = claim.execution
    identity = Identity(
        execution_id=execution.id, run_id=execution.run_id, job="backup", node="web1", due=from_ms(execution.due_ms),
        attempt=claim.attempt, token=claim.token,
    )  # fmt: skip
    output = AttemptOutput(OutputWriter(desk.store, execution.id, 1, 1000), Masker(()), SystemClock().now_ms)
    context = AttemptContext(
        identity, output=output, launcher=Launcher(), timeout=timeout, grace=timedelta(0), reach=Reach.everywhere()
    )
    return Held(token=claim.token, context=context, kill_on_loss=False)


def expect_renewal(desk: Desk, name: str) -> None:
    """Let the lease of an execution be out, and wait until it was renewed."""
    client, key = desk.store.client, desk.store.keys.open
    client.zadd(key, {name: 0}, xx=True)
    wait_until(lambda: client.zscore(key, name) > 0, description=f"the lease of {name} is renewed")


def refuse(reason: str) -> None:
    raise ValueError(f"I cannot end because of {reason}")


def test_an_executor_that_fails_when_it_is_to_end_costs_no_other_execution_its_lease(
    desk: Desk, leases: Leases, caplog: pytest.LogCaptureFixture
) -> None:
    stubborn, other = desk.claimed(due_ms=60_000), desk.claimed(due_ms=120_000)
    late = held(desk, stubborn, timeout=timedelta(0))
    late.context.on_cancel(refuse)
    leases.add(other.execution.id, held(desk, other))
    leases.add(stubborn.execution.id, late)

    wait_until(lambda: late.context.reason == "timeout", description="its time is over")
    wait_until(lambda: "I cannot end because of timeout" in caplog.text, description="what went wrong is said")

    expect_renewal(desk, other.execution.id)


def test_what_has_waited_for_a_thread_is_renewed_at_once(desk: Desk) -> None:
    patient = Leases(desk.ledger, lease_seconds=60, renew_seconds=20)
    first, late = desk.claimed(due_ms=60_000), desk.claimed(due_ms=120_000)
    patient.add(first.execution.id, held(desk, first))
    patient.start()
    try:
        expect_renewal(desk, first.execution.id)  # the next is in 20 s
        waited = held(desk, late)
        waited.renewed -= 30
        patient.add(late.execution.id, waited)
        expect_renewal(desk, late.execution.id)
    finally:
        patient.stop()


def test_when_the_agent_stops_each_attempt_is_told_whatever_an_executor_does_then(desk: Desk, leases: Leases) -> None:
    several = [held(desk, desk.claimed(due_ms=minute * 60_000)) for minute in (1, 2, 3)]
    for one in several:
        one.context.on_cancel(refuse)
        leases.add(one.context.execution_id, one)

    assert leases.cancel_all("shutdown") == 3

    assert [one.context.reason for one in several] == ["shutdown"] * 3


def test_an_earlier_attempt_that_goes_on_here_is_held_beside_the_next(desk: Desk, leases: Leases) -> None:
    desk.lead()
    first = desk.claimed(mode="at_least_once", max_attempts=2)
    name = first.execution.id
    desk.look_now(name)
    assert desk.reap() == ([name], 0)
    second = desk.claim(name)
    old, new = held(desk, first), held(desk, second)
    leases.add(name, old)
    leases.add(name, new)
    assert leases.running() == 2

    assert leases.cancel(name, "cancelled")
    assert (old.context.reason, new.context.reason) == ("cancelled", "cancelled")

    leases.remove(name, first.token)
    assert leases.running() == 1
    expect_renewal(desk, name)
