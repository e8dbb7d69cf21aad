"""`dkronpy audit`, `backfill` and `forecast` on a deployment that runs."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dkronpy.clock import from_ms
from dkronpy.job import Job, Run
from tests.integration.cli.conftest import CommandLine
from tests.support import wait_until


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Where jobs write a line as they begin and one as they end."""
    return tmp_path / "truth.txt"


def every_ten_minutes(fleet: CommandLine, name: str, truth: Path, work: str = "sleep 0.2", **fields: Any) -> None:
    """A job that says in *truth* when it begins and ends, and is not due for some minutes."""
    line = "$DKRONPY_RUN_ID"
    command = f"echo begin {line} >> {truth}; {work}; echo end {line} >> {truth}"
    run = Run("shell", {"command": command, "shell": True})
    now = from_ms(fleet.client.status().now_ms)
    minute = (now + timedelta(minutes=5)).minute % 10
    fleet.client.save_job(Job(name=name, schedule=f"{minute}-59/10 * * * *", run=run, **fields))


def lines(truth: Path) -> list[str]:
    return truth.read_text().splitlines() if truth.exists() else []


def most_at_once(truth: Path) -> int:
    active, most = 0, 0
    for line in lines(truth):
        active += 1 if line.startswith("begin") else -1
        most = max(most, active)
    return most


def audited(fleet: CommandLine, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fleet("audit", job, "-o", "json").stdout)[0]
    return found


def test_an_audit_is_clean_until_a_record_is_gone(fleet: CommandLine) -> None:
    fleet.client.save_job(Job(name="ticks", schedule="* * * * * *", run=Run("shell", {"command": "true"})))
    wait_until(lambda: len(fleet.client.runs(job="ticks")) >= 4, timeout=20, description="four runs")
    result = fleet("audit", "ticks")
    assert result.exit_code == 0, result.output
    assert "ticks  yes" in result.stdout
    assert "when its definition was last changed" in result.stderr
    fleet.client.toggle_job("ticks")
    before = [run for run in fleet.client.runs(job="ticks") if run.reason != "paused"]
    wait_until(lambda: fleet.client.status().open_executions == 0, description="all have ended")
    store, gone = fleet.client.deployment.store, before[1]
    wait_until(lambda: not store.client.zcard(store.keys.done), description="beat has seen all of them off")
    fleet.client.deployment.results.delete_job("ticks")
    store.client.delete(store.keys.run(gone.id))
    fleet.client.deployment.store.client.hset(store.keys.entry("ticks"), "saved_ms", before[-1].due_ms - 1)
    job = fleet.client.job("ticks").job
    store.client.hset(store.keys.entry("ticks"), "job", _enabled(job))
    result = fleet("audit", "ticks", "--to", from_ms(before[0].due_ms).isoformat(), "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)[0]["missing"] == [from_ms(gone.due_ms).strftime("%Y-%m-%dT%H:%M:%SZ")]
    fleet.client.delete_job("ticks")


def _enabled(job: Job) -> bytes:
    from dkronpy.job.json import encode_definition

    return encode_definition(job.but(enabled=True))


def test_a_disabled_job_owes_nothing(fleet: CommandLine) -> None:
    fleet.client.save_job(Job(name="off", schedule="* * * * * *", enabled=False, run=Run("shell", {"command": "true"})))
    found = audited(fleet, "off")
    assert (found["owed"], found["clean"]) == (0, True)
    assert "it is disabled and owes nothing" in found["notes"]


def test_a_window_that_makes_no_sense_is_refused(fleet: CommandLine) -> None:
    result = fleet("audit", "--from", "-1h", "--to", "-2h")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, "error: --to has to be after --from")
    assert fleet("audit", "nobody").exit_code == 5


