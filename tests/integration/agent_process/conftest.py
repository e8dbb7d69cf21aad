"""A launcher per test, and a watch that no process of a test outlives it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from dkronpy.agent.launcher import ChildProcess, Command, Exit, Launcher, find_processes

Finished = tuple[bytes, Exit]
MakeCommand = Callable[..., Command]
Run = Callable[..., Finished]


@pytest.fixture
def execution_id() -> str:
    """The id that every process of the test carries in its environment."""
    return f"test-{uuid.uuid4()}"


@pytest.fixture(params=["compiled", "python"])
def shim(request: pytest.FixtureRequest) -> str:
    """Behind which of the two shims the commands of the test run: both must do the same."""
    return str(request.param)


@pytest.fixture
def launcher(execution_id: str, shim: str) -> Iterator[Launcher]:
    """A started launcher; fails the test that leaves a process behind."""
    made = Launcher(python_shim=shim == "python")
    made.start()
    assert made.compiled == (shim == "compiled"), "shim.c was not compiled: scripts/packages and scripts/venv do it"
    yield made
    made.stop(timedelta(seconds=0.2))
    assert not made.alive
    assert find_processes(execution_id) == []


@pytest.fixture
def command(execution_id: str) -> MakeCommand:
    """Makes commands with the test's execution id, a PATH, and half a second of grace."""

    def make(*argv: str, **fields: Any) -> Command:
        fields["env"] = {
            "PATH": os.environ["PATH"],
            "DKRONPY_EXECUTION_ID": execution_id,
            **fields.get("env", {}),
        }
        return Command(argv=argv or None, **{"grace": timedelta(seconds=0.5), **fields})

    return make


@pytest.fixture
def run(launcher: Launcher, command: MakeCommand) -> Run:
    """Runs a command to its end: its output and how it ended."""

    def run_to_end(*argv: str, **fields: Any) -> Finished:
        return finish(launcher.launch(command(*argv, **fields)))

    return run_to_end


def finish(child: ChildProcess) -> Finished:
    """Read a child to its end and let go of it."""
    with child:
        output = b""
        while data := child.read(timeout=timedelta(seconds=30)):
            output += data
        ended = child.wait(timedelta(seconds=30))
        assert ended is not None
        return output, ended


def read_until(child: ChildProcess, text: bytes) -> bytes:
    """Read a running child's output until it holds *text*."""
    output = b""
    while text not in output:
        data = child.read(timeout=timedelta(seconds=10))
        assert data, f"no {text!r} in {output!r}"
        output += data
    return output
