"""The judge finds every breach, one per rule, and none in a history where everything went well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dkronpy.execution import Attempt, Execution, Run, execution_id, run_id
from dkronpy.verify.checker import RULES, check
from dkronpy.verify.history import Counters, History, JobHistory, Mark, Setback, read_history, read_marks

DUES = (10_000, 20_000)
replace = msgspec.structs.replace


def execution(job: str, due: int, token: int, state: str = "success", **fields: Any) -> Execution:
    run = run_id(job, due)
    reason = "" if state == "success" else "exit"
    attempt = Attempt(number=1, token=token, state=state, reason=reason, started_ms=due, finished_ms=due + 500)
    return Execution(**{
        "id": execution_id(run, 0), "run_id": run, "job": job, "due_ms": due, "state": state, "reason": reason,
        "attempt": 1, "attempts": (attempt,), **fields,
    })  # fmt: skip


def run(job: str, due: int, state: str = "success", **fields: Any) -> Run:
    name = run_id(job, due)
    ids = (execution_id(name, 0),)
    return Run(
        **{"id": name, "job": job, "due_ms": due, "state": state, "fired_ms": due, "execution_ids": ids, **fields}
    )


def marks(one: Execution, what: str = "ok", *, begin: int | None = None, end: int | None = None) -> list[Mark]:
    at, token = one.due_ms if begin is None else begin, one.attempts[-1].token
    started = Mark(what="start", execution=one.id, token=token, node="n1", at_ms=at)
    return [started, replace(started, what=what, at_ms=at + 500 if end is None else end)]


def clean() -> History:
    """Two due times of a job that forbids overlap, both served."""
    executions = tuple(execution("backup", due, token) for token, due in enumerate(DUES, start=1))
    job = JobHistory(
        name="backup", delivery="at_most_once", at_once=1, max_attempts=1, owed=DUES,
        runs=tuple(run("backup", due) for due in DUES), executions=executions, counters=Counters(success=2),
    )  # fmt: skip
    lines = tuple(mark for one in executions for mark in marks(one))
    return History(start_ms=0, end_ms=30_000, jobs=(job,), marks=lines, epochs=(1, 2))


def with_job(history: History, **changes: Any) -> History:
    return replace(history, jobs=(replace(history.jobs[0], **changes), *history.jobs[1:]))


def broken(history: History) -> set[str]:
    return {violation.rule for violation in check(history)}


def test_a_history_in_which_everything_went_well_is_clean() -> None:
    assert check(clean()) == []


def test_it_is_judged_the_same_after_it_was_kept(tmp_path: Path) -> None:
    history = replace(clean(), epochs=(2, 1))
    history.write(tmp_path / "history.json")
    assert read_history(tmp_path / "history.json") == history
    assert check(read_history(tmp_path / "history.json")) == check(history) != []


def test_a_due_time_without_a_record_and_one_with_two() -> None:
    history = clean()
    job = history.jobs[0]
    assert "I1" in broken(with_job(history, runs=job.runs[:1]))
    twice = replace(job.runs[0], id=job.runs[0].id + "-again")
    assert "I1" in broken(with_job(history, runs=(*job.runs, twice)))


def test_a_record_for_a_moment_that_was_not_owed_and_one_that_came_early() -> None:
    history = clean()
    first, second = history.jobs[0].runs
    assert "I1" in broken(with_job(history, runs=(first, second, run("backup", 15_000))))
    assert "I1" in broken(with_job(history, runs=(replace(first, fired_ms=9_999), second)))


def test_a_record_may_say_an_earlier_moment_where_the_clock_went_back_before_it_was_written() -> None:
    history = clean()
    first, second = history.jobs[0].runs
    early = with_job(history, runs=(replace(first, fired_ms=first.due_ms - 4_000), second))
    right = Setback(at_ms=first.due_ms + 50, by_ms=4_100)
    assert "I1" in broken(early)
    assert check(replace(early, setbacks=(right,))) == []
    too_soon, too_little = replace(right, at_ms=first.due_ms - 300), replace(right, by_ms=1_000)
    assert "I1" in broken(replace(early, setbacks=(too_soon, too_little)))


def test_a_range_record_stands_for_each_due_time_in_it() -> None:
    span = run("backup", DUES[0], "skipped", until_ms=DUES[1], count=2, reason="misfire_late", execution_ids=())
    history = with_job(clean(), runs=(span,), executions=(), counters=Counters(skipped=2))
    assert check(replace(history, marks=())) == []


def test_a_follower_has_one_run_for_each_success_of_its_parent() -> None:
    history = clean()
    follows = tuple(execution("mail", due, token) for token, due in enumerate(DUES, start=5))
    child = replace(
        history.jobs[0], name="mail", after=("backup",), owed=(), executions=follows, at_once=0,
        runs=tuple(run("mail", due, trigger="chained") for due in DUES),
    )  # fmt: skip
    both = replace(
        history, jobs=(history.jobs[0], child), marks=(*history.marks, *(m for one in follows for m in marks(one)))
    )
    assert check(both) == []
    assert "I1" in broken(replace(both, jobs=(both.jobs[0], replace(child, runs=child.runs[:1]))))


def test_a_follower_says_at_most_once_why_it_did_not_follow() -> None:
    history = clean()
    parent = replace(
        history.jobs[0], runs=tuple(run("backup", due, "skipped", reason="overlap", execution_ids=()) for due in DUES),
        executions=(), counters=Counters(skipped=2),
    )  # fmt: skip
    why = run("mail", DUES[0], "skipped", reason="parent_failed", trigger="chained", execution_ids=())
    child = replace(parent, name="mail", after=("backup",), owed=(), runs=(why,), counters=Counters(skipped=1))
    assert check(replace(history, jobs=(parent, child), marks=())) == []
    late = tuple(replace(one, amended=True) for one in history.jobs[0].executions[:1])
    told = replace(history.jobs[0], runs=history.jobs[0].runs[:1], owed=DUES[:1], executions=late)
    told = replace(told, counters=Counters(success=1))
    assert check(replace(history, jobs=(told, child), marks=history.marks[:2])) == []
    for runs in ((why, replace(why, id="again")), (replace(why, state="success", reason=""),)):
        assert "I1" in broken(replace(history, jobs=(parent, replace(child, runs=runs)), marks=()))


def test_what_is_still_open_and_what_has_no_reason() -> None:
    history = clean()
    first, second = history.jobs[0].executions
    assert "I2" in broken(replace(history, open_executions=(first.id,)))
    assert "I2" in broken(with_job(history, executions=(replace(first, state="running"), second)))
    assert "I2" in broken(with_job(history, executions=(replace(first, state="lost", reason="bad luck"), second)))


def test_an_attempt_after_one_whose_end_nobody_knows() -> None:
    history = clean()
    first, second = history.jobs[0].executions
    lost = Attempt(number=1, token=1, state="lost", reason="lease_expired")
    again = replace(first, attempt=2, attempts=(lost, Attempt(number=2, token=7, state="success")))
    assert "I3" in broken(with_job(history, executions=(again, second)))
    assert "I3" not in broken(with_job(history, executions=(again, second), delivery="at_least_once"))


def test_a_command_that_was_started_twice_under_one_token() -> None:
    history = clean()
    assert "I3" in broken(replace(history, marks=(*history.marks, history.marks[0])))


def test_at_least_once_that_was_given_up_too_soon() -> None:
    history = with_job(clean(), delivery="at_least_once", max_attempts=3)
    first, second = history.jobs[0].executions
    failed = replace(first, state="failed", reason="exit")
    assert "I4" in broken(with_job(history, executions=(failed, second)))
    assert "I4" not in broken(with_job(history, executions=(replace(failed, attempt=3), second)))


def test_a_command_that_ran_and_that_no_record_knows() -> None:
    history = clean()
    stray = replace(history.marks[0], token=99)
    assert "I5" in broken(replace(history, marks=(*history.marks, stray)))


def test_a_success_that_the_job_knows_nothing_of() -> None:
    history = clean()
    assert "I5" in broken(replace(history, marks=history.marks[:1] + history.marks[2:]))
    failed = replace(history.marks[1], what="fail")
    assert "I5" in broken(replace(history, marks=(history.marks[0], failed, *history.marks[2:])))


def test_a_skipped_one_that_ran() -> None:
    history = clean()
    first, second = history.jobs[0].executions
    skipped = replace(first, state="skipped", reason="not_started_in_deadline")
    assert "I5" in broken(with_job(history, executions=(skipped, second)))


def test_two_runs_of_a_job_that_forbids_overlap_at_once() -> None:
    history = clean()
    first, second = history.jobs[0].executions
    crossed = (*marks(first, end=DUES[1] + 100), *marks(second))
    assert "I6" in broken(replace(history, marks=crossed))
    assert "I6" not in broken(with_job(replace(history, marks=crossed), at_once=0))


def test_a_pool_in_which_more_run_than_it_has_slots() -> None:
    history = clean()
    first, second = history.jobs[0].executions
    crossed = (*marks(first, end=DUES[1] + 100), *marks(second))
    shared = with_job(replace(history, marks=crossed, pools={"db": 3}), at_once=0, pools={"db": 2})
    assert "I6" in broken(shared)
    assert "I6" not in broken(replace(shared, pools={"db": 4}))


@pytest.mark.parametrize("counters", [Counters(success=1), Counters(success=2, lost=1)])
def test_counters_that_differ_from_the_records(counters: Counters) -> None:
    assert broken(with_job(clean(), counters=counters)) == {"I7"}


def test_an_epoch_that_comes_back() -> None:
    assert broken(replace(clean(), epochs=(1, 3, 2))) == {"I8"}


def test_a_token_that_two_attempts_hold() -> None:
    history = clean()
    first, second = history.jobs[0].executions
    same = replace(second, attempts=(replace(second.attempts[0], token=1),))
    assert "I9" in broken(with_job(history, executions=(first, same)))


def test_what_is_left_behind() -> None:
    assert broken(replace(clean(), processes=("4711 backup@1.0",))) == {"I10"}
    assert broken(replace(clean(), waiting_messages=("dkronpy.node.n1",))) == {"I10"}


def test_without_the_jobs_own_word_what_needs_it_is_not_judged() -> None:
    assert check(replace(clean(), marks=(), witnessed=False)) == []
    assert "I5" in broken(replace(clean(), marks=()))


def test_every_rule_has_been_broken_here() -> None:
    assert set(RULES) == {f"I{number}" for number in range(1, 11)}


def test_lines_of_jobs_are_read_and_a_torn_one_is_passed_over() -> None:
    found = read_marks(
        ["start a@1.0 7 n1 1500000000000000", "ok a@1.0 7 n1 1500000900000000", "start a@2.0", "x y z 1 2"]
    )
    assert [(mark.what, mark.execution, mark.token, mark.at_ms) for mark in found] == [
        ("start", "a@1.0", 7, 1_500_000_000),
        ("ok", "a@1.0", 7, 1_500_000_900),
    ]
