"""The two shims: each is what it is taken for, and the compiled one takes nothing that it cannot read."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from dkronpy.agent import shim_messages as messages
from dkronpy.agent.launcher import Launcher
from dkronpy.agent.process_messages import PACKET_BYTES
from dkronpy.agent.process_tree import list_descendants
from dkronpy.agent.shim import STUCK_STATUS
from dkronpy.agent.shim_messages import NO_LAUNCH, Ended, Kill, Started, read_news, write_launch, write_order
from dkronpy.agent.shim_program import LAYOUT, PROGRAM, become_program, open_program
from tests.support import wait_until

from .conftest import MakeCommand, finish, read_until
from .test_tree import parent_of

FDS = messages.FILES
Family = tuple["subprocess.Popen[bytes]", socket.socket, socket.socket]
FORK_AND_BECOME = """
import os, sys
child = os.fork()
if child == 0:
    os.closerange(3, 1000)
    os._exit(len(os.read(0, 1)))
program = os.open(sys.argv[1], os.O_PATH)  # another user may have no way to the folder that it lies in
os.setresuid(*[int(sys.argv[2])] * 3)
os.execve(program, [*sys.argv[3:], str(child)], {})
"""


def test_a_command_runs_behind_the_shim_that_was_asked_for(launcher: Launcher, command: MakeCommand, shim: str) -> None:
    with launcher.launch(command("sleep", "300")) as child:
        process = Path(f"/proc/{parent_of(child.pid)}")
        name, words = process.joinpath("comm").read_text(), process.joinpath("cmdline").read_bytes().split(b"\0")[:-1]
        environment = process.joinpath("environ").read_bytes()
        helper = launcher.helper_pid
    if shim == "python":
        assert b"dkronpy.agent.process_helper" in words
        return
    assert (name, words[0], environment) == ("dkronpy-shim\n", b"dkronpy-shim", b"")
    assert all(word.isdigit() for word in words[1:]), "descriptors and processes, and nothing that could be secret"
    assert words[-2:] == [b"%d" % (helper or 0), b"%d" % child.pid]


def test_term_reaches_each_of_hundreds_of_processes(launcher: Launcher, command: MakeCommand) -> None:
    script = "trap : TERM; i=0; while [ $i -lt 400 ]; do sleep 300 & i=$((i+1)); done; echo ready; wait; wait; exit 7"
    child = launcher.launch(command("sh", "-c", script, grace=timedelta(minutes=5)))
    read_until(child, b"ready")
    # One that is still a copy of the shell has its handler, and would lose the TERM.
    wait_until(lambda: sleepers_below(child.pid) == 400, timeout=60, description="all of them sleep")
    child.kill("cancelled")
    _, ended = finish(child)
    assert (ended.code, ended.reason, ended.confirmed_gone) == (7, "cancelled", True)


def sleepers_below(pid: int) -> int:
    """How many of the processes below *pid* have become the program."""
    return sum(Path(f"/proc/{entry.pid}/comm").read_text() == "sleep\n" for entry in list_descendants(pid))


def test_a_program_that_cannot_be_run_here_is_done_without(tmp_path: Path) -> None:
    of_another_release, of_another_machine, not_executable = (tmp_path / name for name in ("one", "two", "three"))
    of_another_release.write_text("#!/bin/sh\nexit 1\n")
    of_another_machine.write_bytes(b"\x7fELF\1")
    not_executable.write_bytes(PROGRAM.read_bytes())
    for path in (of_another_release, of_another_machine):
        path.chmod(0o755)
    for path in (of_another_release, of_another_machine, not_executable, tmp_path / "missing"):
        assert open_program(path) is None, path.name
    program = open_program(PROGRAM)
    assert program is not None
    os.close(program)


def test_a_shim_that_cannot_become_the_program_is_as_before() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Path("/etc/passwd").open("rb") as no_program:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        become_program(no_program.fileno(), ours.fileno(), (theirs.fileno(), no_program.fileno()), os.getppid(), 1)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
        assert not any(os.get_inheritable(one.fileno()) for one in (ours, theirs, no_program))


@contextmanager
def compiled_shim(program: Path = PROGRAM, uid: int = 0) -> Iterator[Family]:
    """The program with a child that does nothing: the process, the agent's end of its socket, and the child's.

    It belongs to another user than its child does, where *uid* says so.
    """
    ours, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    childs, childs_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    report, writing = os.pipe()
    words = (LAYOUT, control.fileno(), childs_socket.fileno(), report, os.getpid())
    kept = (control.fileno(), childs_socket.fileno(), report)
    with (
        ours,
        childs,
        subprocess.Popen(
            [sys.executable, "-S", "-c", FORK_AND_BECOME, program, str(uid), program.name, *map(str, words)],
            stdin=subprocess.PIPE,
            pass_fds=kept,
        ) as process,
    ):
        for end in (control, childs_socket):
            end.close()
        os.close(report)
        os.close(writing)
        try:
            yield process, ours, childs
        finally:
            process.kill()
            ours.close()


@pytest.mark.parametrize(
    ("packet", "descriptors"),
    [
        (b"x", FDS),
        (write_launch(NO_LAUNCH)[:-1], FDS),
        (write_launch(NO_LAUNCH) + b"\0", FDS),
        (write_launch(NO_LAUNCH) + b"x" * 5000, FDS),
        (b"\xff" * 100, FDS),
        (struct.pack("=5q", 0, 0, 0, 0, 0) + b"relative", FDS),
        (struct.pack("=5q", 2, 0, 0, 0, 0) + b"/", FDS),
        (struct.pack("=5q", 0, -1, 0, 0, 0) + b"/", FDS),
        (write_launch(NO_LAUNCH), 0),
        (write_launch(NO_LAUNCH), FDS - 1),
        (write_launch(NO_LAUNCH), FDS + 1),
    ],
)
def test_what_is_no_launch_is_refused(packet: bytes, descriptors: int) -> None:
    with compiled_shim() as (process, agent, child):
        socket.send_fds(agent, [packet], [agent.fileno()] * descriptors)
        agent.settimeout(30)
        news = read_news(agent.recv(PACKET_BYTES))
        assert isinstance(news, Ended)
        assert news.cause == (messages.CANNOT_START if descriptors > FDS else messages.NOT_A_COMMAND)
        assert process.wait(30) == 0
        assert child.recv(10) == b"", "the child was handed nothing"


def test_what_is_no_order_is_passed_over() -> None:
    with compiled_shim() as (process, agent, child):
        agent.settimeout(30)
        child.settimeout(30)
        socket.send_fds(agent, [write_launch(NO_LAUNCH)], [agent.fileno()] * FDS)
        assert isinstance(read_news(agent.recv(PACKET_BYTES)), Started)
        assert socket.recv_fds(child, 100, FDS)[0] == b"/"
        for packet in (b"x", b"x" * 23, b"x" * 24, b"x" * 25, b"x" * 100_000, struct.pack("=3q", 3, 0, 0)):
            agent.send(packet)
        agent.send(write_order(Kill(number=7, grace=0.0)))
        news = read_news(agent.recv(PACKET_BYTES))
        assert isinstance(news, Ended)
        assert (news.cause, news.detail, news.status, news.gone) == (messages.ORDERED, 7, signal.SIGKILL, True)
        assert process.wait(30) == 0


def test_a_process_that_cannot_be_ended_is_told_of(tmp_path: Path) -> None:
    """As one that hangs in the kernel, here one that the shim has no right to signal."""
    assert os.getuid() == 0, "this test must run as root, as it does in CI"
    copy = tmp_path / PROGRAM.name
    copy.write_bytes(PROGRAM.read_bytes())
    copy.chmod(0o755)
    with compiled_shim(copy, pwd.getpwnam("nobody").pw_uid) as (process, agent, _):
        agent.settimeout(60)
        socket.send_fds(agent, [write_launch(NO_LAUNCH)], [agent.fileno()] * FDS)
        assert isinstance(read_news(agent.recv(PACKET_BYTES)), Started)
        agent.send(write_order(Kill(number=0, grace=0.0)))
        news = read_news(agent.recv(PACKET_BYTES))
        assert isinstance(news, Ended)
        assert (news.cause, news.status, news.gone) == (messages.ORDERED, messages.UNKNOWN_STATUS, False)
        assert news.duration >= 5 * messages.SECOND
        assert process.wait(30) == STUCK_STATUS


def test_a_child_that_was_killed_before_it_began_is_told_or_made_up_for() -> None:
    """Never a second launch of what may have begun; and never silence."""
    with compiled_shim() as (process, agent, child):
        agent.settimeout(30)
        child.close()
        socket.send_fds(agent, [write_launch(NO_LAUNCH)], [agent.fileno()] * FDS)
        assert isinstance(read_news(agent.recv(PACKET_BYTES)), Started)
        news = read_news(agent.recv(PACKET_BYTES))
        assert isinstance(news, Ended)
        assert news.cause == messages.CHILD_DIED
        assert process.wait(30) == 0
    with compiled_shim() as (process, agent, _):
        (idle,) = wait_until(lambda: list_descendants(process.pid), description="it has a child")
        os.kill(idle.pid, signal.SIGKILL)
        assert process.wait(30) == 0
        assert agent.recv(10) == b"", "its place is another's"
