"""How a command ends, and what is said of it."""

from __future__ import annotations

import os
import pwd
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from dkronpy.agent.launcher import Launcher

from .conftest import MakeCommand, Run, finish


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_exit_codes_are_passed_on(run: Run, code: int) -> None:
    _, ended = run("sh", "-c", f"exit {code}")
    assert (ended.code, ended.signal, ended.reason, ended.confirmed_gone) == (code, None, "", True)


def test_a_signal_is_named(run: Run) -> None:
    _, ended = run("sh", "-c", "kill -SEGV $$")
    assert (ended.code, ended.signal, ended.reason) == (None, signal.SIGSEGV, "")


def test_output_is_both_streams_in_order_byte_for_byte(run: Run) -> None:
    output, _ = run("sh", "-c", r"printf 'a\000\377'; printf 'b' >&2; printf '\r\nc'")
    assert output == b"a\x00\xffb\r\nc"


def test_output_comes_while_the_command_runs(launcher: Launcher, command: MakeCommand) -> None:
    with launcher.launch(command("sh", "-c", "echo early; sleep 300")) as child:
        assert child.read(timeout=timedelta(seconds=5)) == b"early\n"
        assert child.read(timeout=timedelta(seconds=0.05)) is None
        assert child.wait(timedelta(seconds=0.01)) is None


def test_a_large_output_is_complete(run: Run) -> None:
    output, ended = run("head", "-c", "20000000", "/dev/zero")
    assert (len(output), ended.code) == (20_000_000, 0)


def test_input_reaches_the_command(run: Run) -> None:
    assert run("cat", stdin=b"\x00\xffhello")[0] == b"\x00\xffhello"
    assert run("cat")[0] == b""


def test_a_large_input_to_a_command_that_does_not_read(run: Run) -> None:
    big = b"x" * 10_000_000
    _, ended = run("sleep", "300", stdin=big, timeout=timedelta(seconds=0.3))
    assert (ended.reason, ended.confirmed_gone) == ("timeout", True)
    assert run("sh", "-c", "exit 4", stdin=big)[1].code == 4
    assert run("wc", "-c", stdin=big)[0].strip() == b"10000000"


@pytest.mark.parametrize(
    ("argv", "fields", "message"),
    [
        (("no-such-program",), {}, "command not found: no-such-program (No such file or directory)"),
        (("/etc/passwd",), {}, "command cannot be executed: /etc/passwd (Permission denied)"),
        ((), {}, "there is no command: argv is empty"),
        (("true", "a\0b"), {}, "the arguments of 'true' hold a NUL character"),
        (("true",), {"cwd": "/no/such"}, "cannot enter working directory '/no/such': No such file or directory"),
        (("true",), {"user": "no-such-user"}, "unknown user 'no-such-user'"),
        (("true",), {"group": "no-such-group"}, "unknown group 'no-such-group'"),
        (("true", "x" * 200_000), {}, "cannot run true: Argument list too long"),
    ],
)
def test_what_cannot_begin_says_why(run: Run, argv: tuple[str, ...], fields: dict[str, str], message: str) -> None:
    output, ended = run(*argv, **fields)
    assert (output, ended.code, ended.signal, ended.reason) == (b"", None, None, "spawn_failed")
    assert message in ended.message
    assert ended.confirmed_gone


