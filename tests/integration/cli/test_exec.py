"""`exec` in front of a command that cron starts, pings, and `adopt`, on a real store."""

from __future__ import annotations

import json
import re
import signal
from contextlib import ExitStack
from pathlib import Path

from dkronpy.client.outside import Ended, Unreached
from dkronpy.errors import StoreUnavailableError
from dkronpy.node import on_node
from tests.integration.cli.conftest import CommandLine
from tests.support import wait_until

SCRIPT = "echo one; echo two >&2; exit 3"


def ran(dkronpy: CommandLine, *arguments: str, **env: str) -> tuple[int, bytes, bytes]:
    """Run a command as a process; its exit status and output."""
    with dkronpy.process(*arguments, env={"DKRONPY_NODE_NAME": "cronbox", **env}) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def test_a_run_is_recorded_and_the_exit_status_passed_on(dkronpy: CommandLine) -> None:
    status, out, err = ran(dkronpy, "exec", "--job", "backup", "--", "sh", "-c", SCRIPT)
    assert (status, err) == (3, b"")
    assert sorted(out.splitlines()) == [b"one", b"two"]

    (run,) = dkronpy.client.runs(job="backup")
    assert (run.state, run.reason, run.fired_by) == ("failed", "exit", "exec on cronbox")
    (execution,) = dkronpy.client.run(run.id).executions
    assert (execution.node, execution.attempts[-1].exit_code) == ("cronbox", 3)
    assert sorted(dkronpy.client.output(execution).head.splitlines()) == [b"one", b"two"]

    view = dkronpy.client.job("backup")
    assert (view.state.error_count, view.stored.source, view.job.on) == (1, "exec", on_node("cronbox"))
    assert view.job.executor_config["command"] == ["sh", "-c", SCRIPT]


def test_a_run_is_seen_while_it_goes_on_and_can_be_cancelled(dkronpy: CommandLine) -> None:
    with dkronpy.process(
        "exec", "--job", "long", "--", "sleep", "60", env={"DKRONPY_LEASE": "6s", "DKRONPY_LEASE_RENEW": "1s"}
    ) as process:
        (run,) = wait_until(lambda: dkronpy.client.runs(job="long"), timeout=20, description="the run is there")
        assert run.state == "running"
        dkronpy.client.cancel_run(run.id)
        wait_until(lambda: process.poll() is not None, timeout=20, description="the command is ended")
        assert process.returncode == 128 + signal.SIGTERM
    assert dkronpy.client.run(run.id).run.reason == "cancelled"


def test_the_command_runs_while_the_store_is_away_and_is_told_later(dkronpy: CommandLine) -> None:
    away = {"DKRONPY_STORE_URL": "redis://127.0.0.1:1/0"}
    status, out, err = ran(dkronpy, "exec", "--job", "backup", "--", "echo", "done", **away)
    assert (status, out) == (0, b"done\n")
    assert err.startswith(b"dkronpy: cannot reach Redis")
    assert ran(dkronpy, "exec", "--job", "backup", "--quiet", "--", "false", **away) == (1, b"", b"")
    assert dkronpy.client.runs() == []

    ran(dkronpy, "exec", "--job", "backup", "--", "true")
    states = [run.state for run in reversed(dkronpy.client.runs(job="backup"))]
    assert states == ["success", "failed", "success"], "in the order in which they began"
    assert not list((dkronpy.folder / "data" / "exec").iterdir())


def test_a_run_is_kept_where_no_store_is_known_and_told_by_the_next_that_finds_one(dkronpy: CommandLine) -> None:
    """As in a crontab while `dkronpy up` is down: no address is set, and no store.url lies in the data folder."""
    nowhere = {"DKRONPY_STORE_URL": ""}
    spool, store_url = dkronpy.folder / "data" / "exec", dkronpy.folder / "data" / "store.url"
    status, _, err = ran(dkronpy, "exec", "--job", "backup", "--", "sh", "-c", SCRIPT, **nowhere)
    assert (status, err.count(b"\n")) == (3, 1)
    assert err.startswith(b"dkronpy: no store is set, and none was started from")
    assert ran(dkronpy, "exec", "--job", "backup", "--quiet", "--", "true", **nowhere) == (0, b"", b"")
    assert [path.suffix for path in spool.iterdir()] == [".run", ".run"]

    store_url.write_text(dkronpy.environment["DKRONPY_STORE_URL"])
    assert ran(dkronpy, "exec", "--job", "backup", "--", "true", **nowhere) == (0, b"", b"")
    runs = list(reversed(dkronpy.client.runs(job="backup")))
    assert [run.state for run in runs] == ["failed", "success", "success"]
    (execution,) = dkronpy.client.run(runs[0].id).executions
    assert execution.attempts[-1].exit_code == 3
    assert sorted(dkronpy.client.output(execution).head.splitlines()) == [b"one", b"two"]
    assert not list(spool.iterdir())


