"""``fire``: a due time becomes its next due time, a run, executions and messages in one step, or nothing happens."""

from __future__ import annotations

from dkronpy.client import Client
from dkronpy.settings import Settings
from dkronpy.store.ledger import Firing
from dkronpy.store.redbeat import ms_of, score_of
from tests.integration.store.plans import QUEUE, Desk, backup, scheduled_run, skipped_run

DONE, STALE, CHANGED, EXISTS, MALFORMED, NOT_LEADING = 1, 0, -2, -1, -3, -9


def test_a_due_time_becomes_a_run_with_its_message_and_the_next_due_time(desk: Desk) -> None:
    epoch, stored = desk.lead(), desk.owed()
    assert stored.due_ms is not None
    run = scheduled_run(desk.store, stored.due_ms, "web1")
    following = stored.due_ms + 3_600_000

    code = desk.fire(run, epoch=epoch, expected=score_of(stored.due_ms), following=score_of(following))

    found, execution = desk.ledger.run(run.id), desk.ledger.execution(run.executions[0].id)
    assert code == DONE
    assert found is not None
    assert (found.state, found.due_ms, found.decision, found.fired_by) == ("running", stored.due_ms, "fire", "test")
    assert execution is not None
    assert (execution.state, execution.node, execution.delivery, execution.attempt) == ("queued", "web1", 1, 0)
    assert desk.store.client.lrange(QUEUE, 0, -1) == [b"bell"]
    assert desk.jobs.get("backup").due_ms == following


def test_a_schedule_without_a_further_due_time_leaves_the_job_unscheduled(desk: Desk) -> None:
    epoch, stored = desk.lead(), desk.owed()
    assert stored.due_ms is not None

    desk.fire(skipped_run(stored.due_ms, "paused"), epoch=epoch, expected=score_of(stored.due_ms))

    assert desk.jobs.get("backup").due_ms is None


def test_a_beat_that_no_longer_leads_fires_nothing(desk: Desk) -> None:
    old, stored = desk.lead(), desk.owed()
    assert stored.due_ms is not None
    desk.ledger.lead("beat-a", 10_000, release=True)
    desk.lead("beat-b")
    run = scheduled_run(desk.store, stored.due_ms, "web1")

    code = desk.fire(run, epoch=old, expected=score_of(stored.due_ms), following=score_of(stored.due_ms + 1))

    assert code == NOT_LEADING
    assert desk.ledger.run(run.id) is None
    assert desk.jobs.get("backup").due_ms == stored.due_ms


def test_a_due_time_that_has_been_fired_is_not_fired_again(desk: Desk) -> None:
    epoch, stored = desk.lead(), desk.owed()
    assert stored.due_ms is not None
    moment = {"expected": score_of(stored.due_ms), "following": score_of(stored.due_ms + 3_600_000)}
    run = scheduled_run(desk.store, stored.due_ms, "web1")

    codes = [desk.fire(run, epoch=epoch, **moment) for _ in range(2)]

    assert codes == [DONE, STALE]
    assert desk.store.client.llen(QUEUE) == 1


def test_what_was_planned_under_a_definition_that_changed_is_not_fired(desk: Desk) -> None:
    epoch, stored = desk.lead(), desk.owed()
    assert stored.due_ms is not None
    desk.jobs.save(backup(owner="somebody else"))
    run = scheduled_run(desk.store, stored.due_ms, "web1")

    code = desk.fire(run, epoch=epoch, revision=stored.revision, expected=score_of(stored.due_ms))

    assert code == CHANGED
    assert desk.jobs.get("backup").due_ms == stored.due_ms


def test_a_run_that_exists_stays_as_it_is(desk: Desk) -> None:
    desk.jobs.save(backup())
    run = scheduled_run(desk.store, 60_000, "web1")

    codes = [desk.fire(run), desk.fire(run)]

    assert codes == [DONE, EXISTS]
    assert desk.store.client.zcard(desk.store.keys.open) == 1


def test_a_job_that_forbids_overlap_skips_a_run_while_one_is_active(desk: Desk) -> None:
    claim = desk.claimed(due_ms=60_000)

    desk.fire(scheduled_run(desk.store, 120_000, "web1"), forbid=True)
    overlapping = desk.ledger.recent_runs("backup")[0]

    assert (overlapping.state, overlapping.reason, overlapping.decision) == ("skipped", "overlap", "skip")
    assert overlapping.execution_ids == ()
    assert desk.counters() == {"skipped": 1}

    desk.ledger.finish(claim.execution.id, claim.token, success=True)
    desk.fire(scheduled_run(desk.store, 180_000, "web1"), forbid=True)
    assert desk.ledger.recent_runs("backup")[0].state == "running"