def test_a_script_without_its_interpreter_says_so(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    assert "interpreter" in run(str(script))[1].message


def test_a_command_that_is_no_command_is_refused_and_the_helper_goes_on(
    launcher: Launcher, command: MakeCommand
) -> None:
    _, ended = finish(launcher.launch(command("true", mem_limit="much")))
    assert (ended.reason, "mem_limit" in ended.message) == ("spawn_failed", True)
    helper_goes_on, _ = finish(launcher.launch(command("echo", "on")))
    assert helper_goes_on == b"on\n"


def test_the_environment_is_exactly_the_given_one(run: Run, execution_id: str) -> None:
    output, _ = run("env", env={"WORD": "a=b c"})
    lines = sorted(output.decode().splitlines())
    assert lines == sorted([f"PATH={os.environ['PATH']}", f"DKRONPY_EXECUTION_ID={execution_id}", "WORD=a=b c"])


def test_the_working_directory(run: Run, tmp_path: Path) -> None:
    assert run("pwd", cwd=str(tmp_path))[0].decode().strip() == str(tmp_path)
    assert run("pwd")[0].decode().strip() == str(Path.cwd())


def test_no_descriptor_of_the_agent_is_inherited(run: Run) -> None:
    secret = os.memfd_create("secret", 0)  # inheritable, as a careless library leaves them
    try:
        output, _ = run("ls", "/proc/self/fd")
    finally:
        os.close(secret)
    assert output.split() == [b"0", b"1", b"2", b"3"]  # 3 is the one with which ls reads the folder


def test_signals_are_at_their_defaults(run: Run) -> None:
    status = run("cat", "/proc/self/status")[0].decode()
    masks = dict(line.split(":\t") for line in status.splitlines())
    assert {name: int(masks[name], 16) for name in ("SigIgn", "SigBlk", "SigCgt")} == {
        "SigIgn": 0,
        "SigBlk": 0,
        "SigCgt": 0,
    }


def test_a_command_that_signals_its_own_group_reaches_nobody_else(run: Run) -> None:
    _, ended = run("sh", "-c", "kill -TERM 0")
    assert (ended.signal, ended.reason, ended.confirmed_gone) == (signal.SIGTERM, "", True)


@pytest.mark.parametrize("separate", [False, True])
def test_another_user(run: Run, separate: bool) -> None:
    assert os.getuid() == 0, "this test must run as root, as it does in CI"
    nobody = pwd.getpwnam("nobody")
    script = "id -u; id -g; id -G; echo to-stderr > /dev/stderr; cat /dev/stdin"
    output, ended = run("sh", "-c", script, user="nobody", stdin=b"input\n", cwd="/", separate_stderr=separate)
    assert sorted(output.decode().split()) == sorted(
        [
            str(nobody.pw_uid),
            str(nobody.pw_gid),
            str(nobody.pw_gid),
            "to-stderr",
            "input",
        ]
    )
    assert ended.code == 0
    assert run("id", "-un", user=str(nobody.pw_uid))[0] == b"nobody\n"
    assert run("id", "-gn", user="nobody", group="daemon")[0] == b"daemon\n"


def test_a_tree_of_another_user_is_ended_too(run: Run) -> None:
    _, ended = run("sh", "-c", "setsid sleep 300 & sleep 300", user="nobody", timeout=timedelta(seconds=0.2))
    assert (ended.reason, ended.confirmed_gone) == ("timeout", True)


def test_use_of_resources_is_reported(run: Run) -> None:
    script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    _, ended = run("sh", "-c", script)
    assert 0.01 < ended.cpu <= ended.duration + 0.05
    eater = ("python3", "-c", "x = b'x' * 80_000_000")
    assert run(*eater)[1].max_rss > 80_000_000


def test_a_command_that_is_cancelled_before_it_began_never_begins(launcher: Launcher, command: MakeCommand) -> None:
    """TERM must not be lost on the child that is about to become the command: the grace would pass in vain."""
    for _ in range(40):
        child = launcher.launch(command("sleep", "300", grace=timedelta(minutes=5)))
        child.kill("cancelled")
        _, ended = finish(child)
        assert (ended.signal, ended.reason, ended.confirmed_gone) == (signal.SIGTERM, "cancelled", True)


def test_a_timeout_may_be_longer_than_the_system_can_wait_at_once(run: Run) -> None:
    output, ended = run("echo", "on", timeout=timedelta(days=60))
    assert (output, ended.code, ended.reason) == (b"on\n", 0, "")
