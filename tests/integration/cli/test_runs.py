"""Runs through the command line, on two real nodes and a real beat."""

from __future__ import annotations

import json
import re
import signal
from datetime import datetime
from pathlib import Path

from dkronpy.cli.follow import NOT_TOLD_APART
from dkronpy.job.json import go_time
from dkronpy.job.retry import Retry
from dkronpy.marks import MERGED, STDERR, STDOUT, Mark
from dkronpy.node import all_nodes, any_node
from dkronpy.store.output import OutputWriter
from tests.integration.cli.conftest import CommandLine
from tests.support import wait_until


def run_of(line: CommandLine, job: str, *arguments: str) -> str:
    """Start a job; the run's id."""
    return line("run", job, "-o", "name", *arguments).stdout.strip()


def ended(line: CommandLine, run: str) -> str:
    """Wait until a run has ended; its state."""
    return wait_until(
        lambda: (state := line.client.run(run).run.state) != "running" and state, description=f"{run} ends"
    )


def test_a_waited_run_prints_its_output_and_nothing_else_on_standard_output(fleet: CommandLine) -> None:
    fleet.shell("hello", "echo hello; echo oops >&2")
    result = fleet("run", "hello", "--wait")
    assert (result.exit_code, result.stdout) == (0, "hello\noops\n")
    first, last = result.stderr.splitlines()
    assert first.startswith("run hello@")
    assert first.split()[-1] in ("web1", "web2")
    assert last.startswith("success in ")
    for _ in range(2):
        fleet("run", "hello", "--wait")
    assert "(usually " in fleet("run", "hello", "--wait").stderr


def test_a_waited_run_that_fails_ends_with_1_and_says_why(fleet: CommandLine) -> None:
    fleet.shell("broken", "echo before; exit 3")
    result = fleet("run", "broken", "--wait")
    assert (result.exit_code, result.stdout) == (1, "before\n")
    assert "exit status other than 0" in result.stderr
    assert fleet("job", "list", "--failing", "-o", "name").stdout == "broken\n"
    assert "broken" in json.loads(fleet("status", "-o", "json").stdout)["failing"]


