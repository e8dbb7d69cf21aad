"""The supervisor on real child programs: what ends is started again, what is told to stop stops in order, and
nothing outlives it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import Spawned, spawn, wait_until

SUPERVISE = (sys.executable, "-m", "tests.integration.up.supervise")
PROGRAM = """
import os, signal, sys, threading
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
print("pid", os.getpid(), flush=True)
if not stopped.wait(6.0):
    print("steady", os.getpid(), flush=True)
    stopped.wait()
print("leaving", flush=True)
"""
STUBBORN = """
import os, signal, threading
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("pid", os.getpid(), flush=True)
threading.Event().wait()
"""


@contextmanager
def supervised(log: Path, *roles: dict[str, Any]) -> Iterator[Spawned]:
    with spawn(json.dumps(roles), command=SUPERVISE, log=log) as process:
        process.wait_for("supervising")
        yield process


def pids(process: Spawned, role: str) -> list[int]:
    return [int(pid) for pid in re.findall(rf"^{role} *\| pid (\d+)$", process.output, re.MULTILINE)]


def pid_number(process: Spawned, role: str, count: int) -> int:
    """The process id of the role's *count*-th start."""
    wait_until(lambda: len(pids(process, role)) >= count, description=f"{role} starts for the {count}. time")
    return pids(process, role)[count - 1]


def lives(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_a_killed_child_is_started_again_after_pauses_that_grow_and_start_over(tmp_path: Path) -> None:
    with supervised(tmp_path / "log", {"name": "beat", "code": PROGRAM}) as process:
        killed = []
        for count in range(1, 6):
            killed.append(pid_number(process, "beat", count))
            if count == 5:
                process.wait_for(f"steady {killed[-1]}")
            os.kill(killed[-1], signal.SIGKILL)
        pid_number(process, "beat", 6)
    pauses = re.findall(r"beat \(pid (\d+)\) was killed by SIGKILL; starting it again in ([\d.]+) s", process.output)
    assert [int(pid) for pid, _ in pauses] == killed
    assert [pause for _, pause in pauses] == ["0.2", "0.4", "0.8", "0.8", "0.2"]


def test_a_child_that_ends_by_itself_is_started_again_and_says_how_it_ended(tmp_path: Path) -> None:
    code = "import sys; print('pid 1'); print('last words', file=sys.stderr); sys.exit(3)"
    with supervised(tmp_path / "log", {"name": "agent", "code": code}) as process:
        pid_number(process, "agent", 2)
        output = process.output
    assert re.search(r"up     \| agent \(pid \d+\) ended with status 3; starting it again in 0.2 s", output)
    assert output.index("agent  | last words") < output.index("ended with status 3")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_last_started_first(tmp_path: Path, number: signal.Signals) -> None:
    roles = [{"name": name, "code": PROGRAM} for name in ("store", "beat", "agent")]
    with supervised(tmp_path / "log", *roles) as process:
        started = [pid_number(process, role["name"], 1) for role in roles]
        process.signal(number)
        assert process.wait() == 0
    order = re.findall(r"^(\w+) *\| leaving$", process.output, re.MULTILINE)
    assert order == ["agent", "beat", "store"]
    assert f"stopping: {number.name}" in process.output
    assert "starting it again" not in process.output
    assert not any(map(lives, started))


def test_a_child_that_does_not_stop_in_its_time_is_killed(tmp_path: Path) -> None:
    roles = ({"name": "store", "code": PROGRAM}, {"name": "agent", "code": STUBBORN, "stop_within": 0.5})
    with supervised(tmp_path / "log", *roles) as process:
        store, agent = pid_number(process, "store", 1), pid_number(process, "agent", 1)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert f"agent (pid {agent}) is killed: it did not stop within 0.5 s" in process.output
    assert "store  | leaving" in process.output
    assert not lives(store)
    assert not lives(agent)


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with supervised(tmp_path / "log", {"name": "agent", "code": STUBBORN, "stop_within": 600}) as process:
        agent = pid_number(process, "agent", 1)
        process.signal(signal.SIGINT)
        process.wait_for("stopping: SIGINT")
        process.signal(signal.SIGINT)
        assert process.wait() == 0
    assert f"agent (pid {agent}) is killed: a second signal" in process.output
    assert not lives(agent)


def test_a_stop_while_a_child_awaits_its_restart_starts_it_no_more(tmp_path: Path) -> None:
    with supervised(tmp_path / "log", {"name": "beat", "code": "print('pid 1')"}) as process:
        process.wait_for("starting it again in 0.8 s")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    _, stopping, after = process.output.partition("stopping: SIGTERM")
    assert stopping
    assert "| pid" not in after


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    roles = [{"name": name, "code": STUBBORN} for name in ("store", "beat", "agent")]
    with supervised(tmp_path / "log", *roles) as process:
        started = [pid_number(process, role["name"], 1) for role in roles]
        process.kill()
        wait_until(lambda: not any(map(lives, started)), timeout=3, description="the children are gone")


def test_lines_are_told_apart_whatever_they_hold(tmp_path: Path) -> None:
    code = "import sys\nsys.stdout.buffer.write(b'caf\\xe9 \\xff\\n\\n' + b'x' * 20_000 + b'\\nno end of line')"
    with supervised(tmp_path / "log", {"name": "agent", "code": code}) as process:
        output = process.wait_for("no end of line")
    told = output[: output.index("no end of line") + len("no end of line")]
    lines = [line for line in told.splitlines() if line.startswith("agent  |")]
    assert lines[0] == "agent  | caf\ufffd \ufffd"
    assert "".join(line.removeprefix("agent  | ") for line in lines[1:-1]) == "x" * 20_000
    assert lines[-1] == "agent  | no end of line"
    assert "\x1b[" not in output


def test_colour_is_for_terminals_that_want_it(tmp_path: Path) -> None:
    role = json.dumps([{"name": "beat", "code": PROGRAM}])
    for number, (environment, coloured) in enumerate(
        [({"DKRONPY_FORCE_TTY": "1"}, True), ({"DKRONPY_FORCE_TTY": "1", "NO_COLOR": "1"}, False)]
    ):
        with spawn(role, command=SUPERVISE, log=tmp_path / f"log{number}", env=environment) as process:
            output = process.wait_for("pid ")
        assert ("\x1b[36mbeat   |\x1b[0m pid " in output) is coloured