def test_due_times_that_were_missed_share_a_record_that_counts_them(desk: Desk) -> None:
    desk.jobs.save(backup())

    desk.fire(skipped_run(60_000, "misfire_late", until_ms=240_000, count=150))
    (run,) = desk.ledger.recent_runs("backup")

    assert (run.state, run.reason, run.count, run.until_ms) == ("skipped", "misfire_late", 150, 240_000)
    assert desk.counters() == {"skipped": 150}


def test_a_broadcast_has_an_execution_for_each_node(desk: Desk) -> None:
    first, second = desk.queued("web1", "web2")

    run = desk.ledger.recent_runs("backup")[0]

    assert run.execution_ids == (first, second)
    assert [execution.node for execution in desk.ledger.executions(run.execution_ids)] == ["web1", "web2"]


def test_only_so_many_runs_of_a_job_are_listed(desk: Desk) -> None:
    desk.ledger.history = 3
    desk.jobs.save(backup())

    for minute in range(1, 6):
        desk.fire(skipped_run(minute * 60_000, "paused"))

    assert [run.due_ms for run in desk.ledger.recent_runs("backup")] == [300_000, 240_000, 180_000]


def test_a_job_may_have_more_of_its_runs_listed_than_others(desk: Desk) -> None:
    desk.ledger.history = 3
    desk.jobs.save(backup())

    for minute in range(1, 6):
        desk.fire(skipped_run(minute * 60_000, "paused"), history=4)

    assert [run.due_ms for run in desk.ledger.recent_runs("backup")] == [300_000, 240_000, 180_000, 120_000]


def test_scores_keep_milliseconds_there_and_back() -> None:
    moments = [0, 1, 999, 1_000, 1_772_442_000_251, 4_102_444_799_999]

    assert [ms_of(float(score_of(moment))) for moment in moments] == moments


def test_one_call_fires_many_jobs_and_tells_of_each(desk: Desk) -> None:
    client = Client(Settings(store_url=desk.store.url))
    position = client.position()
    firings = []
    for number in range(120):
        name = f"job-{number}"
        revision = desk.jobs.save(backup(name=name)).revision
        run = scheduled_run(desk.store, 60_000, "web1", "web2", job=name)
        firings.append(Firing(job=name, revision=revision, runs=(run,)))

    _, codes = desk.ledger.fire(firings, epoch=None)

    told = [event.fields for event in client.changes(position, 1000) or () if event.kind == "fired"]
    client.close()
    assert codes == [DONE] * 120
    assert [desk.store.client.llen(f"dkronpy.node.web{number}") for number in (1, 2)] == [120, 120]
    assert [(fields["job"], fields["run"], fields["executions"]) for fields in told] == [
        (firing.job, firing.runs[0].id, "2") for firing in firings
    ]


def test_a_key_of_another_kind_stops_only_the_job_that_it_belongs_to(desk: Desk) -> None:
    moments = {}
    for name in ("first", "broken", "last"):
        desk.jobs.save(backup(name=name))
        moments[name] = desk.store.now_ms() - 500
        desk.store.client.zadd(desk.store.keys.schedule, {desk.store.keys.entry(name): score_of(moments[name])})
    desk.store.client.set(desk.store.keys.job_active("broken"), "not a set", ex=60)
    firings = [
        Firing(
            job=name, revision=1, runs=(scheduled_run(desk.store, due, "web1", job=name),),
            expected=score_of(due), following=score_of(due + 3_600_000),
        )
        for name, due in moments.items()
    ]  # fmt: skip

    _, codes = desk.ledger.fire(firings, epoch=desk.lead())

    assert codes == [DONE, MALFORMED, DONE]
    assert desk.store.client.llen(QUEUE) == 2
    assert desk.jobs.get("last").due_ms == moments["last"] + 3_600_000
    desk.store.client.delete(desk.store.keys.run(firings[1].runs[0].id), *_executions(desk, firings[1]))


def _executions(desk: Desk, firing: Firing) -> list[str]:
    return [desk.store.keys.execution(execution.id) for run in firing.runs for execution in run.executions]