def test_every_attempt_of_a_waited_run_is_printed(fleet: CommandLine, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    command = f"if [ -e {mark} ]; then echo second; else touch {mark}; echo first; exit 1; fi"
    fleet.shell("again", command, retry=Retry(1, delay="100ms"))
    result = fleet("run", "again", "--wait")
    assert (result.exit_code, result.stdout) == (0, "first\nsecond\n")
    run = json.loads(fleet("runs", "list", "--job", "again", "-o", "json").stdout)[0]["run"]
    shown = json.loads(fleet("runs", "show", run, "-o", "json").stdout)
    assert [(row["attempt"], row["state"]) for row in shown["attempts"]] == [(1, "failed"), (2, "success")]
    assert fleet("logs", run, "--attempt", "1").stdout in ("first\n", "")
    assert fleet("logs", run).stdout == "second\n"
    assert fleet("logs", run, "--attempt", "3").exit_code == 5


def test_a_run_on_every_node_marks_each_line_with_its_node(fleet: CommandLine) -> None:
    fleet.shell("each", "echo one; echo two", on=all_nodes(role="web"))
    result = fleet("run", "each", "--wait")
    assert result.exit_code == 0
    assert sorted(result.stdout.splitlines()) == ["web1 | one", "web1 | two", "web2 | one", "web2 | two"]
    logs = fleet("logs", "each")
    assert logs.stdout == "one\ntwo\n" * 2
    assert logs.stderr.splitlines() == ["==> web1 <==", "==> web2 <=="]


def test_waiting_ends_after_its_timeout_and_the_run_goes_on(fleet: CommandLine) -> None:
    fleet.shell("long", "echo started; sleep 60")
    result = fleet("run", "long", "--wait", "--timeout", "6s")
    assert result.exit_code == 8
    assert result.stdout == "started\n"
    assert "it goes on" in result.stderr
    run = fleet.client.runs(job="long")[0].id
    assert f"`dkronpy runs cancel {run}` ends it" in result.stderr
    assert fleet.client.run(run).run.state == "running"
    cancelled = fleet("runs", "cancel", run)
    assert cancelled.stdout == f"{run}.0  told to end\n"
    assert ended(fleet, run) == "failed"
    assert "somebody cancelled it" in fleet("why", "long").stdout
    again = fleet("runs", "cancel", run)
    assert again.exit_code == 0
    assert "had ended already" in again.stderr


def test_an_interrupt_leaves_the_run_running_and_says_so(fleet: CommandLine) -> None:
    fleet.shell("patient", "echo started; sleep 60")
    with fleet.process("run", "patient", "--wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 130
    assert b"the run goes on: `dkronpy logs patient@" in err
    assert b"Traceback" not in err
    run = fleet.client.runs(job="patient")[0].id
    assert fleet.client.run(run).run.state == "running"
    fleet("runs", "cancel", run)
    ended(fleet, run)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_logs_replay_then_follow_until_the_attempt_ends(fleet: CommandLine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    fleet.shell("follow", f"echo one; while [ ! -e {gate} ]; do sleep 0.05; done; echo two")
    run = run_of(fleet, "follow")
    wait_until(lambda: fleet("logs", run).stdout == "one\n", description="the first line is there")
    assert "-f` follows it" in fleet("logs", "follow").stderr
    with fleet.process("logs", f"{run}.0", "-f") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        assert process.poll() is None
        gate.touch()
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, b"two\n", b"")
    assert fleet("logs", "follow", "-f").stdout == "one\ntwo\n"
    assert fleet("logs", "follow", "--tail", "1").stdout == "two\n"
    stamped = r"(20\d\d-\d\d-\d\dT[\d:.]+Z) +one\n(20\d\d-\d\d-\d\dT[\d:.]+Z) +two\n"
    for options in ((), ("-f",)):
        found = re.fullmatch(stamped, fleet("logs", "follow", "--timestamps", *options).stdout)
        assert found is not None
        assert _moment(found[1]) < _moment(found[2])
    last = fleet("logs", "follow", "--timestamps", "--tail", "1").stdout
    assert last == found[0].splitlines(keepends=True)[-1]
    assert fleet("logs", "follow", "--tail", "0").stdout == ""


def test_standard_error_alone_is_printed_where_it_was_kept_apart(fleet: CommandLine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    fleet.shell("apart", f"while [ ! -e {gate} ]; do sleep 0.05; done")
    run = run_of(fleet, "apart")
    wait_until(lambda: fleet.client.run(run).executions[0].state == "running", description="it runs")
    writer = OutputWriter(fleet.client.deployment.store, f"{run}.0", 1, 1000)
    streams = ((b"out\n", STDOUT), (b"bad\n", STDERR), (b"more\n", STDOUT), (b"worse\n", STDERR), (b"ours\n", MERGED))
    offset = 0
    for data, stream in streams:
        writer.write(data, marks=[Mark(offset, 1_795_400_000_000 + offset, stream)])
        offset += len(data)
    assert fleet("logs", run, "--stderr").stdout == "bad\nworse\nours\n"
    assert fleet("logs", run, "--stderr", "--tail", "2").stdout == "worse\nours\n"
    assert fleet("logs", run, "--stderr", "--tail", "0").stdout == ""
    assert fleet("logs", run, "--tail", "2").stdout == "worse\nours\n"
    stamped = fleet("logs", run, "--stderr", "--timestamps", "--tail", "2").stdout
    assert re.fullmatch(r"20\d\d-\S+Z +worse\n20\d\d-\S+Z +ours\n", stamped)
    with fleet.process("logs", run, "-f", "--stderr") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == [b"bad\n", b"worse\n", b"ours\n"]
        gate.touch()
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, b"", b"")


def test_standard_error_that_was_merged_is_said_to_be(fleet: CommandLine) -> None:
    fleet.shell("merged", "echo out; echo bad >&2")
    fleet.shell("silent", "true")
    for job in ("merged", "silent"):
        assert fleet("run", job, "--wait").exit_code == 0
    for options in ((), ("--tail", "1"), ("-f",)):
        result = fleet("logs", "merged", "--stderr", *options)
        assert result.stdout == ("bad\n" if "--tail" in options else "out\nbad\n")
        assert result.stderr == NOT_TOLD_APART + "\n"
    assert fleet("logs", "merged").stderr == fleet("logs", "silent", "--stderr").stderr == ""


def test_following_may_begin_before_the_run_does(fleet: CommandLine) -> None:
    fleet.shell("nowhere", "echo late", on=any_node(role="late"))
    run = run_of(fleet, "nowhere")
    with fleet.process("logs", run, "-f") as process, fleet.agent("late1", "--tag", "role=late"):
        out, err = process.communicate(timeout=40)
        assert (process.returncode, out) == (0, b"late\n"), err


def test_bytes_pass_unharmed_into_a_pipe(fleet: CommandLine) -> None:
    fleet.shell("binary", r"printf '\000\377\001\r\nabc'")
    expected = b"\x00\xff\x01\r\nabc"
    with fleet.process("run", "binary", "--wait") as process:
        out, _ = process.communicate(timeout=20)
        assert out == expected
    with fleet.process("logs", "binary") as process:
        out, err = process.communicate(timeout=20)
        assert (out, err) == (expected, b"")


def test_a_cut_in_the_middle_is_said_beside_the_data(fleet: CommandLine) -> None:
    fleet.shell("big", "head -c 100000 /dev/zero | tr '\\000' a; echo END", output_limit=20_000)
    assert fleet("run", "big", "--wait").exit_code == 0
    with fleet.process("logs", "big") as process:
        out, err = process.communicate(timeout=20)
    kept = out.count(b"a")
    assert out.endswith(b"aEND\n")
    assert kept < 40_000
    assert err.decode() == f"[... {100_000 - kept:,} bytes left out ...]\n"


def test_without_nodes_the_run_waits_and_that_is_said_at_once(fleet: CommandLine) -> None:
    fleet.shell("orphan", "true", on=any_node(role="none"))
    result = fleet("run", "orphan")
    assert result.exit_code == 0
    assert "no live node matches the job's targets" in result.stderr
    run = result.stdout.splitlines()[1].split()[0]
    fleet("runs", "cancel", run)
    assert ended(fleet, run) in ("failed", "skipped")


def test_a_run_that_is_skipped_at_once_is_no_success(fleet: CommandLine) -> None:
    fleet.shell("void", "true", on=all_nodes(role="none"), concurrency="forbid")
    first = fleet.client.run_job("void").run.id
    for wait in ((), ("--wait",)):
        result = fleet("run", "void", *wait)
        assert result.exit_code == 1
        assert "another run of the job was still active" in result.stderr
    run = next(run.id for run in fleet.client.runs(job="void") if run.id != first)
    assert "nothing was started" in fleet("logs", run).stderr
    fleet("runs", "cancel", first)


def test_events_are_printed_as_they_happen(fleet: CommandLine) -> None:
    fleet.shell("seen", "true")
    with fleet.process("runs", "watch", "--job", "seen", "-o", "jsonl") as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert b"watching" in process.stderr.readline()
        run = run_of(fleet, "seen")
        events = [json.loads(process.stdout.readline())]
        while events[-1]["event"] != "run":
            events.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 130, err
        assert b"Traceback" not in err
    told = [event["event"] for event in events if event["event"] != "sent"]
    assert told == ["fired", "started", "execution", "run"]
    assert events[-1]["run"] == run
    assert events[-1]["state"] == "success"


def test_runs_are_listed_by_job_and_state_and_shown_with_a_sentence(fleet: CommandLine) -> None:
    fleet.shell("good", "true")
    fleet.shell("bad", "exit 4")
    runs = {name: run_of(fleet, name) for name in ("good", "bad")}
    for run in runs.values():
        ended(fleet, run)
    assert fleet("runs", "list", "--job", "bad", "-o", "name").stdout.split() == [runs["bad"]]
    assert runs["bad"] in fleet("runs", "list", "--state", "failed", "-o", "name").stdout.split()
    assert runs["good"] not in fleet("runs", "list", "--state", "failed", "-o", "name").stdout.split()
    assert len(fleet("runs", "list", "--limit", "1", "-o", "name").stdout.split()) == 1
    shown = fleet("runs", "show", runs["bad"]).stdout
    assert shown.startswith("bad was started by hand at ")
    assert "(exit)" in shown.splitlines()[0]
    row = next(line for line in shown.splitlines() if line.startswith(runs["bad"] + ".0"))
    assert row.split()[2:6] == ["1", "failed", "exit", "4"]


def test_why_answers_for_a_moment_the_latest_run_and_what_was_not_due(fleet: CommandLine) -> None:
    from dkronpy.job import Job, Run

    job = Job(name="often", schedule="*/2 * * * * *", run=Run("shell", {"command": "true"}))
    fleet.client.save_job(job)
    first = wait_until(
        lambda: next((run for run in fleet.client.runs(job="often") if run.terminal), None),
        description="the schedule fired it",
    )
    at = go_time(first.due_ms)
    fleet.client.delete_job("often")
    assert "ended in success" in fleet("why", "often", "--at", at).stdout
    fleet.client.save_job(job)
    assert "was due at" in fleet("why", "often").stdout
    fleet("job", "toggle", "often")
    assert "disabled" in fleet("why", "often", "--at", "2020-01-01T00:00:00Z").stdout
    fleet("job", "toggle", "often")
    assert "was not due at" in fleet("why", "often", "--at", "2020-01-01T00:00:01Z").stdout
    assert "is due at" in fleet("why", "often", "--at", "+1m").stdout
    told = json.loads(fleet("why", "often", "--at", at, "-o", "json").stdout)
    assert (told["job"], told["at"]) == ("often", at)
    fleet.client.delete_job("often")
