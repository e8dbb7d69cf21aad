"""The agent, its helper or a shim is killed: nothing of the command survives, and what can be known is told."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from dkronpy.agent.launcher import ChildProcess, Launcher, find_processes
from dkronpy.agent.process_tree import list_descendants
from tests.support import spawn, wait_until

from .conftest import MakeCommand, finish, read_until
from .test_tree import parent_of

HERE = Path(__file__).parent
ESCAPEES = str(HERE / "escapees.sh")


def start_escapees(launcher: Launcher, command: MakeCommand, execution_id: str) -> ChildProcess:
    """A tree of escapees with a grace that no test would wait for."""
    child = launcher.launch(command("sh", ESCAPEES, grace=timedelta(seconds=60)))
    read_until(child, b"ready")
    wait_until(lambda: len(find_processes(execution_id)) >= 9, description="every escapee runs")
    return child


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_death_of_the_agent_leaves_nothing(tmp_path: Path, execution_id: str, number: int, shim: str) -> None:
    program = (sys.executable, HERE / "agent_program.py")
    with spawn(execution_id, ESCAPEES, shim, log=tmp_path / "log", command=program) as agent:
        agent.wait_for("child ")
        wait_until(lambda: len(find_processes(execution_id)) >= 9, description="every escapee runs")
        family = [entry.pid for entry in list_descendants(agent.pid)]
        agent.signal(number)
        agent.wait()
        wait_until(lambda: not find_processes(execution_id), timeout=10, description="the tree is gone")
        wait_until(lambda: not _living(family), timeout=10, description="shim and helper are gone")


def _living(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_the_death_of_the_helper_ends_the_runs_and_the_next_launch_works(
    launcher: Launcher, command: MakeCommand, execution_id: str
) -> None:
    child = start_escapees(launcher, command, execution_id)
    helper = parent_of(parent_of(child.pid))
    os.kill(helper, signal.SIGKILL)
    _, ended = finish(child)
    assert (ended.reason, ended.confirmed_gone) == ("executor_error", True)
    assert ended.message == "the agent's helper process died while the command ran"
    assert find_processes(execution_id) == []
    assert not launcher.alive
    output, _ = finish(launcher.launch(command("echo", "again")))
    assert output == b"again\n"
    assert launcher.alive


def test_the_death_of_the_shim_is_seen_by_the_helper(
    launcher: Launcher, command: MakeCommand, execution_id: str
) -> None:
    other = launcher.launch(command("sh", "-c", "echo on; sleep 300"))
    read_until(other, b"on")
    child = start_escapees(launcher, command, execution_id)
    os.kill(parent_of(child.pid), signal.SIGKILL)
    _, ended = finish(child)
    assert (ended.reason, ended.confirmed_gone) == ("executor_error", True)
    assert "the shim that guarded the command was killed" in ended.message
    left = [entry.pid for entry in list_descendants(os.getpid()) if entry.pid in find_processes(execution_id)]
    assert other.pid in left  # another run of the same helper goes on
    assert len(left) == 2
    other.kill("cancelled")
    assert finish(other)[1].reason == "cancelled"


def test_the_death_of_helper_and_shim_together(launcher: Launcher, command: MakeCommand, execution_id: str) -> None:
    child = start_escapees(launcher, command, execution_id)
    shim = parent_of(child.pid)
    helper = parent_of(shim)
    os.kill(helper, signal.SIGSTOP)  # so that it cannot clean up in between
    os.kill(shim, signal.SIGKILL)
    os.kill(helper, signal.SIGKILL)
    _, ended = finish(child)
    assert (ended.reason, ended.confirmed_gone) == ("executor_error", True)
    assert find_processes(execution_id) == []


def test_the_helper_does_not_heed_the_signals_of_a_service_manager(launcher: Launcher, command: MakeCommand) -> None:
    child = launcher.launch(command("sh", "-c", "echo on; sleep 0.3; echo off"))
    shim = parent_of(child.pid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(shim, number)
        os.kill(parent_of(shim), number)
    output, ended = finish(child)
    assert (output, ended.code, ended.reason) == (b"on\noff\n", 0, "")
    assert launcher.alive


def test_a_command_that_nobody_vouches_for_any_more_is_killed_at_once(launcher: Launcher, command: MakeCommand) -> None:
    begun = time.monotonic()
    stubborn = command("sh", "-c", "trap '' TERM; echo ready; sleep 300", vouched_until=begun + 5)
    with launcher.launch(stubborn) as child:
        read_until(child, b"ready")
        child.vouch(begun + 7)
        ended = child.wait(timedelta(seconds=40))
    assert ended is not None
    assert (ended.reason, ended.confirmed_gone) == ("lease_lost_killed", True)
    assert time.monotonic() >= begun + 7
