"""Standard error told apart from standard output, where a command is launched so."""

from __future__ import annotations

from collections.abc import Callable

from dkronpy.agent.launcher import Launcher
from dkronpy.marks import MERGED, STDERR, STDOUT
from tests.integration.agent_process.conftest import MakeCommand

ALTERNATING = "for n in 1 2 3; do echo out $n; sleep 1; echo err $n >&2; sleep 1; done"


def test_what_is_written_a_moment_apart_keeps_its_order(launcher: Launcher, command: MakeCommand) -> None:
    with launcher.launch(command("sh", "-c", ALTERNATING, separate_stderr=True)) as child:
        pieces = list(child.pieces())
        assert child.wait().code == 0
    expected = [one for n in (b"1", b"2", b"3") for one in ((STDOUT, b"out %s\n" % n), (STDERR, b"err %s\n" % n))]
    assert pieces == expected


def test_merged_output_is_one_stream(launcher: Launcher, command: MakeCommand) -> None:
    with launcher.launch(command("sh", "-c", "echo out; echo err >&2")) as child:
        pieces = list(child.pieces())
    assert {stream for stream, _ in pieces} == {MERGED}
    assert b"".join(data for _, data in pieces) == b"out\nerr\n"


def test_neither_stream_keeps_the_other_waiting(launcher: Launcher, command: MakeCommand) -> None:
    """Each writes more than a pipe holds, standard output without end until standard error has come through."""
    script = "echo y; yes & head -c 300000 /dev/zero >&2; kill $!; wait"
    seen = {STDOUT: 0, STDERR: 0}
    with launcher.launch(command("sh", "-c", script, separate_stderr=True)) as child:
        for stream, data in child.pieces():
            seen[stream] += len(data)
    assert seen[STDERR] == 300_000
    assert seen[STDOUT] > 0


def test_who_holds_one_stream_open_holds_up_nothing(launcher: Launcher, command: MakeCommand) -> None:
    with launcher.launch(command("sh", "-c", "exec >&-; echo only err >&2", separate_stderr=True)) as child:
        assert list(child.pieces()) == [(STDERR, b"only err\n")]
        assert child.wait().code == 0


def test_a_callable_has_two_streams_too(launcher: Launcher, command: Callable[..., object]) -> None:
    both = command(callable="tests.integration.agent_process.callables:write_to_both", separate_stderr=True)
    with launcher.launch(both) as child:  # type: ignore[arg-type]
        pieces = list(child.pieces())
        assert child.wait().code == 0
    assert sorted(pieces) == [(STDOUT, b"to stdout\n"), (STDERR, b"to stderr\n")]