def test_lines_of_a_crontab_that_end_together_tell_what_was_kept_once(dkronpy: CommandLine) -> None:
    kept = Unreached(StoreUnavailableError("away"), dkronpy.folder / "data" / "exec", node="cronbox", who="exec")
    for number in range(40):
        kept.keep(
            Ended(
                job="backup",
                node="cronbox",
                who="exec",
                started_ms=1_000 + number,
                took_ms=1,
                success=True,
                argv=("a",),
            )
        )
    with ExitStack() as together:
        arguments = ("exec", "--job", "other", "--", "true")
        lines = [together.enter_context(dkronpy.process(*arguments)) for _ in range(4)]
        assert [line.wait(60) for line in lines] == [0] * 4
    due = sorted(run.due_ms for run in dkronpy.client.runs(job="backup", limit=1000))
    assert due == [1_000 + number for number in range(40)]


def test_a_command_that_cannot_be_started_is_a_failure_of_its_own(dkronpy: CommandLine) -> None:
    status, out, err = ran(dkronpy, "exec", "--job", "backup", "--", "/no/such/program")
    assert (status, out) == (127, b"")
    assert b"/no/such/program: No such file or directory" in err
    assert dkronpy.client.runs(job="backup")[0].state == "failed"


def test_a_line_is_adopted_and_keeps_its_history(dkronpy: CommandLine) -> None:
    ran(dkronpy, "exec", "--job", "backup", "--", "true")
    crontab = dkronpy.folder / "crontab"
    line = "30 2 * * * /usr/bin/dkronpy exec --job backup --quiet -- /bin/backup --all | tail\n"
    crontab.write_text(
        f"PATH=/bin\nDKRONPY_DATA_DIR=/var/lib/dkronpy\nCRON_TZ=Europe/Berlin\n# the dump\n{line}0 5 * * * /bin/other\n"
    )
    arguments = ("adopt", "backup", "--crontab", str(crontab), "--node", "cronbox")

    assert "Shell(" in dkronpy(*arguments, "--dry-run").stdout
    assert dkronpy.client.job("backup").job.schedule == "@manually"

    done = dkronpy(*arguments)
    assert done.exit_code == 0, done.stderr
    assert "line 5 of" in done.stdout
    job = dkronpy.client.job("backup").job
    assert (job.schedule, job.timezone, job.on) == ("30 2 * * *", "Europe/Berlin", on_node("cronbox"))
    assert job.executor_config == {"command": "/bin/backup --all | tail", "env": {"PATH": "/bin"}, "shell": True}
    assert dkronpy.client.runs(job="backup")[0].state == "success"
    assert crontab.read_text().splitlines()[4] == ("# started by dkronpy since it adopted job backup: " + line.rstrip())
    assert crontab.read_text().splitlines()[5] == "0 5 * * * /bin/other"

    again = dkronpy(*arguments)
    assert again.exit_code == 5
    assert "no line of" in again.stderr
    # What it says to write works in cron, whose PATH does not lead here and whose folder is another one.
    (program,) = re.findall(r"put `(\S+) exec --job backup --`", again.stderr)
    assert Path(program).is_absolute()
    assert f"DKRONPY_DATA_DIR={dkronpy.folder / 'data'}`" in again.stderr


def test_pings_are_runs(dkronpy: CommandLine) -> None:
    dkronpy.shell("nightly", "true")
    client = dkronpy.client
    client.ping_job("nightly")
    client.ping_job("nightly", "start")
    assert [run.state for run in client.runs(job="nightly")] == ["running", "success"]
    client.ping_job("nightly", "fail", output=b"no space left", exit_code=28)
    failed, _ = client.runs(job="nightly")
    assert (failed.state, failed.reason) == ("failed", "exit")
    (execution,) = client.run(failed.id).executions
    assert client.output(execution).head == b"no space left"
    assert json.loads(dkronpy("runs", "list", "-o", "json").stdout)[0]["state"] == "failed"
