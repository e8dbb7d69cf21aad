"""``renew`` and ``finish``: only who holds the last token extends a lease or reports, and a replay changes nothing."""

from __future__ import annotations

import pytest

from dkronpy.store.ledger import Claim, End, Finished
from tests.integration.store.plans import LEASE, Desk


def finish(desk: Desk, claim: Claim, *, success: bool = False, **fields: object) -> tuple[str, str]:
    given = {"reason": "" if success else "exit", **fields}
    return desk.ledger.finish(claim.execution.id, claim.token, success=success, **given)  # type: ignore[arg-type]


def test_a_renewal_extends_each_lease_that_is_still_ours(desk: Desk) -> None:
    ours, ended = desk.claimed(due_ms=60_000), desk.claimed(due_ms=120_000)
    finish(desk, ended, success=True)
    desk.look_now(ours.execution.id)
    before = desk.store.now_ms()

    codes = desk.ledger.renew([(ours.execution.id, ours.token), (ended.execution.id, ended.token)], LEASE)

    assert codes == [1, 0]
    assert desk.store.client.zscore(desk.store.keys.open, ours.execution.id) >= before + LEASE
    assert desk.store.client.zcard(desk.store.keys.open) == 1


def test_a_renewal_under_an_old_token_is_refused(desk: Desk) -> None:
    claim = desk.claimed()

    assert desk.ledger.renew([(claim.execution.id, claim.token - 1)], LEASE) == [0]


def test_a_renewal_says_that_the_execution_was_cancelled(desk: Desk) -> None:
    claim = desk.claimed()
    desk.ledger.cancel([claim.execution.id], "ann")

    assert desk.ledger.renew([(claim.execution.id, claim.token)], LEASE) == [2]


def test_nothing_held_is_nothing_to_ask(desk: Desk) -> None:
    assert desk.ledger.renew([], LEASE) == []


def test_a_record_of_another_kind_costs_no_other_attempt_its_lease(desk: Desk) -> None:
    broken, ours = desk.claimed(due_ms=60_000), desk.claimed(due_ms=120_000)
    key = desk.store.keys.execution(broken.execution.id)
    record = desk.store.client.dump(key)
    desk.store.client.delete(key)
    desk.store.client.set(key, "no record")
    held = [(one.execution.id, one.token) for one in (broken, ours)]
    assert desk.ledger.renew(held, LEASE) == [0, 1]
    desk.store.client.restore(key, 0, record, replace=True)


def test_a_success_ends_the_execution_its_run_and_counts(desk: Desk) -> None:
    claim = desk.claimed()

    assert finish(desk, claim, success=True, exit_code=0) == ("closed", "success")

    run = desk.ledger.recent_runs("backup")[0]
    execution = desk.ledger.execution(claim.execution.id)
    assert execution is not None
    assert (run.state, run.reason, execution.state, execution.attempts[0].exit_code) == ("success", "", "success", 0)
    assert desk.counters() == {"success": 1}
    assert desk.store.client.zcard(desk.store.keys.open) == 0
    assert not desk.store.client.exists(desk.store.keys.job_active("backup"))
    assert desk.store.client.zscore(desk.store.keys.done, run.id) is not None


def test_a_failure_keeps_what_the_agent_said(desk: Desk) -> None:
    claim = desk.claimed()

    finish(desk, claim, message="exit status 3", exit_code=3)

    execution = desk.ledger.execution(claim.execution.id)
    assert execution is not None
    assert (execution.state, execution.reason, execution.message) == ("failed", "exit", "exit status 3")
    assert execution.attempts[0].exit_code == 3
    assert desk.counters() == {"error": 1}


def test_a_replay_counts_once(desk: Desk) -> None:
    claim = desk.claimed()

    answers = [finish(desk, claim, success=True) for _ in range(3)]

    assert [happened for happened, _ in answers] == ["closed", "again", "again"]
    assert desk.counters() == {"success": 1}


def test_a_failure_with_attempts_left_waits_for_the_next_one(desk: Desk) -> None:
    claim = desk.claimed(max_attempts=2)
    desk.lead()

    assert finish(desk, claim, pause_ms=2_000) == ("retry", "")
    assert desk.state(claim.execution.id) == ("retry_wait", "exit")
    assert desk.counters() == {}

    desk.look_now(claim.execution.id)
    assert desk.reap() == ([claim.execution.id], 0)
    again = desk.claim(claim.execution.id)
    assert again.attempt == 2
    assert again.token > claim.token
    assert finish(desk, again, pause_ms=2_000) == ("closed", "failed")
    assert desk.counters() == {"error": 1}


def test_an_old_token_is_evidence_and_no_outcome(desk: Desk) -> None:
    first = desk.claimed(max_attempts=2)
    desk.lead()
    finish(desk, first, pause_ms=0)
    desk.look_now(first.execution.id)
    desk.reap()
    second = desk.claim(first.execution.id)

    assert finish(desk, first, success=True) == ("fenced", "")

    assert desk.state(first.execution.id)[0] == "running"
    assert finish(desk, second) == ("closed", "failed")


