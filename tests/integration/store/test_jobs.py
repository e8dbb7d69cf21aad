"""``save`` and ``delete``: definitions by revision, due times that stay owed, and counters that belong to one job."""

from __future__ import annotations

import json
import threading

import pytest

from dkronpy.clock import from_ms, iso_ms
from dkronpy.errors import ConflictError, NotFoundError
from dkronpy.execution import run_id
from dkronpy.job import Job
from dkronpy.job.json import encode_definition
from dkronpy.job.retry import Retry
from dkronpy.node import any_node
from dkronpy.store.connection import Store
from dkronpy.store.jobs import Change, Jobs, Saved
from dkronpy.store.quarantine import Quarantine
from dkronpy.store.redbeat import last_due_of, redbeat_meta
from dkronpy.store.stored import AT_ONCE
from tests.integration.store.plans import Desk, backup, skipped_run


def test_a_definition_comes_back_as_it_was_saved(desk: Desk) -> None:
    before = desk.store.now_ms()

    saved = desk.jobs.save(backup(owner="ann"), source="config/jobs.py")
    stored = desk.jobs.get("backup")

    assert saved == Saved(what="created", revision=1)
    assert (stored.job, stored.revision, stored.source) == (backup(owner="ann"), 1, "config/jobs.py")
    assert stored.due_ms is not None
    assert before < stored.due_ms <= before + 3_601_000
    assert desk.jobs.names() == ["backup"]


def test_a_change_is_a_revision_more_and_no_change_is_none(desk: Desk) -> None:
    answers = [desk.jobs.save(backup(owner=owner)) for owner in ("ann", "ann", "bob")]

    assert [(saved.what, saved.revision) for saved in answers] == [("created", 1), ("unchanged", 1), ("changed", 2)]


def test_the_same_job_in_other_words_is_no_change(desk: Desk) -> None:
    desk.jobs.save(backup())
    same = backup(on=any_node(), retry=Retry(0), catch_up_window="24h", pools={}, output_limit=int("256000"))

    assert desk.jobs.save(same) == Saved(what="unchanged", revision=1)
    assert encode_definition(same) == encode_definition(backup())


def test_what_an_earlier_version_wrote_at_greater_length_is_no_change(desk: Desk) -> None:
    desk.jobs.save(backup())
    at_length = json.loads(encode_definition(backup())) | {"on": {"count": 1, "tags": {}}, "output_limit": 256_000}
    desk.store.client.hset(desk.store.keys.entry("backup"), "job", json.dumps(at_length))

    assert desk.jobs.save(backup()) == Saved(what="unchanged", revision=1)


def test_a_change_of_policy_leaves_the_due_time_alone(desk: Desk) -> None:
    desk.jobs.save(backup())
    due = desk.jobs.get("backup").due_ms

    desk.jobs.save(backup(concurrency="forbid"))

    assert desk.jobs.get("backup").due_ms == due


def test_a_new_schedule_has_a_new_due_time_and_a_disabled_job_has_none(desk: Desk) -> None:
    desk.jobs.save(backup())
    hourly = desk.jobs.get("backup").due_ms
    desk.jobs.save(backup(schedule="@every 10s"))
    every_ten_seconds = desk.jobs.get("backup").due_ms
    desk.jobs.save(backup(schedule="@every 10s", enabled=False))

    assert hourly is not None
    assert every_ten_seconds is not None
    assert every_ten_seconds < hourly
    assert desk.jobs.get("backup").due_ms is None


def test_a_due_time_that_waits_for_beat_stays_owed(desk: Desk) -> None:
    stored = desk.owed()

    desk.jobs.save(backup(schedule="@every 10s"))
    assert desk.jobs.get("backup").due_ms == stored.due_ms
    desk.jobs.save(backup(enabled=False))
    assert desk.jobs.get("backup").due_ms == stored.due_ms


