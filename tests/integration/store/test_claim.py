"""``claim``: an agent starts nothing before the ledger said yes, and runs what was in force when the run was fired."""

from __future__ import annotations

import redis

from dkronpy.job.json import decode_definition
from dkronpy.store.ledger import Claim
from tests.integration.store.plans import LEASE, Desk, backup, scheduled_run
from tests.support import wait_until


def refusal(desk: Desk, name: str, *, node: str = "web1", delivery: int = 1) -> object:
    return desk.ledger.claim(name, delivery, node, "web1:42", LEASE)


def test_a_granted_claim_has_a_token_a_lease_and_the_definition(desk: Desk) -> None:
    (name,) = desk.queued()
    before = desk.store.now_ms()

    claim = desk.claim(name)

    assert (claim.attempt, claim.max_attempts) == (1, 1)
    assert claim.definition is not None
    assert decode_definition(claim.definition) == backup()
    assert claim.execution.state == "running"
    assert claim.execution.attempts[0].node == "web1"
    assert desk.store.client.zscore(desk.store.keys.open, name) >= before + LEASE


def test_tokens_rise_from_one_claim_to_the_next(desk: Desk) -> None:
    tokens = [desk.claim(desk.queued(due_ms=minute * 60_000)[0]).token for minute in (1, 2, 3)]

    assert tokens == sorted(set(tokens))


def test_a_store_that_has_forgotten_its_last_token_repeats_none(desk: Desk) -> None:
    before = desk.claimed().token
    desk.store.client.delete(desk.store.keys.token)
    wait_until(lambda: desk.store.now_ms() > before, description="the clock goes on")

    assert desk.claim(desk.queued(due_ms=120_000)[0]).token > before


def test_a_message_that_comes_twice_starts_nothing(desk: Desk) -> None:
    claim = desk.claimed()

    assert refusal(desk, claim.execution.id) == "is running"
    desk.ledger.finish(claim.execution.id, claim.token, success=True)
    assert refusal(desk, claim.execution.id) == "is success"


def test_only_the_node_that_it_is_meant_for_may_claim(desk: Desk) -> None:
    (name,) = desk.queued("web1")

    assert refusal(desk, name, node="web2") == "is for node web1"


def test_a_number_that_was_never_sent_starts_nothing(desk: Desk) -> None:
    (name,) = desk.queued()

    assert refusal(desk, name, delivery=2) == "was never sent"


def test_a_message_that_follows_the_commit_may_be_claimed_at_once(desk: Desk) -> None:
    """Where the broker is another than the store, the commit has no message to push: beat sends it right after."""
    (name,) = desk.queued(message=b"")

    assert desk.claim(name, delivery=1).attempt == 1


def test_an_execution_that_is_gone_starts_nothing(desk: Desk) -> None:
    assert refusal(desk, "backup@1970-01-01T00:01:00.000Z.0") == "gone"


def test_a_first_attempt_after_the_start_deadline_is_skipped(desk: Desk) -> None:
    start_by = desk.store.now_ms() + 20
    (name,) = desk.queued(start_by_ms=start_by)
    wait_until(lambda: desk.store.now_ms() > start_by, description="the start deadline passes")

    assert refusal(desk, name) == "is too late"
    assert desk.state(name) == ("skipped", "not_started_in_deadline")
    assert desk.counters() == {"skipped": 1}


def test_a_run_uses_the_definition_that_it_was_fired_under(desk: Desk) -> None:
    (name,) = desk.queued()
    desk.jobs.save(backup(owner="changed"))

    definition = desk.claim(name).definition

    assert definition is not None
    assert decode_definition(definition).owner == ""


def test_it_does_so_after_the_job_was_deleted_as_well(desk: Desk) -> None:
    (name,) = desk.queued()
    desk.jobs.delete("backup")

    definition = desk.claim(name).definition

    assert definition is not None
    assert decode_definition(definition) == backup()


def test_it_does_so_after_another_job_took_the_name(desk: Desk) -> None:
    (name,) = desk.queued()
    desk.jobs.delete("backup")
    desk.jobs.save(backup(owner="a new job"))

    definition = desk.claim(name).definition

    assert definition is not None
    assert decode_definition(definition).owner == ""


def test_what_was_asked_for_with_the_run_comes_with_the_claim(desk: Desk) -> None:
    desk.jobs.save(backup())
    run = scheduled_run(desk.store, 60_000, "web1")

    desk.fire(type(run)(id=run.id, due_ms=run.due_ms, executions=run.executions, extra={"window": "nightly"}))

    assert desk.claim(run.executions[0].id).extra == {"window": "nightly"}


def test_many_are_claimed_in_one_round_trip_each_with_its_own_answer(desk: Desk) -> None:
    first, second = (desk.queued(due_ms=minute * 60_000)[0] for minute in (1, 2))
    taken = desk.claimed(due_ms=180_000).execution.id
    desk.store.client.set(desk.store.keys.execution("odd@1970-01-01T00:09:00.000Z.0"), "no hash")

    answers = desk.ledger.claim_all(
        [(first, 1), (taken, 1), ("odd@1970-01-01T00:09:00.000Z.0", 1), (second, 1)], "web1", "web1:42", LEASE
    )

    one, refused, odd, other = answers
    assert isinstance(one, Claim)
    assert isinstance(other, Claim)
    assert (one.execution.id, other.execution.id, refused) == (first, second, "is running")
    assert one.token < other.token
    assert isinstance(odd, redis.ResponseError)
    desk.store.client.delete(desk.store.keys.execution("odd@1970-01-01T00:09:00.000Z.0"))


def test_a_server_that_has_just_come_up_is_told_the_step(desk: Desk) -> None:
    names = [desk.queued(due_ms=minute * 60_000)[0] for minute in (1, 2)]
    desk.store.client.script_flush()

    claims = desk.ledger.claim_all([(name, 1) for name in names], "web1", "web1:42", LEASE)

    assert [isinstance(claim, Claim) for claim in claims] == [True, True]