def test_a_backfill_makes_up_for_each_due_time_once_and_never_too_many_at_a_time(
    fleet: CommandLine, truth: Path
) -> None:
    every_ten_minutes(fleet, "report", truth)
    result = fleet("backfill", "report", "--from", "-2h", "--max-active", "3", "-o", "json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert (row["due_times"], row["success"], row["left"]) == (12, 12, 0)
    assert "12/12 ended" in result.stderr
    begun = [line.split()[1] for line in lines(truth) if line.startswith("begin")]
    assert len(set(begun)) == len(begun) == 12
    assert {fleet.client.run(name).run.trigger for name in begun} == {"backfill"}
    assert 2 <= most_at_once(truth) <= 3
    again = json.loads(fleet("backfill", "report", "--from", "-2h", "-o", "json").stdout)[0]
    assert (again["due_times"], again["done_before"]) == (0, 12)
    assert len(lines(truth)) == 24


def test_a_backfill_of_a_job_that_forbids_overlap_runs_one_by_one(fleet: CommandLine, truth: Path) -> None:
    every_ten_minutes(fleet, "careful", truth, concurrency="forbid")
    result = fleet("backfill", "careful", "--from", "-50m", "--max-active", "8", "-o", "json")
    assert json.loads(result.stdout)[0]["success"] == 5, result.output
    assert most_at_once(truth) == 1


def test_a_backfill_that_failed_is_tried_again_by_the_next(fleet: CommandLine, truth: Path) -> None:
    good = truth.with_name("good")
    every_ten_minutes(fleet, "shaky", truth, work=f"test -e {good} || exit 3")
    assert fleet("backfill", "shaky", "--from", "-30m", "--max-active", "3").exit_code == 1
    good.touch()
    (row,) = json.loads(fleet("backfill", "shaky", "--from", "-30m", "--max-active", "3", "-o", "json").stdout)
    assert (row["due_times"], row["success"]) == (3, 3)
    ids = {run.id.partition("Z-")[2] for run in fleet.client.runs(job="shaky")}
    assert ids == {"backfill", "backfill2"}


def test_an_interrupted_backfill_is_taken_up_where_it_stopped(fleet: CommandLine, truth: Path) -> None:
    every_ten_minutes(fleet, "long", truth, work="sleep 0.5")
    arguments = ("backfill", "long", "--from", "-80m", "--max-active", "2", "-o", "json")
    with fleet.process(*arguments) as process:
        wait_until(lambda: len(lines(truth)) >= 2, timeout=20, description="the first have begun")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert b"the same command takes up the rest" in process.stderr.read()
    result = fleet(*arguments)
    assert result.exit_code == 0, result.output
    wait_until(lambda: len(lines(truth)) == 16, description="each of the eight has begun and ended")
    assert len(set(lines(truth))) == 16


def test_a_dry_run_starts_nothing(fleet: CommandLine, truth: Path) -> None:
    every_ten_minutes(fleet, "dry", truth)
    (row,) = json.loads(fleet("backfill", "dry", "--from", "-1h", "--dry-run", "-o", "json").stdout)
    assert (row["due_times"], row["left"], lines(truth)) == (6, 6, [])


def test_a_forecast_needs_no_more_than_the_schedules(fleet: CommandLine) -> None:
    jobs = fleet.folder / "busy.py"
    jobs.write_text(
        "from dkronpy import Job, Shell\n"
        "for n in range(3):\n"
        "    Job(name=f'noon-{n}', schedule='0 12 * * *', run=Shell('true'))\n"
        "Job(name='often', schedule='* * * * *', run=Shell('true'))\n"
    )
    result = fleet("--config", str(jobs), "forecast", "--days", "1", "--after", "2026-11-23T00:00:00Z", "-o", "json")
    found = json.loads(result.stdout)
    assert found["runs"] == 1440 + 3
    assert found["worst"][0] == {
        "minute": "2026-11-23T12:00:00Z",
        "runs": 4,
        "jobs": ["noon-0", "noon-1", "noon-2", "often"],
    }
    table = fleet("--config", str(jobs), "forecast", "--worst", "2")
    assert len(table.stdout.splitlines()) == 2
    assert "runs are due in 7 days" in table.stderr
