"""Whatever a command starts ends with it: on timeout, cancellation, too much memory, and at its own end."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from dkronpy.agent.launcher import ChildProcess, Launcher, find_processes
from tests.support import wait_until

from .conftest import MakeCommand, Run, finish, read_until

ESCAPEES = str(Path(__file__).with_name("escapees.sh"))


def parent_of(pid: int) -> int:
    """The process id of *pid*'s parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def start_escapees(launcher: Launcher, command: MakeCommand, execution_id: str, **fields: object) -> ChildProcess:
    """Start the tree of escapees and wait until all nine of its processes run."""
    child = launcher.launch(command("sh", ESCAPEES, **fields))
    read_until(child, b"ready")
    wait_until(lambda: len(find_processes(execution_id)) >= 9, description="every escapee runs")
    return child


def test_a_timeout_ends_the_whole_tree(launcher: Launcher, command: MakeCommand, execution_id: str) -> None:
    child = start_escapees(launcher, command, execution_id, timeout=timedelta(seconds=5))
    _, ended = finish(child)
    assert (ended.reason, ended.signal, ended.confirmed_gone) == ("timeout", signal.SIGTERM, True)
    assert ended.message == "the command ran longer than its timeout of 5 s"
    assert 5.0 <= ended.duration < 8.0
    assert find_processes(execution_id) == []


def test_a_cancellation_ends_the_whole_tree(launcher: Launcher, command: MakeCommand, execution_id: str) -> None:
    child = start_escapees(launcher, command, execution_id)
    child.kill("cancelled")
    child.kill("lease_lost_killed")  # comes second, and hastens nothing
    _, ended = finish(child)
    assert (ended.reason, ended.confirmed_gone) == ("cancelled", True)
    assert find_processes(execution_id) == []


def test_a_shorter_grace_hastens_an_end_that_has_begun(launcher: Launcher, command: MakeCommand) -> None:
    child = launcher.launch(command("sh", "-c", "trap '' TERM; echo on; sleep 300", grace=timedelta(seconds=60)))
    read_until(child, b"on")
    began = time.monotonic()
    child.kill("cancelled")
    assert child.wait(timedelta(seconds=0.3)) is None
    child.kill("lease_lost_killed", timedelta(0))
    _, ended = finish(child)
    assert (ended.reason, ended.signal, ended.confirmed_gone) == ("cancelled", signal.SIGKILL, True)
    assert time.monotonic() - began < 3


def test_term_comes_first_and_grace_is_kept(launcher: Launcher, command: MakeCommand) -> None:
    script = "trap 'echo cleaning; sleep 0.3; echo clean; exit 7' TERM; echo on; while :; do sleep 0.05; done"
    child = launcher.launch(command("sh", "-c", script, grace=timedelta(seconds=5)))
    read_until(child, b"on")
    child.kill("cancelled")
    output, ended = finish(child)
    assert output.endswith(b"cleaning\nclean\n")  # the shell itself may say first that its sleep was ended
    assert (ended.code, ended.reason, ended.confirmed_gone) == (7, "cancelled", True)


def test_a_stopped_process_takes_term_too(launcher: Launcher, command: MakeCommand) -> None:
    script = "trap 'echo clean; exit 7' TERM; echo on; kill -STOP $$; while :; do sleep 0.05; done"
    child = launcher.launch(command("sh", "-c", script, grace=timedelta(minutes=5)))
    read_until(child, b"on")
    stat = Path(f"/proc/{child.pid}/stat")
    wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", description="it has stopped")
    child.kill("cancelled")
    output, ended = finish(child)
    assert output.endswith(b"clean\n")
    assert (ended.code, ended.reason, ended.confirmed_gone) == (7, "cancelled", True)


def test_what_a_command_starts_on_its_way_out_is_ended_with_it(launcher: Launcher, command: MakeCommand) -> None:
    # A shell's child that has not become the program yet has the shell's handler for a moment, and would lose a TERM.
    late = "sleep 300 & until read name </proc/$!/comm && [ $name = sleep ]; do :; done; exit 3"
    script = f"trap '{late}' TERM; echo on; while :; do sleep 0.05; done"
    child = launcher.launch(command("sh", "-c", script, grace=timedelta(minutes=5)))
    read_until(child, b"on")
    child.kill("cancelled")
    _, ended = finish(child)
    assert (ended.code, ended.reason, ended.confirmed_gone) == (3, "cancelled", True)


def test_stop_ends_everything_as_shutdown(launcher: Launcher, command: MakeCommand, execution_id: str) -> None:
    child = start_escapees(launcher, command, execution_id)
    began = time.monotonic()
    launcher.stop(timedelta(seconds=0.5))
    assert time.monotonic() - began < 3
    assert find_processes(execution_id) == []
    _, ended = finish(child)
    assert (ended.reason, ended.confirmed_gone) == ("shutdown", True)


