"""A backup holds everything, a restore brings it back, and a file that is not whole changes nothing."""

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path

import pytest

from dkronpy.clock import iso_ms
from dkronpy.execution import Attempt, Execution, Output, Run, execution_id, run_id
from dkronpy.job import Job
from dkronpy.job import Run as Runs
from dkronpy.schedule.calendar import Calendar
from dkronpy.store.redbeat import redbeat_meta
from tests.integration.cli.conftest import CommandLine

DUE_MS = 1_795_000_000_000


@pytest.fixture
def full(dkronpy: CommandLine) -> CommandLine:
    """Two jobs, one with a counter and a finished run that printed something."""
    dkronpy.client.save_job(Job(name="tick", schedule="@every 7s", run=Runs("shell", {"command": "true"})))
    dkronpy.client.save_job(Job(name="tock", after=("tick",), run=Runs("shell", {"command": "true"}), doc="\u00fcber"))
    deployment = dkronpy.client.deployment
    deployment.store.client.hset(
        deployment.store.keys.job_state("tick"),
        mapping={"success_count": 41, "last_success_ms": DUE_MS, "status": "success"},
    )
    name = run_id("tick", DUE_MS)
    attempt = Attempt(
        number=1, token=7, node="n1", state="success", exit_code=0, started_ms=DUE_MS, finished_ms=DUE_MS + 5
    )
    printed = Output(head=b"hello\n\xff", size=7)
    deployment.results.save_execution(
        Execution(
            id=execution_id(name, 0), run_id=name, job="tick", node="n1", due_ms=DUE_MS, state="success", attempt=1,
            attempts=(attempt,), output=printed,
        )
    )  # fmt: skip
    deployment.results.save_run(
        Run(
            id=name,
            job="tick",
            due_ms=DUE_MS,
            state="success",
            finished_ms=DUE_MS + 5,
            execution_ids=(execution_id(name, 0),),
        )
    )
    return dkronpy


def emptied(dkronpy: CommandLine) -> None:
    dkronpy.client.deployment.store.client.flushall()