def test_a_save_on_an_old_reading_is_refused(desk: Desk) -> None:
    desk.jobs.save(backup(), revision=0)
    desk.jobs.save(backup(owner="ann"), revision=1)

    with pytest.raises(ConflictError, match="'backup' is at revision 2, not 1: somebody changed it meanwhile"):
        desk.jobs.save(backup(owner="bob"), revision=1)
    assert desk.jobs.get("backup").job.owner == "ann"


class Intruded(Jobs):
    """Jobs that somebody else changes between reading and writing, once."""

    def __init__(self, store: Store, others: Jobs, theirs: Job | None) -> None:
        super().__init__(store)
        self.others, self.theirs, self.intruded = others, theirs, False

    def _next_due(self, *given: object, **named: object) -> int | None:
        if not self.intruded:
            self.intruded = True
            if self.theirs is None:
                self.others.delete("backup")
            else:
                self.others.save(self.theirs)
        return super()._next_due(*given, **named)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "theirs",
    [None, backup(enabled=False), backup(schedule="@every 10s")],
    ids=["deleted", "disabled", "rescheduled"],
)
def test_a_job_that_changes_while_it_is_saved_is_on_the_schedule_all_the_same(desk: Desk, theirs: Job | None) -> None:
    desk.jobs.save(backup())

    jobs = Intruded(desk.store, desk.jobs, theirs)
    jobs.save(backup(owner="ann"))

    stored = desk.jobs.get("backup")
    assert jobs.intruded
    assert stored.job == backup(owner="ann")
    assert stored.due_ms is not None
    assert stored.due_ms > desk.store.now_ms() + 1_800_000, "it is due by its own schedule"


