"""The shell executor with real processes: what runs, what it is given, and that all of it ends."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import resource
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.agent.process_tree import find_processes
from dkronpy.errors import InvalidError
from dkronpy.executors._words import split_words
from dkronpy.executors.shell import Shell, ShellExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.plugins.values import Rejected
from dkronpy.secret import Secret, secret
from dkronpy.testing.harness import ExecutorHarness
from tests.support import wait_until

Run = Callable[[Shell], tuple[Outcome, bytes]]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=9)


@pytest.fixture
def run(harness: ExecutorHarness) -> Run:
    executor = ShellExecutor()
    return lambda options: harness.run(executor, options)


# What is run


def test_a_line_in_python_is_run_by_the_shell(run: Run) -> None:
    outcome, output = run(Shell("echo one && echo two >&2; echo $((1 + 2)) | cat"))
    assert outcome == Outcome(success=True, exit_code=0)
    assert output == b"one\ntwo\n3\n"


def test_a_tuple_is_run_without_a_shell(run: Run) -> None:
    arguments = ("a b", "$HOME", "; rm -rf /", "*", "", "ü", "--")
    assert run(Shell(("printf", "[%s]", *arguments)))[1].decode() == "".join(f"[{a}]" for a in arguments)


def test_a_job_as_dkron_writes_it(run: Run, tmp_path: Path) -> None:
    options = Shell.from_config(
        {
            "shell": "true",
            "command": 'set -e; echo "$OUT $PGUSER"; pwd; cat',
            "env": "OUT=/srv/dumps,PGUSER=backup",
            "cwd": str(tmp_path),
            "timeout": "45m",
            "mem_limit": "1.5GB",
            "payload": "aGVsbG8=",
        }
    )
    outcome, output = run(options)
    assert outcome == Outcome(success=True, exit_code=0)
    assert output.decode() == f"/srv/dumps backup\n{tmp_path}\nhello"


def test_without_shell_dkrons_line_is_split_into_words(run: Run) -> None:
    options = Shell.from_config({"command": r"""printf '[%s]' a\ b "c d" $HOME '*' ';' x"y"z"""})
    assert run(options)[1] == b"[a b][c d][$HOME][*][;][xyz]"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ()),
        ("  a\t b \n", ("a", "b")),
        ("''", ("",)),
        ("a'' ''b", ("a", "b")),
        (r"a\;b 'x;y' \"", ("a;b", "x;y", '"')),
        (r"'a\b' \a", (r"a\b", "a")),
        (r'"a\"b \n"', ('a"b n',)),
    ],
)
def test_words(line: str, words: tuple[str, ...]) -> None:
    assert split_words(line) == words


@pytest.mark.parametrize("character", ";&|<>()`")
def test_what_dkron_cuts_off_silently_is_refused(character: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Shell.from_config({"command": f"echo a{character} rm x"}, job="report")
    assert len(str(caught.value).splitlines()) == 1
    assert "outside quotes, which only a shell understands" in str(caught.value)
    assert '"shell": "true"' in str(caught.value)


@given(st.lists(TEXT))
def test_any_text_that_is_quoted_arrives_unchanged(words: list[str]) -> None:
    quoted = " ".join("'" + word.replace("'", r"'\''") + "'" for word in words)
    assert split_words(quoted) == tuple(words)


@given(st.text("ab '\"\\;|"))
def test_splitting_any_line_ends_in_words_or_a_refusal(line: str) -> None:
    with contextlib.suppress(Rejected):
        assert all(isinstance(word, str) for word in split_words(line))


# What it is given


def test_the_environment_is_clean(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_PASSWORD", "hunter2")
    options = Shell(("env",), env={"DB_URL": secret("bi/db-url"), "WITH_COMMA": "a,b"})
    lines = dict(line.split("=", 1) for line in run(options)[1].decode().splitlines())
    assert lines["ENV_JOB_NAME"] == lines["DKRONPY_JOB"] == "report"
    assert lines["DKRONPY_EXECUTION_ID"] == "report@2026-11-23T02:30:00.000Z.0"
    assert lines["DKRONPY_FENCING_TOKEN"] == "7"
    assert lines["WITH_COMMA"] == "a,b"
    assert lines["DB_URL"] == "***", "the value arrives, and is masked in the output"
    assert lines["PATH"] == os.environ["PATH"]
    assert "AGENT_PASSWORD" not in lines


def test_a_secret_really_arrives(run: Run) -> None:
    options = Shell('printf %s "$DB_URL" | tr a-z A-Z; cat | tr a-z A-Z', env={"DB_URL": secret("bi/db-url")})
    assert run(options.but(payload=secret("bi/db-url")))[1] == b"POSTGRES://S3CR3T" * 2


def test_a_payload_of_any_size(run: Run) -> None:
    assert run(Shell("wc -c", payload=b"x" * 5_000_000))[1].strip() == b"5000000"
    assert run(Shell("true", payload=b"x" * 5_000_000))[0].success, "nobody has to read it"
    assert run(Shell("cat; echo end"))[1] == b"end\n", "without one, standard input is at its end"


def test_another_user(run: Run) -> None:
    nobody = pwd.getpwnam("nobody")
    outcome, output = run(Shell("id -u; id -g", user="nobody", cwd="/"))
    assert output.split() == [str(nobody.pw_uid).encode(), str(nobody.pw_gid).encode()], outcome
    outcome, output = run(Shell.from_config({"command": "id -g", "su": "nobody:daemon", "cwd": "/"}))
    assert output.strip() == b"1", outcome
    assert "no-such-user" in run(Shell("id", user="no-such-user"))[0].message


# How it ends


def test_exit_statuses(run: Run) -> None:
    outcome, output = run(Shell("echo before; exit 3"))
    assert outcome == Outcome(success=False, reason="exit", message="exit status 3", exit_code=3)
    assert output == b"before\n"


def test_other_statuses_can_be_a_success(run: Run) -> None:
    options = Shell.from_config({"shell": "true", "command": "exit 2", "success_codes": "0,1,2"})
    assert run(options)[0] == Outcome(success=True, exit_code=2)
    assert not run(options.but(command="exit 3"))[0].success
    assert not run(options.but(success_codes=[2], command="true"))[0].success


def test_a_status_can_mean_nothing_to_do_or_try_again(run: Run) -> None:
    options = Shell("exit 99", skip_codes="99", retry_codes="75")
    assert run(options)[0] == Outcome(success=True, exit_code=99, message="nothing to do: 99 is one of skip_codes")
    assert run(options.but(command="exit 75"))[0].retryable
    assert not run(options.but(command="exit 1"))[0].retryable


def test_a_command_that_does_not_exist(run: Run) -> None:
    outcome, output = run(Shell(("no-such-command", "-x")))
    assert (outcome.success, outcome.reason, output) == (False, "executor_error", b"")
    assert outcome.message.startswith("command not found: no-such-command")
    outcome, _ = run(Shell("no-such-command"))
    assert outcome.message == "exit status 127: the shell did not find the command"


def test_a_folder_that_does_not_exist(run: Run) -> None:
    assert "/no/such/folder" in run(Shell("true", cwd="/no/such/folder"))[0].message


def test_signals_have_names(run: Run) -> None:
    outcome, _ = run(Shell("kill -SEGV $$"))
    assert (outcome.reason, outcome.message) == ("signal", "signal: ended by SIGSEGV (signal 11)")
    outcome, _ = run(Shell("sh -c 'kill -KILL $$'; exit $?"))
    assert outcome.message == "exit status 137: a command in it was ended by SIGKILL (signal 9)"


def left_running(harness: ExecutorHarness) -> list[int]:
    return find_processes(harness.execution_id)


def test_a_timeout_ends_the_whole_tree(run: Run, harness: ExecutorHarness) -> None:
    began = time.monotonic()
    outcome, output = run(Shell("echo on; (setsid sleep 60 &) ; sleep 60 & sleep 60", timeout="2s"))
    assert time.monotonic() - began < 10
    assert (outcome.success, outcome.reason) == (False, "timeout")
    assert "2 s" in outcome.message
    assert output.startswith(b"on\n")
    assert b"execution time exceeding defined timeout 2s. Job was killed" in output
    assert re.search(r"; its process tree is confirmed gone at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", outcome.message)
    assert left_running(harness) == []


def test_term_comes_before_kill(run: Run) -> None:
    outcome, output = run(Shell("trap 'echo tidied; exit 0' TERM; sleep 60 & wait", timeout="2s"))
    assert outcome.reason == "timeout", "that it ended well then does not make it a success"
    assert b"tidied" in output


def test_the_timeout_of_the_attempt_counts_too(make_harness: Callable[..., ExecutorHarness]) -> None:
    harness = make_harness(timeout=timedelta(milliseconds=300))
    assert harness.run(ShellExecutor(), Shell("sleep 60"))[0].reason == "timeout"


def test_a_memory_limit_alone_ends_the_whole_tree(run: Run, harness: ExecutorHarness) -> None:
    hungry = "python3 -c 'x = bytearray(200_000_000); import time; time.sleep(60)' & sleep 60"
    outcome, output = run(Shell(hungry, mem_limit="100MB"))
    assert (outcome.success, outcome.reason) == (False, "oom")
    assert b"exceeding defined limit (104857600 bytes). Job was killed" in output
    assert left_running(harness) == []


def test_a_background_process_with_the_output_open_does_not_hold_the_run(run: Run, harness: ExecutorHarness) -> None:
    began = time.monotonic()
    outcome, output = run(Shell("sleep 60 & echo done"))
    assert time.monotonic() - began < 8
    assert (outcome.success, output) == (True, b"done\n")
    assert left_running(harness) == []


@pytest.mark.parametrize("reason", ["cancelled", "lease_lost_killed", "shutdown"])
def test_cancel_ends_the_whole_tree(harness: ExecutorHarness, reason: str) -> None:
    results: list[tuple[Outcome, bytes]] = []
    options = Shell("sleep 60 & echo on; sleep 60")
    thread = threading.Thread(target=lambda: results.append(harness.run(ShellExecutor(), options)))
    thread.start()
    wait_until(lambda: harness.output == b"on\n", description="the command has begun")
    harness.cancel(reason)
    thread.join(10)
    assert results[0][0].reason == reason
    assert left_running(harness) == []


# Output


def test_output_that_is_no_text(run: Run) -> None:
    assert run(Shell(r"printf 'caf\351 \000\377\n'"))[1] == b"caf\xe9 \x00\xff\n"


def test_100_mb_of_output_do_not_stay_in_memory(run: Run, harness: ExecutorHarness) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome, output = run(Shell("head -c 100000000 /dev/zero; echo end"))
    assert outcome.success
    assert harness.output_size == 100_000_004
    assert len(output) == 256_000
    assert output.endswith(b"\x00end\n")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000, "kilobytes"


# Refused when the job is saved


@pytest.mark.parametrize(
    ("config", "field", "text"),
    [
        ({}, "command", "shell: Command missing"),
        ({"command": ""}, "command", "shell: Command missing"),
        ({"command": "   "}, "command", "shell: Command missing"),
        ({"command": " ", "shell": "true"}, "command", "shell: Command missing"),
        ({"command": "''"}, "command", "shell: Command missing"),
        ({"command": "echo 'a"}, "command", "invalid command line string"),
        ({"command": "a\x00b"}, "command", "NUL"),
        ({"command": ["ls"], "shell": "true"}, "shell", "a list of arguments is run without a shell"),
        ({"command": "ls", "shell": "yes"}, "shell", "is not a truth value; accepted: true or false"),
        ({"command": "ls", "env": "A=1,2"}, "env", '"2" has no ='),
        ({"command": "ls", "env": {"A=B": "1"}}, "env", "name of a variable"),
        ({"command": "ls", "env": {"A": "x\x00"}}, "env", "NUL"),
        ({"command": "ls", "env": {"DKRONPY_EXECUTION_ID": "x"}}, "env", "are set by the node"),
        ({"command": "ls", "timeout": "10 parsecs"}, "timeout", "is not a duration"),
        ({"command": "ls", "timeout": "-1s"}, "timeout", "below zero"),
        ({"command": "ls", "mem_limit": "5PB"}, "mem_limit", "unsupported memory unit: PB (supported: B, KB"),
        ({"command": "ls", "mem_limit": "0"}, "mem_limit", "memory limit must be greater than 0"),
        ({"command": "ls", "mem_limit": "x"}, "mem_limit", "invalid memory limit format: x"),
        ({"command": "ls", "payload": "%"}, "payload", "is not base64"),
        ({"command": "ls", "su": "a:b:c"}, "su", "accepted: user or user:group"),
        ({"command": "ls", "success_codes": "0,999"}, "success_codes", "accepted: 0 to 255"),
        ({"command": "ls", "comand": "x"}, "comand", "did you mean 'command'?"),
        ({"command": "ls", "memory_limit": "1G"}, "memory_limit", "did you mean 'mem_limit'?"),
        ({"command": {"secret": "x"}}, "command", "is not a list"),
    ],
)
def test_options_that_cannot_work_are_refused(config: dict[str, Any], field: str, text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Shell.from_config(config, job="report")
    assert [problem.field for problem in caught.value.problems] == [f"executor_config.{field}"]
    assert text in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_all_problems_at_once() -> None:
    with pytest.raises(InvalidError) as caught:
        Shell.from_config({"command": "a; b", "timeout": "x", "mem_limit": "y"})
    fields = {problem.field.removeprefix("executor_config.") for problem in caught.value.problems}
    assert fields == {"command", "timeout", "mem_limit"}


SHELLS = st.builds(
    Shell,
    st.text("abc ", min_size=1).filter(str.strip) | st.tuples(st.just("ls"), TEXT),
    cwd=TEXT,
    env=st.dictionaries(st.text("ABC", min_size=1), TEXT | st.builds(Secret, st.just("a/b"))),
    user=st.sampled_from(["", "backup", "backup:adm", "1000"]),
    timeout=st.none() | st.integers(0, 9999) | st.timedeltas(timedelta(0), timedelta(days=9)) | st.just("1h30m"),
    mem_limit=st.none() | st.integers(1, 10**12) | st.just("512MB"),
    payload=st.binary() | st.builds(Secret, st.just("a/b")),
    success_codes=st.lists(st.integers(0, 255), min_size=1) | st.just("0,1,2"),
)


@given(SHELLS)
def test_options_survive_their_json(options: Shell) -> None:
    config = json.loads(json.dumps(options.to_config()))
    assert Shell.from_config(config) == options