def test_what_was_backed_up_comes_back(full: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl.gz"
    before, anchor = full.client.job("tick"), full.client.job("tick").stored.anchor_ms
    run = full.client.run(run_id("tick", DUE_MS))
    written = full("backup", str(file))
    assert (written.exit_code, written.stderr.strip()) == (0, f"2 jobs and 1 run in {file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    emptied(full)
    restored = full("restore", str(file), "--yes")
    assert restored.exit_code == 0, restored.stderr
    assert "2 jobs and 1 run restored" in restored.stderr
    after = full.client.job("tick")
    assert (after.job, after.stored.source) == (before.job, before.stored.source)
    assert after.stored.anchor_ms == anchor, "the phase of @every has changed"
    assert (after.state.success_count, after.state.status) == (41, "success")
    assert after.state.dependent_jobs == ("tock",)
    assert full.client.job("tock").job.doc == "\u00fcber"
    assert full.client.run(run_id("tick", DUE_MS)) == run
    assert full.client.output(run.executions[0]).head == b"hello\n\xff"


def test_an_after_that_has_run_is_not_owed_again_where_it_is_restored(full: CommandLine, tmp_path: Path) -> None:
    file, store = tmp_path / "all.jsonl.gz", full.client.deployment.store
    moment = store.now_ms() - 60_000
    for name in ("once", "waiting"):
        schedule = f"@after {iso_ms(moment)} <PT2H"
        full.client.save_job(Job(name=name, schedule=schedule, run=Runs("shell", {"command": "true"})))
    store.client.hset(store.keys.entry("once"), "meta", redbeat_meta(moment))
    assert full("backup", str(file)).exit_code == 0

    emptied(full)
    assert full("restore", str(file), "--yes").exit_code == 0
    assert full.client.job("once").stored.due_ms is None
    assert full.client.job("waiting").stored.due_ms == moment
    assert full("backup", str(file)).exit_code == 0
    emptied(full)
    assert full("restore", str(file), "--yes").exit_code == 0
    assert full.client.job("once").stored.due_ms is None, "a backup of what was restored knows it as well"


def test_what_jobs_need_comes_with_them_and_what_was_paused_stays_paused(full: CommandLine, tmp_path: Path) -> None:
    file, client = tmp_path / "all.jsonl.gz", full.client
    client.pools.set("db", 3)
    client.calendars.save(Calendar(name="bank", off=("2026-12-25",)))
    run, bank = Runs("shell", {"command": "true"}), client.calendars.get("bank")
    pay = Job(name="pay", schedule="0 9 * * *", run=run, pools={"db": 1}, calendar=bank)
    client.save_job(pay)
    pause = client.maintenance.pause(job="pay", reason="audit")
    assert full("backup", str(file)).stderr.startswith("3 jobs, 1 pool, 1 calendar, 1 pause and 1 run")

    emptied(full)
    assert full("restore", str(file), "--yes").exit_code == 0
    assert client.job("pay").job == pay
    assert [(pool.name, pool.slots) for pool in client.pools.all()] == [("db", 3)]
    assert client.calendars.get("bank").off == ("2026-12-25",)
    assert client.maintenance.pauses() == [pause]
    client.pools.set("db", 9)
    assert full("restore", str(file), "--yes").exit_code == 0
    assert client.pools.all()[0].slots == 9, "what is there stays"


def test_a_file_of_the_first_format_can_still_be_restored(full: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl.gz"
    full("backup", str(file))
    whole = gzip.decompress(file.read_bytes())
    assert b'"format":2' in whole
    file.write_bytes(gzip.compress(whole.replace(b'"format":2', b'"format":1', 1)))
    emptied(full)
    assert full("restore", str(file), "--yes").exit_code == 0
    assert [view.job.name for view in full.client.jobs()] == ["tick", "tock"]


def test_it_may_be_restored_twice_and_beside_what_there_is(full: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl.gz"
    full("backup", str(file))
    full.client.save_job(Job(name="another", schedule="@manually", run=Runs("shell", {"command": "true"})))
    for _ in range(2):
        assert full("restore", str(file), "--yes").exit_code == 0
    assert [view.job.name for view in full.client.jobs()] == ["another", "tick", "tock"]
    assert full.client.job("tick").state.success_count == 41


def test_a_job_that_differs_is_named_and_nothing_is_written(full: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl.gz"
    full("backup", str(file))
    full.client.save_job(Job(name="tick", schedule="@every 9s", run=Runs("shell", {"command": "true"})))
    full.client.delete_job("tock")
    refused = full("restore", str(file), "--yes")
    assert refused.exit_code == 6
    assert "1 jobs exist and differ from the backup: tick" in refused.stderr
    assert [view.job.schedule for view in full.client.jobs()] == ["@every 9s"]
    kept = full("restore", str(file), "--yes", "--differing", "keep")
    assert "left as they are: tick" in kept.stderr
    assert [view.job.schedule for view in full.client.jobs()] == ["@every 9s", ""]
    assert full("restore", str(file), "--yes", "--differing", "replace").exit_code == 0
    assert full.client.job("tick").job.schedule == "@every 7s"


def test_a_file_that_was_cut_short_or_is_none_changes_nothing(full: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl.gz"
    full("backup", str(file))
    whole = gzip.decompress(file.read_bytes())
    lines = whole.splitlines(keepends=True)
    emptied(full)
    bad = {
        "cut in the middle": file.read_bytes()[:-20],
        "without its end": gzip.compress(b"".join(lines[:-1])),
        "a line missing": gzip.compress(b"".join([lines[0], *lines[2:]])),
        "nonsense": gzip.compress(lines[0] + b"{nonsense\n"),
        "no gzip": whole,
        "another format": gzip.compress(lines[0].replace(b'"format":2', b'"format":99') + b"".join(lines[1:])),
    }
    for what, content in bad.items():
        file.write_bytes(content)
        refused = full("restore", str(file), "--yes")
        assert (refused.exit_code, what) == (3, what), refused.stderr
        assert str(file) in refused.stderr
        assert full.client.jobs() == []


def test_the_lines_are_json_that_anything_can_read(full: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl.gz"
    full("backup", str(file), "--no-history")
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert [line["what"] for line in lines] == ["dkronpy-backup", "job", "job", "end"]
    assert lines[1]["definition"]["schedule"] == "@every 7s"
    assert "2 jobs and 0 runs" in full("restore", str(file), "--dry-run").stderr


def test_a_place_that_cannot_be_written_is_named_and_leaves_nothing(full: CommandLine, tmp_path: Path) -> None:
    refused = full("backup", str(tmp_path / "nowhere" / "all.gz"))
    assert refused.exit_code != 0
    assert "Traceback" not in refused.stderr
    assert "nowhere" in refused.stderr
    assert list(tmp_path.glob("*.part")) == []