def test_many_who_save_at_once_all_get_their_turn(desk: Desk) -> None:
    desk.jobs.save(backup())
    errors: list[Exception] = []

    def save(owner: str) -> None:
        try:
            desk.jobs.save(backup(owner=owner))
        except ConflictError as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(f"owner {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert desk.jobs.get("backup").revision == 5


def test_a_deleted_job_is_gone_from_names_schedule_and_counters(desk: Desk) -> None:
    desk.jobs.save(backup())
    desk.fire(skipped_run(60_000, "paused"))

    assert desk.jobs.delete("backup") is True
    assert desk.jobs.delete("backup") is False
    assert desk.jobs.names() == []
    assert desk.store.client.zcard(desk.store.keys.schedule) == 0
    assert desk.counters() == {}
    with pytest.raises(NotFoundError, match="no job named 'backup'"):
        desk.jobs.get("backup")


def test_no_revision_is_ever_used_twice(desk: Desk) -> None:
    """Beat caches definitions by revision, and runs name theirs: a job made anew must not pass for the former."""
    desk.jobs.save(backup())
    desk.jobs.save(backup(owner="ann"))
    desk.jobs.delete("backup")

    assert desk.jobs.save(backup()) == Saved(what="created", revision=3)


def test_runs_of_a_deleted_job_do_not_count_for_its_successor(desk: Desk) -> None:
    desk.lead()
    before, across = desk.claimed(due_ms=60_000), desk.claimed(due_ms=120_000)
    desk.look_now(before.execution.id)
    desk.reap()
    desk.jobs.delete("backup")
    desk.jobs.save(backup())

    desk.ledger.finish(before.execution.id, before.token, success=True)
    desk.ledger.finish(across.execution.id, across.token, success=True)

    assert desk.counters() == {}
    assert desk.jobs.states(["backup"])["backup"].status == ""


def test_counters_of_a_job_that_is_deleted_do_not_come_back(desk: Desk) -> None:
    claim = desk.claimed()
    desk.jobs.delete("backup")

    desk.ledger.finish(claim.execution.id, claim.token, success=True)

    assert not desk.store.client.exists(desk.store.keys.job_state("backup"))


def test_one_malformed_definition_hides_no_other_and_is_mended_by_saving_it(desk: Desk) -> None:
    desk.jobs.save(backup())
    desk.jobs.save(backup(name="other"))
    desk.store.client.hset(desk.store.keys.entry("backup"), "job", b"{not JSON")

    assert [stored.job.name for stored in desk.jobs.all()] == ["other"]
    desk.jobs.save(backup())
    assert [stored.job.name for stored in desk.jobs.all()] == ["backup", "other"]


def test_an_entry_that_was_set_aside_is_back_once_it_is_saved(desk: Desk) -> None:
    desk.jobs.save(backup())
    quarantine = Quarantine(desk.store)
    quarantine.entry(desk.store.keys.entry("backup"), ValueError("a tag that cannot be"))
    assert desk.jobs.get("backup").due_ms is None

    assert desk.jobs.save(backup()).what == "unchanged"

    assert desk.jobs.get("backup").due_ms is not None
    assert quarantine.all() == {"redbeat:backup": "ValueError: a tag that cannot be"}


def test_followers_are_listed_with_their_parents(desk: Desk) -> None:
    desk.jobs.save(backup())
    desk.jobs.save(Job(name="report", run=backup().run, after=("backup",)))
    assert desk.jobs.states(["backup"])["backup"].dependent_jobs == ("report",)

    desk.jobs.save(backup(name="report"))
    assert desk.jobs.states(["backup"])["backup"].dependent_jobs == ()


def test_a_deletion_takes_the_job_from_those_that_it_followed(desk: Desk) -> None:
    desk.jobs.save(backup(name="extract"))
    desk.jobs.save(backup(name="load", after="extract"))

    assert desk.jobs.delete("load")

    assert desk.jobs.states(["extract"])["extract"].dependent_jobs == ()


def test_many_are_read_in_their_order_whatever_some_of_them_hold(desk: Desk) -> None:
    names = [f"job-{n:04}" for n in range(2 * AT_ONCE + 1)]
    desk.jobs.change_many([Change(job=backup(name=name)) for name in names])
    desk.store.client.hset(desk.store.keys.entry("job-0001"), "job", "nonsense")
    desk.store.client.set(desk.store.keys.entry("job-0002"), "not even a hash")
    desk.store.client.hset(desk.store.keys.job_state("job-0003"), "success_count", 7)

    read = desk.jobs.with_states(["absent", *names])

    assert [stored.job.name for stored, _ in read] == [names[0], *names[3:]]
    assert {stored.job.name: state.success_count for stored, state in read if state.success_count} == {"job-0003": 7}
    assert desk.jobs.states(["absent"])["absent"].success_count == 0


def test_the_history_says_who_changed_what_when_and_why(desk: Desk) -> None:
    desk.jobs.save(backup(), who="ann", why="the first")
    desk.jobs.save(backup(owner="ann"), who="bob")
    desk.jobs.save(backup(owner="ann"), who="nobody, since nothing changed")

    history = desk.jobs.history("backup")

    assert [(one.number, one.who, one.why) for one in history] == [(2, "bob", ""), (1, "ann", "the first")]
    assert [one.job for one in history] == [backup(owner="ann"), backup()]
    assert history[0].at_ms >= history[1].at_ms > desk.store.now_ms() - 60_000


def test_the_history_is_bounded_and_outlives_the_job_for_a_while(desk: Desk) -> None:
    jobs = Jobs(desk.store, revisions=3)
    for number in range(6):
        jobs.save(backup(owner=str(number)))
    assert [one.number for one in jobs.history("backup")] == [6, 5, 4, 3]

    jobs.delete("backup", who="ann", why="no longer needed")

    deleted, last, *_ = jobs.history("backup")
    assert (deleted.job, deleted.number, deleted.who, deleted.why) == (None, 6, "ann", "no longer needed")
    assert last.job == backup(owner="5")
    assert desk.store.client.ttl(desk.store.keys.job_history("backup")) > 29 * 24 * 3600

    jobs.save(backup())
    assert desk.store.client.ttl(desk.store.keys.job_history("backup")) == -1, "it belongs to a living job again"
    assert [one.number for one in jobs.history("backup")] == [7, 6, 6, 5]


def test_a_former_revision_that_cannot_be_read_hides_no_other(desk: Desk) -> None:
    for owner in ("ann", "bob", "eve"):
        desk.jobs.save(backup(owner=owner))
    desk.store.client.lset(desk.store.keys.job_history("backup"), 0, b"\xc1 no msgpack")

    assert [one.number for one in desk.jobs.history("backup")] == [3, 1]


def test_a_job_belongs_to_whoever_made_it_until_it_is_taken_over(desk: Desk) -> None:
    desk.jobs.save(backup(), source="config")
    desk.jobs.save(backup(owner="ann"), source="api")
    stored = desk.jobs.get("backup")
    assert (stored.source, stored.applied) == ("config", 0)

    desk.jobs.change(Change(job=backup(owner="ann"), source="other", owns=True))

    stored = desk.jobs.get("backup")
    assert (stored.source, stored.applied, stored.revision) == ("other", 2, 2)


def test_many_changes_are_each_made_or_refused(desk: Desk) -> None:
    desk.jobs.save(backup(name="old"))
    changes = [
        Change(job=backup(name="new"), revision=0, source="config", owns=True),
        Change(job=backup(name="old", owner="ann"), revision=7),
        Change(job=Job(name="follower", run=backup().run, after=("new",))),
    ]

    assert [(saved.what, saved.revision) for saved in desk.jobs.change_many(changes)] == [
        ("created", 1), ("conflict", 1), ("created", 1),
    ]  # fmt: skip
    assert desk.jobs.get("old").job.owner == ""
    assert desk.jobs.states(["new"])["new"].dependent_jobs == ("follower",)


def test_a_delete_on_an_old_reading_is_refused(desk: Desk) -> None:
    desk.jobs.save(backup())
    desk.jobs.save(backup(owner="ann"))

    with pytest.raises(ConflictError, match="'backup' is at revision 2, not 1"):
        desk.jobs.delete("backup", revision=1)
    assert desk.jobs.delete("backup", revision=2)


def after_due(desk: Desk) -> str:
    """A schedule whose moment has passed, within its grace."""
    return f"@after {iso_ms(desk.store.now_ms() - 60_000)} <PT2H"


def ran(desk: Desk) -> None:
    """The due time is dispatched, and the ledger has forgotten its run since."""
    stored = desk.jobs.get("backup")
    assert stored.due_ms is not None
    score, due = desk.store.client.zscore(desk.store.keys.schedule, desk.store.keys.entry("backup")), stored.due_ms
    fields = {"expected": repr(score), "following": "", "meta": redbeat_meta(due)}
    assert desk.fire(skipped_run(due, "paused"), epoch=desk.lead(), **fields) == 1
    desk.store.client.delete(desk.store.keys.run(run_id("backup", due)))


def test_after_is_owed_once_however_often_the_job_is_changed_within_its_grace(desk: Desk) -> None:
    schedule = after_due(desk)
    desk.jobs.save(backup(schedule=schedule))
    ran(desk)
    changes = [{"enabled": False}, {}, {"enabled": False}, {}, {"expires_at": from_ms(desk.store.now_ms() + 900_000)}]
    for change in changes:
        desk.jobs.save(backup(schedule=schedule, **change))
        assert desk.jobs.get("backup").due_ms is None, change

    desk.jobs.save(backup(schedule=f"@after {iso_ms(desk.store.now_ms() - 30_000)} <PT2H"))
    assert desk.jobs.get("backup").due_ms is not None, "another moment, after that"


def test_after_is_not_owed_again_under_another_name(desk: Desk) -> None:
    schedule = after_due(desk)
    desk.jobs.save(backup(schedule=schedule))
    ran(desk)
    assert desk.jobs.delete("backup", heir="copy")
    desk.jobs.save(backup(name="copy", schedule=schedule))
    assert desk.jobs.get("copy").due_ms is None


@pytest.mark.parametrize("meta", [None, b"", b"[]", b"{}", b'{"last_run_at":{"year":2026}}', b'{"last_run_at":null}'])
def test_a_meta_that_says_nothing_tells_of_no_due_time(meta: bytes | None) -> None:
    assert last_due_of(meta) == 0
    assert last_due_of(redbeat_meta(1_795_000_000_123).encode()) == 1_795_000_000_123