def test_a_report_of_what_nobody_knows_is_answered(desk: Desk) -> None:
    assert desk.ledger.finish("backup@1970-01-01T00:01:00.000Z.0", 7, success=True) == ("gone", "")


def test_the_holder_of_a_lost_execution_may_still_settle_it(desk: Desk) -> None:
    claim = desk.claimed()
    desk.lead()
    desk.look_now(claim.execution.id)
    desk.reap()
    assert desk.counters() == {"lost": 1}

    answers = [finish(desk, claim, success=True) for _ in range(2)]

    execution = desk.ledger.execution(claim.execution.id)
    assert answers == [("amended", "success"), ("again", "")]
    assert execution is not None
    assert (execution.state, execution.amended) == ("success", True)
    assert desk.counters() == {"success": 1}


def test_a_run_is_what_its_executions_make_of_it(desk: Desk) -> None:
    names = desk.queued("web1", "web2")
    first, second = (desk.claim(name, node=node) for name, node in zip(names, ("web1", "web2"), strict=True))

    assert finish(desk, first, message="exit status 1") == ("closed", "")
    assert finish(desk, second, success=True) == ("closed", "partially_failed")

    run = desk.ledger.recent_runs("backup")[0]
    assert (run.reason, run.message) == ("exit", "exit status 1"), "the last to end succeeded, the run did not"


@pytest.mark.parametrize(("lost", "days"), [(False, 0.25), (True, 7)])
def test_the_records_of_a_run_live_equally_long(desk: Desk, lost: bool, days: float) -> None:
    """A lost one may be settled by its holder for a week: by then its run has to be there, too."""
    names = desk.queued("web1", "web2")
    first, second = (desk.claim(name, node=node) for name, node in zip(names, ("web1", "web2"), strict=True))
    desk.lead()
    finish(desk, first)
    if lost:
        desk.look_now(second.execution.id)
        desk.reap()
    else:
        finish(desk, second, success=True)

    keys = desk.store.keys
    records = [keys.run(first.execution.run_id), *(keys.execution(name) for name in names)]
    lives = [desk.store.client.pttl(record) / 86_400_000 for record in records]

    assert lives == pytest.approx([days] * 3, rel=0.01)


def test_when_the_executor_began_is_kept_with_the_attempt(desk: Desk) -> None:
    claim = desk.claimed()
    finish(desk, claim, success=True, began_ms=1_772_442_000_123)
    found = desk.ledger.execution(claim.execution.id)
    assert found is not None
    assert found.attempts[0].began_ms == 1_772_442_000_123


def test_many_ends_are_told_in_one_round_trip_each_with_what_is_then_known(desk: Desk) -> None:
    good, bad, old = (desk.claimed(due_ms=minute * 60_000) for minute in (1, 2, 3))
    desk.store.client.script_flush()

    answers = desk.ledger.finish_all([
        End(execution_id=good.execution.id, token=good.token, success=True, exit_code=0, began_ms=7),
        End(execution_id=bad.execution.id, token=bad.token, success=False, reason="exit", message="exit status 3"),
        End(execution_id=old.execution.id, token=old.token - 1, success=True),
        End(execution_id="backup@1970-01-01T00:09:00.000Z.0", token=7, success=True),
    ])  # fmt: skip

    told = [answer for answer in answers if isinstance(answer, Finished)]
    assert [(one.happened, one.run_state) for one in told] == [
        ("closed", "success"), ("closed", "failed"), ("fenced", ""), ("gone", ""),
    ]  # fmt: skip
    assert [one.execution and one.execution.state for one in told] == ["success", "failed", "running", None]
    assert [one.run and one.run.state for one in told] == ["success", "failed", "running", None]
    assert told[1].execution == desk.ledger.execution(bad.execution.id)


def test_what_cannot_be_ended_or_read_stands_in_the_place_of_its_answer(desk: Desk) -> None:
    good, odd, other = (desk.claimed(due_ms=minute * 60_000) for minute in (1, 2, 3))
    keys = (desk.store.keys.execution(odd.execution.id), desk.store.keys.run(other.execution.run_id))
    for key in keys:
        desk.store.client.delete(key)
        desk.store.client.set(key, "no hash", ex=60)

    answers = desk.ledger.finish_all([
        End(execution_id=one.execution.id, token=one.token, success=True) for one in (odd, good, other)
    ])  # fmt: skip

    assert ["WRONGTYPE" in str(answer) for answer in answers] == [True, False, True]
    assert isinstance(answers[1], Finished)
    assert answers[1].run_state == "success"
    desk.store.client.delete(*keys, desk.store.keys.run(odd.execution.run_id))  # nobody will end that one
