"""What every results backend promises of forgetting: when a run goes, and that all that hangs on it goes with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from dkronpy.results.backend import ResultsBackend
from dkronpy.results.keep import Keep
from tests.integration.results.records import T0, a_run, an_execution, save_all

HOUR_MS = 3_600_000
FOREVER = timedelta(days=10_000)


def keeping(**keep: Any) -> Callable[[str], Keep]:
    """The same for every job."""
    found = Keep(**keep)
    return lambda _job: found


def test_a_deleted_job_leaves_nothing_behind(results: ResultsBackend) -> None:
    save_all(results, ["backup", "report"], 5, threads=2)
    unfinished = an_execution(a_run(due_ms=T0 + 99_000))  # its run never came
    results.save_execution(unfinished)
    assert results.delete_job("backup") == 6
    assert results.runs(job="backup") == []
    assert results.execution(an_execution().id) is None
    assert results.execution(unfinished.id) is None
    assert results.run_at("backup", T0) is None
    assert len(results.runs()) == 5
    assert results.delete_job("backup") == 0


def test_of_which_jobs_it_will_ask_is_told_before(results: ResultsBackend) -> None:
    save_all(results, ["backup", "report"], 2, threads=2)
    told: list[str] = []

    def keep_of(job: str) -> Keep:
        assert not job or job in told
        return Keep(runs=1)

    assert results.prune(T0, keep_of, ahead=told.extend) == 2
    assert sorted(told) == ["backup", "report"]


def test_old_runs_go_with_all_that_hangs_on_them(results: ResultsBackend) -> None:
    save_all(results, ["backup", "report"], 10, threads=2)
    now_ms = T0 + 1000 + HOUR_MS + 4000  # the runs 0 to 3 ended more than an hour ago, run 4 exactly one
    assert results.prune(now_ms, keeping(age=timedelta(hours=1))) == 8
    assert [(run.due_ms - T0) // 1000 for run in results.runs(job="backup")] == [9, 8, 7, 6, 5, 4]
    assert results.run(a_run().id) is None
    assert results.executions(a_run().id) == []
    assert results.execution(an_execution().id) is None
    assert results.execution(an_execution(a_run(due_ms=T0 + 4000)).id) is not None
    assert results.prune(now_ms, keeping(age=timedelta(hours=1))) == 0


def test_age_counts_from_the_end_not_from_the_due_time(results: ResultsBackend) -> None:
    backfilled = a_run(due_ms=T0 - 1000 * HOUR_MS, finished_ms=T0, trigger="backfill")
    results.save_run(backfilled)
    results.save_run(a_run("skipped", T0, fired_ms=0, finished_ms=0, state="skipped"))
    assert results.prune(T0 + HOUR_MS, keeping(age=timedelta(hours=1))) == 0
    assert results.prune(T0 + HOUR_MS + 1, keeping(age=timedelta(hours=1))) == 2


def test_of_each_job_the_runs_that_ended_last_stay(results: ResultsBackend) -> None:
    save_all(results, ["backup", "report"], 6, threads=2)
    save_all(results, ["rare"], 2, threads=1)
    late = a_run(due_ms=T0 - HOUR_MS, finished_ms=T0 + HOUR_MS)
    results.save_run(late)
    assert results.prune(T0, keeping(age=FOREVER, runs=3)) == 4 + 3
    assert results.runs(job="backup")[-1].id == late.id
    assert [len(results.runs(job=job)) for job in ("backup", "report", "rare")] == [3, 3, 2]
    assert results.prune(T0, keeping(age=FOREVER, runs=3)) == 0


def test_no_call_forgets_more_than_its_budget(results: ResultsBackend) -> None:
    save_all(results, ["backup", "report"], 10, threads=4)
    few, none = keeping(age=FOREVER, runs=2), keeping(age=timedelta(0), runs=2)
    assert [results.prune(T0, few, budget=7) for _ in range(4)] == [7, 7, 2, 0]
    assert [results.prune(T0 + HOUR_MS, none, budget=3) for _ in range(3)] == [3, 1, 0]
    assert results.runs() == []


def test_little_by_little_the_same_goes_as_at_once(results: ResultsBackend) -> None:
    states = ("failed", "lost", "failed", "success", "failed", "failed", "success", "success")
    jobs = [f"job-{number}" for number in range(120)]  # more than one call looks at
    results.save_runs([
        (a_run(job, T0 + number * 1000, state=state), []) for job in jobs for number, state in enumerate(states)
    ])  # fmt: skip
    keep = keeping(runs=2, age=FOREVER, failures=2, failures_age=FOREVER)
    gone = [results.prune(T0, keep, budget=23) for _ in range(40)]
    assert max(gone) <= 23
    assert sum(gone) == 4 * len(jobs)
    for job in jobs:
        assert [run.state for run in results.runs(job=job)] == ["success", "success", "failed", "failed"]


def test_each_job_keeps_what_it_says(results: ResultsBackend) -> None:
    save_all(results, ["audited", "backup", "chatty"], 6, threads=2)
    said = {"audited": Keep(runs=5, age=FOREVER), "chatty": Keep(runs=1, age=FOREVER)}
    gone = results.prune(T0 + 2 * HOUR_MS, lambda job: said.get(job, Keep(age=timedelta(hours=1))))
    assert gone == 1 + 6 + 5
    assert [len(results.runs(job=job)) for job in ("audited", "backup", "chatty")] == [5, 0, 1]


def test_failures_stay_longer(results: ResultsBackend) -> None:
    states = ("failed", "success", "lost", "skipped", "partially_failed", "success", "failed", "success")
    runs = [a_run(due_ms=T0 + number * 1000, state=state) for number, state in enumerate(states)]
    for run in runs:
        results.save_execution(an_execution(run))
        results.save_run(run)
    keep = keeping(runs=2, age=FOREVER, failures=3, failures_age=FOREVER)
    assert results.prune(T0, keep) == 3
    assert [run.state for run in results.runs(job="backup")] == [
        "success", "failed", "partially_failed", "lost", "failed",
    ]  # fmt: skip
    assert results.prune(T0, keep) == 0
    assert results.execution(an_execution(runs[0]).id) is not None
    assert results.run_at("backup", T0) == runs[0]
    assert results.runs(state="lost") == [runs[2]]
    older = keeping(runs=2, age=FOREVER, failures=2, failures_age=FOREVER)
    assert results.prune(T0, older) == 1, "of those that failed the latest stay"
    assert results.run(runs[0].id) is None


def test_failures_are_forgotten_in_the_end(results: ResultsBackend) -> None:
    for number, state in enumerate(("failed", "failed", "success")):
        results.save_run(a_run(due_ms=T0 + number * HOUR_MS, state=state))
    keep = keeping(age=timedelta(minutes=30), failures_age=timedelta(hours=3))
    assert results.prune(T0 + 3 * HOUR_MS, keep) == 1
    assert [run.state for run in results.runs()] == ["failed", "failed"]
    assert results.prune(T0 + 3 * HOUR_MS + 1001, keep) == 1
    assert results.prune(T0 + 4 * HOUR_MS + 1001, keep) == 1
    assert results.runs() == []
    assert results.delete_job("backup") == 0


def test_a_job_whose_failures_alone_are_left_can_be_deleted(results: ResultsBackend) -> None:
    results.save_run(a_run(state="failed"))
    results.prune(T0 + HOUR_MS, keeping(age=timedelta(minutes=1)))
    assert [run.state for run in results.runs(job="backup")] == ["failed"]
    assert results.delete_job("backup") == 1
    assert results.runs() == []


def test_one_that_failed_no_longer_is_kept_as_others_are(results: ResultsBackend) -> None:
    """A lost run whose node reports a success late is amended; from then on it is no failure."""
    keep = keeping(age=timedelta(minutes=30))
    results.save_run(a_run(state="lost"))
    assert results.prune(T0 + HOUR_MS, keep) == 0
    results.save_run(a_run(state="success"))
    assert results.prune(T0 + HOUR_MS, keep) == 1


def test_executions_whose_run_never_came_go_too(results: ResultsBackend) -> None:
    execution = an_execution()
    results.save_execution(execution)
    assert results.prune(T0 + 2 * HOUR_MS, keeping(age=timedelta(hours=1))) == 1
    assert results.execution(execution.id) is None