def test_closing_the_handle_ends_the_tree(launcher: Launcher, command: MakeCommand, execution_id: str) -> None:
    start_escapees(launcher, command, execution_id, grace=timedelta(seconds=60)).close()
    wait_until(lambda: not find_processes(execution_id), timeout=3, description="the tree is gone")


def test_a_background_child_that_holds_the_output_does_not_keep_the_run_open(run: Run, execution_id: str) -> None:
    stubborn = "(trap '' TERM; sleep 300; sleep 300; echo never) & echo done; exit 5"
    began = time.monotonic()
    output, ended = run("sh", "-c", stubborn, grace=timedelta(seconds=3))
    assert time.monotonic() - began < 20
    assert (output, ended.code, ended.reason, ended.confirmed_gone) == (b"done\n", 5, "", True)
    assert ended.duration < 2.5  # that of the command, not of what it left behind
    assert find_processes(execution_id) == []


def test_what_a_background_child_says_at_once_is_kept(run: Run) -> None:
    # It has a quarter of a second to say it, which a busy machine may let pass: one of five counts.
    tries = (run("sh", "-c", "(sleep 0.1; echo last words) & exit 0") for _ in range(5))
    assert any((output, ended.code) == (b"last words\n", 0) for output, ended in tries)


def test_a_background_child_that_traps_term_is_killed_after_the_grace(run: Run, execution_id: str) -> None:
    _, ended = run("sh", "-c", "(trap '' TERM; sleep 300; sleep 300) & exit 0")
    assert (ended.code, ended.reason, ended.confirmed_gone) == (0, "", True)
    assert find_processes(execution_id) == []


def test_background_children_may_be_kept(launcher: Launcher, command: MakeCommand, execution_id: str) -> None:
    script = "setsid sleep 300 >/dev/null 2>&1 & echo $!"
    output, ended = finish(launcher.launch(command("sh", "-c", script), keep_background=True))
    assert (ended.code, ended.reason, ended.confirmed_gone) == (0, "", False)
    shim = Path(f"/proc/{parent_of(int(output))}")
    try:
        launcher.stop(timedelta(0))
        assert find_processes(execution_id) == [int(output)]
        wait_until(lambda: not shim.exists(), description="the shim has gone with its helper")
    finally:
        os.kill(int(output), signal.SIGKILL)
    wait_until(lambda: not find_processes(execution_id), description="the kept process is gone")


def test_a_tree_that_grows_is_ended_at_its_limit(run: Run, execution_id: str) -> None:
    script = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; x = b'x' * 60_000_000; time.sleep(300)"])
mine = b'x' * 60_000_000
time.sleep(300)
"""
    began = time.monotonic()
    _, ended = run("python3", "-c", script, mem_limit=100_000_000)
    assert (ended.reason, ended.signal, ended.confirmed_gone) == ("oom", signal.SIGKILL, True)
    assert "its limit is 100000000" in ended.message
    assert ended.max_rss > 100_000_000
    assert time.monotonic() - began < 5
    assert find_processes(execution_id) == []


def test_a_tree_below_its_limit_is_left_alone(run: Run) -> None:
    _, ended = run("sh", "-c", "sleep 0.6 & sleep 0.6; wait", mem_limit=100_000_000)
    assert (ended.code, ended.reason) == (0, "")


def test_a_process_that_keeps_changing_its_id_is_ended(run: Run, execution_id: str) -> None:
    # Each link forks the next and ends: forty chains, so that one round of KILL never meets them all, and only as many
    # links that a shim that fails to end them does no harm to the machine.
    hop = "hop() { [ $1 -gt 0 ] && { (sleep 0.02; hop $(($1 - 1))) & }; }"
    script = f"trap '' TERM; {hop}; for chain in $(seq 40); do hop 300; done; sleep 8"
    _, ended = run("sh", "-c", script, timeout=timedelta(seconds=0.4), grace=timedelta(seconds=0.1))
    assert (ended.reason, ended.confirmed_gone) == ("timeout", True)
    assert ended.duration < 5
    assert find_processes(execution_id) == []


def test_processes_are_found_by_their_execution(launcher: Launcher, command: MakeCommand, execution_id: str) -> None:
    assert find_processes(execution_id) == []
    with launcher.launch(command("sleep", "300")) as child:
        wait_until(lambda: find_processes(execution_id) == [child.pid], description="the command is found")
        assert find_processes(execution_id[:-1]) == []
