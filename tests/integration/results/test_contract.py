"""What every results backend promises, asked of Redis, SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from dkronpy.errors import StoreUnavailableError
from dkronpy.execution import Attempt, Execution, Output, Run
from dkronpy.results.backend import Filed, ResultsBackend
from dkronpy.results.keep import Keep
from dkronpy.results.opening import open_results
from tests.integration.results.conftest import Opener, Place
from tests.integration.results.records import T0, a_run, an_execution, save_all, save_in_processes

HOUR_MS = 3_600_000


def ids(runs: list[Run]) -> list[str]:
    return [run.id for run in runs]


class TestSave:
    def test_a_run_comes_back_as_it_was_saved(self, results: ResultsBackend) -> None:
        run = a_run(
            trigger="manual",
            state="partially_failed",
            reason="exit",
            message="1 of 2 nodes failed: «ärger» 💥\nsecond line",
            decision="collapse",
            until_ms=T0 + 5000,
            count=6,
        )
        results.save_run(run)
        assert results.run(run.id) == run

    def test_an_execution_comes_back_with_its_attempts_and_output(self, results: ResultsBackend) -> None:
        execution = an_execution(cancel=True, reason="cancelled", message="Abbruch: 停止")
        results.save_execution(execution)
        assert results.execution(execution.id) == execution

    def test_what_was_never_saved_is_none_or_empty(self, results: ResultsBackend) -> None:
        assert results.run("nothing@never") is None
        assert results.execution("nothing@never.0") is None
        assert results.execution("") is None
        assert results.executions("nothing@never") == []
        assert results.run_at("nothing", T0) is None
        assert results.runs() == []
        assert results.delete_job("nothing") == 0
        assert results.prune(T0, lambda _job: Keep(runs=0, age=timedelta(0))) == 0
        results.ping()

    def test_a_replay_changes_nothing(self, results: ResultsBackend) -> None:
        run, execution = a_run(), an_execution()
        for _ in range(3):
            results.save_execution(execution)
            results.save_run(run)
        assert results.runs() == [run]
        assert results.executions(run.id) == [replace(execution, output=Output(size=5000))]
        assert results.execution(execution.id) == execution

    def test_many_runs_are_saved_at_one_go_each_with_the_executions_that_are_given(
        self, results: ResultsBackend
    ) -> None:
        first, second = a_run(due_ms=T0), a_run(due_ms=T0 + 1)
        results.save_runs([(first, [an_execution(first)]), (second, [])])
        assert ids(results.runs()) == [second.id, first.id]
        assert [len(results.executions(run.id)) for run in (first, second)] == [1, 0]

    def test_a_lost_execution_that_turns_out_a_success_is_replaced(self, results: ResultsBackend) -> None:
        lost_run = a_run(state="lost", reason="lease_expired")
        lost = an_execution(lost_run, state="lost", reason="lease_expired", output=Output())
        amended = an_execution(lost_run, amended=True)
        results.save_execution(lost)
        results.save_run(lost_run)
        results.save_execution(amended)
        results.save_run(replace(lost_run, state="success", reason=""))
        results.save_execution(lost)  # the first record is replayed late
        assert results.execution(lost.id) == amended
        assert ids(results.runs(state="lost")) == []
        assert ids(results.runs(state="success")) == [lost_run.id]

    def test_what_has_ended_is_not_replaced_by_what_goes_on(self, results: ResultsBackend) -> None:
        run, execution = a_run(state="failed"), an_execution(state="failed")
        results.save_execution(execution)
        results.save_run(run)
        results.save_execution(replace(execution, state="running", output=Output(head=b"old", size=3)))
        results.save_run(replace(run, state="running", finished_ms=0))
        assert results.execution(execution.id) == execution
        assert results.run(run.id) == run
        assert ids(results.runs(state="failed")) == [run.id]
        assert ids(results.runs(state="running")) == []

    def test_saving_what_a_list_returned_keeps_the_output(self, results: ResultsBackend) -> None:
        execution = an_execution()
        results.save_execution(execution)
        (listed,) = results.executions(execution.run_id)
        results.save_execution(replace(listed, message="seen by an operator", amended=True))
        found = results.execution(execution.id)
        assert found is not None
        assert found.message == "seen by an operator"
        assert found.output == execution.output

    def test_a_run_comes_with_its_executions_or_not_at_all(self, results: ResultsBackend) -> None:
        run = a_run()
        executions = [an_execution(run, index) for index in range(2)]
        results.save_run(run, executions=executions)
        assert results.run(run.id) == run
        assert [results.execution(one.id) for one in executions] == executions
        other = a_run(due_ms=T0 + 1)
        with pytest.raises(ValueError, match="its id has to be its run's"):
            results.save_run(other, executions=[an_execution(other), an_execution(other, id="x.0")])
        assert results.run(other.id) is None
        assert results.executions(other.id) == []

    def test_a_late_execution_joins_a_run_that_was_filed(self, results: ResultsBackend) -> None:
        run, late = a_run(), an_execution(index=1)
        results.save_run(run, executions=[an_execution()])
        results.save_run(replace(run, state="running"), executions=[late])
        assert results.run(run.id) == run
        assert results.execution(late.id) == late

    def test_what_is_filed_is_told_for_many(self, results: ResultsBackend) -> None:
        whole, bare, never = a_run(), a_run(due_ms=T0 + 1), a_run(due_ms=T0 + 2)
        half = a_run(due_ms=T0 + 3)
        results.save_run(whole, executions=[an_execution(whole, index) for index in range(2)])
        results.save_run(bare)
        results.save_execution(an_execution(half, 1))
        assert results.filed([one.id for one in (half, never, bare, whole)]) == [
            Filed(executions=frozenset({half.execution_ids[1]})),
            Filed(),
            Filed(run=bare),
            Filed(run=whole, executions=frozenset(whole.execution_ids)),
        ]
        assert results.filed([]) == []

    def test_an_execution_that_is_not_of_its_run_is_refused(self, results: ResultsBackend) -> None:
        with pytest.raises(ValueError, match=r"execution 'x\.0': its id has to be its run's, 'y', and a number"):
            results.save_execution(an_execution(id="x.0", run_id="y"))


class TestOutput:
    @pytest.mark.parametrize(
        "output",
        [
            Output(),
            Output(head=b"\xff\xfe\x00 not UTF-8 \xc3\x28", tail=b"\x80\x81", size=1000),
            Output(head=b"one\n", size=4, marks=b"\x93\x64\x00\xff"),
            Output(head="ünïcödé 日本語 💥".encode(), size=29),
            Output(head=bytes(range(256)) * 8192, tail=b"\x00" * 2_000_000, size=5_000_000_000),
        ],
        ids=["empty", "not-utf-8", "marked", "unicode", "large"],
    )
    def test_it_comes_back_byte_for_byte(self, results: ResultsBackend, output: Output) -> None:
        execution = an_execution(output=output)
        results.save_execution(execution)
        found = results.execution(execution.id)
        assert found is not None
        assert found.output == output

    def test_an_attempt_that_says_nothing_leaves_nothing_of_the_one_before(self, results: ResultsBackend) -> None:
        results.save_execution(an_execution(state="retry_wait"))
        silent = an_execution(output=Output())
        results.save_execution(silent)
        assert results.execution(silent.id) == silent

    def test_lists_have_only_its_size(self, results: ResultsBackend) -> None:
        execution = an_execution(output=Output(head=b"x" * 100, size=100))
        results.save_execution(execution)
        bare = replace(execution, output=Output(size=100))
        assert results.executions(execution.run_id) == [bare]
        assert results.execution(execution.id, output=False) == bare

    def test_text_that_no_database_takes_is_mended(self, results: ResultsBackend) -> None:
        broken = "NUL \x00 and a lone surrogate \udc80"
        attempt = Attempt(number=1, message=broken)
        run, execution = a_run(message=broken), an_execution(message=broken, attempts=(attempt,))
        results.save_run(run)
        results.save_execution(execution)
        found_run, found = results.run(run.id), results.execution(execution.id)
        assert found_run is not None
        assert found is not None
        mended = "NUL \ufffd and a lone surrogate \ufffd"
        assert [found_run.message, found.message, found.attempts[0].message] == [mended] * 3


class TestLists:
    def test_executions_are_in_the_order_of_their_numbers(self, results: ResultsBackend) -> None:
        run = a_run()
        for index in (10, 2, 0, 11, 1):
            results.save_execution(an_execution(run, index))
        results.save_execution(an_execution(a_run(due_ms=T0 + 1)))
        assert [found.id.rpartition(".")[2] for found in results.executions(run.id)] == ["0", "1", "2", "10", "11"]

    def test_runs_are_newest_first_by_due_time_then_id(self, results: ResultsBackend) -> None:
        saved = [a_run("backup", T0 + 1), a_run("Zoo", T0), a_run("alpha", T0), a_run("backup", T0 + 9)]
        for run in saved:
            results.save_run(run)
        expected = [saved[3], saved[0], saved[2], saved[1]]  # ids sort by their bytes: alpha after Zoo
        assert results.runs() == expected
        assert results.runs(limit=2) == expected[:2]
        assert results.runs(limit=0) == []

    def test_runs_are_found_by_job_state_and_time(self, results: ResultsBackend) -> None:
        for number in range(12):
            state = "failed" if number % 3 == 0 else "success"
            results.save_run(a_run("backup", T0 + number * 1000, state=state))
            results.save_run(a_run("report", T0 + number * 1000))

        def numbers(**query: Any) -> list[int]:
            return [(run.due_ms - T0) // 1000 for run in results.runs(**query)]

        assert numbers(job="backup", state="failed") == [9, 6, 3, 0]
        assert numbers(state="failed", limit=3) == [9, 6, 3]
        assert numbers(job="report", state="failed") == []
        assert numbers(state="no such state") == []
        assert numbers(job="backup", after_ms=T0 + 3000, before_ms=T0 + 6000) == [5, 4, 3]
        assert numbers(job="backup", state="failed", before_ms=T0 + 9000, limit=2) == [6, 3]

    def test_all_pages_together_are_all_runs(self, results: ResultsBackend) -> None:
        save_all(results, ["backup"], 23, threads=4)
        seen: list[int] = []
        before_ms = None
        while page := results.runs(job="backup", limit=5, before_ms=before_ms):
            seen += [run.due_ms for run in page]
            before_ms = page[-1].due_ms
        assert seen == [T0 + number * 1000 for number in reversed(range(23))]

    def test_a_filter_looks_past_the_first_page(self, results: ResultsBackend) -> None:
        for number in range(300):
            results.save_run(a_run(due_ms=T0 + number, state="failed" if number < 3 else "success"))
        assert [run.due_ms - T0 for run in results.runs(job="backup", state="failed")] == [2, 1, 0]

    @pytest.mark.parametrize("other", ["backup2", "back", "backup:x", "backup*", "BACKUP", "backup%", "state:failed"])
    def test_a_name_that_resembles_another_is_another(self, results: ResultsBackend, other: str) -> None:
        results.save_run(a_run("backup"))
        results.save_run(a_run(other, T0 + 1))
        results.save_execution(an_execution(a_run(other, T0 + 1)))
        assert ids(results.runs(job="backup")) == [a_run("backup").id]
        assert results.delete_job("backup") == 1
        assert results.runs() == [a_run(other, T0 + 1)]
        assert len(results.executions(a_run(other, T0 + 1).id)) == 1


class TestRunAt:
    def test_the_run_of_exactly_that_due_time(self, results: ResultsBackend) -> None:
        for number in range(3):
            results.save_run(a_run(due_ms=T0 + number * 1000))
        results.save_run(a_run("other", T0 + 1500))
        assert results.run_at("backup", T0 + 1000) == a_run(due_ms=T0 + 1000)
        assert results.run_at("backup", T0 + 1500) is None

    def test_a_scheduled_run_comes_before_a_manual_one(self, results: ResultsBackend) -> None:
        results.save_run(a_run(suffix="a1", trigger="manual"))
        assert results.run_at("backup", T0) == a_run(suffix="a1", trigger="manual")
        results.save_run(a_run())
        assert results.run_at("backup", T0) == a_run()

    def test_the_range_that_covers_it(self, results: ResultsBackend) -> None:
        first = a_run(due_ms=T0, until_ms=T0 + HOUR_MS, count=61, state="skipped", reason="misfire_collapsed")
        second = replace(first, id="backup@later", due_ms=T0 + 2 * HOUR_MS, until_ms=T0 + 3 * HOUR_MS)
        for record in (first, second, a_run(due_ms=T0 + 60_000)):
            results.save_run(record)
        assert results.run_at("backup", T0 - 1) is None
        assert results.run_at("backup", T0) == first
        assert results.run_at("backup", T0 + 1) == first
        assert results.run_at("backup", T0 + HOUR_MS) == first
        assert results.run_at("backup", T0 + HOUR_MS + 1) is None
        assert results.run_at("backup", T0 + 2 * HOUR_MS + 5) == second
        assert results.run_at("backup", T0 + 3 * HOUR_MS + 1) is None
        assert results.run_at("other", T0 + 1) is None
        assert results.run_at("backup", T0 + 60_000) == a_run(due_ms=T0 + 60_000)


class TestTogether:
    def test_eight_threads_lose_nothing(self, results: ResultsBackend) -> None:
        save_all(results, ["a", "b", "c"], 20, threads=8)
        self.assert_complete(results, ["a", "b", "c"], 20)

    def test_two_processes_start_at_once_on_an_empty_place(self, place: Place, open_place: Opener) -> None:
        save_in_processes(place.url, ["a", "shared"], ["b", "shared"], threads=4, count=10)
        self.assert_complete(open_place(place.url), ["a", "b", "shared"], 10)

    @staticmethod
    def assert_complete(results: ResultsBackend, jobs: list[str], count: int) -> None:
        for job in jobs:
            runs = results.runs(job=job, limit=1000)
            assert [run.due_ms for run in runs] == [T0 + number * 1000 for number in reversed(range(count))]
            for run in runs:
                assert results.run(run.id) == a_run(job, run.due_ms)
                kept = [results.execution(execution_id) for execution_id in run.execution_ids]
                assert kept == [an_execution(run, 0), an_execution(run, 1)]


class TestAway:
    def test_it_is_our_error_and_the_next_call_after_it_is_back_works(self, place: Place, open_place: Opener) -> None:
        url = place.url.replace("timeout=30", "timeout=0.1")
        results = open_place(url)
        results.save_run(a_run())
        late = an_execution(a_run(due_ms=T0 + 1))
        with place.away():
            for attempt in range(2):
                with pytest.raises(StoreUnavailableError) as caught:
                    results.save_execution(late)
                message = str(caught.value)
                assert "\n" not in message, attempt
                assert message.startswith(f"results backend {place.kind}")
                assert "not reachable: " in message
                assert "s3cret" not in message
        results.save_execution(late)
        assert results.execution(late.id) == late

    def test_nothing_is_asked_of_it_before_its_first_use(self, place: Place) -> None:
        results = open_results(place.url.replace("timeout=30", "timeout=0.1"))
        with place.away(), pytest.raises(StoreUnavailableError):
            results.save_run(a_run())
        results.save_run(a_run())
        assert results.runs() == [a_run()]
        results.close()


def test_the_records_here_have_no_default_left(results: ResultsBackend) -> None:
    """Every field is stored: one whose value were lost would come back as its default."""
    run = Run(**{name: _unusual(name, kind) for name, kind in Run.__annotations__.items()})
    results.save_run(run)
    assert results.run(run.id) == run
    attempt = Attempt(**{name: _unusual(name, kind) for name, kind in Attempt.__annotations__.items()})
    fields = {name: _unusual(name, kind) for name, kind in Execution.__annotations__.items()}
    fields |= {"attempts": (attempt,), "output": Output(head=b"h", tail=b"t", size=9)}
    execution = Execution(**{**fields, "id": "r.3", "run_id": "r"})
    results.save_execution(execution)
    assert results.execution(execution.id) == execution


def _unusual(name: str, kind: str) -> Any:
    values = {"str": f"some {name}", "int": 2**40 + len(name), "bool": True, "int | None": 137}
    return ("r.0", "r.1") if kind.startswith("tuple") else values.get(kind)
