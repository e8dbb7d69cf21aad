"""Many runs: side by side from threads, and one after the other without leaving anything in the agent."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from dkronpy.agent.launcher import HelperError, Launcher
from dkronpy.agent.process_helper import SPARES, SPARES_OF_CALLABLES
from dkronpy.agent.process_tree import list_descendants
from tests.support import ROOT, wait_until

from .conftest import Finished, MakeCommand, finish


def open_descriptors(pid: int | str = "self") -> int:
    """How many descriptors a process holds."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_fifty_runs_at_once_from_threads(launcher: Launcher, command: MakeCommand) -> None:
    barrier = threading.Barrier(50)

    def one(number: int) -> Finished:
        barrier.wait()
        return finish(launcher.launch(command("sh", "-c", f"echo {number}; cat; exit {number}", stdin=b"in")))

    with ThreadPoolExecutor(50) as pool:
        for number, (output, ended) in enumerate(pool.map(one, range(50))):
            assert (output, ended.code, ended.reason) == (f"{number}\nin".encode(), number, "")


def test_threads_that_start_while_the_helper_is_dead_share_one_new_helper(command: MakeCommand) -> None:
    launcher = Launcher()
    barrier = threading.Barrier(8)

    def one(_: int) -> bytes:
        barrier.wait()
        return finish(launcher.launch(command("sh", "-c", "ps -o ppid= -p $PPID")))[0]

    with ThreadPoolExecutor(8) as pool:
        helpers = set(pool.map(one, range(8)))
    launcher.stop(timedelta(0))
    assert len(helpers) == 1


def spares_wait(helper: int, *, count: int = SPARES, beside: frozenset[int] = frozenset()) -> frozenset[int]:
    """What waits, once there are *count* shims, each with its child, and none of *beside* is there any more."""

    def waiting() -> frozenset[int]:
        entries = list_descendants(helper)
        there = frozenset(entry.pid for entry in entries)
        shims = sorted(entry.pid for entry in entries if entry.parent == helper)
        pairs = sorted(entry.parent for entry in entries if entry.parent != helper) == shims
        return there if pairs and len(shims) == count and not there & beside else frozenset()

    return wait_until(waiting, description="shims and their children wait, each for one command")


def test_a_command_is_taken_by_processes_that_were_there_before(launcher: Launcher, command: MakeCommand) -> None:
    helper = launcher.helper_pid
    assert helper is not None
    waiting = spares_wait(helper)
    for _ in range(SPARES):
        child = launcher.launch(command("true"))
        assert child.pid in waiting
        finish(child)
    assert spares_wait(helper, beside=waiting), "each serves one command"


def test_a_callable_is_taken_by_processes_that_were_there_before(launcher: Launcher, command: MakeCommand) -> None:
    first = finish(launcher.launch(command(callable="os:getpid")))[1].result  # which starts their helper
    (helper,) = set(launcher.helper_pids) - {launcher.helper_pid}
    assert isinstance(first, int)
    waiting = spares_wait(helper, count=SPARES_OF_CALLABLES, beside=frozenset((first,)))
    pids = [finish(launcher.launch(command(callable="os:getpid")))[1].result for _ in range(SPARES_OF_CALLABLES)]
    assert set(pids) < waiting
    assert len(set(pids)) == SPARES_OF_CALLABLES, "each serves one call"


@pytest.mark.parametrize("what", [{"callable": "os:getpid"}, {}])
def test_a_node_that_can_start_no_process_says_so(
    launcher: Launcher, command: MakeCommand, what: dict[str, str]
) -> None:
    argv = () if what else ("true",)
    running = [launcher.launch(command(*argv, **what))]
    for helper in launcher.helper_pids:
        resource.prlimit(helper, resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    running += [launcher.launch(command(*argv, **what)) for _ in range(2 * SPARES_OF_CALLABLES)]
    ends = [finish(child)[1] for child in running]
    assert ends[0].code == 0
    assert ends[-1].reason == "spawn_failed"
    assert ends[-1].message == "the node cannot start another process: Too many open files"


def test_what_every_shim_of_programs_carries_is_small() -> None:
    """These write to their memory after each fork, and with them everything that was forked grows by half."""
    program = "import sys, dkronpy.agent.process_helper; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert "dkronpy.agent.shim" in loaded
    assert not loaded & {"threading", "random", "logging", "asyncio", "dkronpy.plugins.options"}


def test_the_helper_keeps_nothing_of_its_practice(launcher: Launcher) -> None:
    helper = launcher.helper_pid
    assert helper is not None
    spares_wait(helper)
    assert len(list_descendants(helper)) == 2 * SPARES, "shims and their children, and no others"
    assert open_descriptors(helper) == 3 + 1 + 2 + SPARES + launcher.compiled, (
        "standard ones, the agent, its wakeup, its shims, and the program that these become"
    )


def test_spares_that_were_killed_are_replaced(launcher: Launcher, command: MakeCommand) -> None:
    helper = launcher.helper_pid
    assert helper is not None
    for victim in (0, -1):  # a shim, and a child: parents come first
        spares_wait(helper)
        os.kill(list_descendants(helper)[victim].pid, signal.SIGKILL)
        for _ in range(SPARES + 1):
            assert finish(launcher.launch(command("echo", "here")))[0] == b"here\n"


def test_three_hundred_runs_leave_no_descriptor_thread_or_process(launcher: Launcher, command: MakeCommand) -> None:
    helper = launcher.helper_pid
    assert helper is not None

    def held() -> tuple[int, int, int, int]:
        processes = len(list_descendants(os.getpid()))
        return open_descriptors(), open_descriptors(helper), threading.active_count(), processes

    spares_wait(helper)
    before = held()
    for _ in range(300):
        assert finish(launcher.launch(command("true", stdin=b"x")))[1].code == 0
    assert launcher.helper_pid == helper

    def no_more() -> bool:
        return all(now <= then for now, then in zip(held(), before, strict=True))

    wait_until(no_more, description=f"there is no more than before, {before}, not {held()}")


def test_failed_launches_leave_no_descriptor(launcher: Launcher, command: MakeCommand) -> None:
    finish(launcher.launch(command("no-such-program")))
    before = open_descriptors()
    for _ in range(20):
        finish(launcher.launch(command("no-such-program")))
        finish(launcher.launch(command("true", mem_limit="much")))
    wait_until(lambda: open_descriptors() <= before, description="the descriptors are gone")


def test_a_stopped_launcher_refuses_to_launch(launcher: Launcher, command: MakeCommand) -> None:
    launcher.stop(timedelta(0))
    with pytest.raises(HelperError, match="the agent is stopping"):
        launcher.launch(command("true"))
    launcher.start()
    assert finish(launcher.launch(command("true")))[1].code == 0


def test_an_agent_out_of_descriptors_says_so() -> None:
    program = """
import resource
from datetime import timedelta
from dkronpy.agent.launcher import Command, HelperError, Launcher
launcher = Launcher()
launcher.start()
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, most))
try:
    launcher.launch(Command(argv=("true",)))
except HelperError as exc:
    print(exc)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
with launcher.launch(Command(argv=("/bin/true",))) as child:
    print(child.wait().code)
launcher.stop(timedelta(0))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=30
    )
    assert ended.stdout.splitlines() == [
        "the agent cannot start a command: [Errno 24] Too many open files",
        "0",
    ], ended.stderr
