"""Starts `dkronpy up` on jobs of a test's own, in a folder of its own, and looks at the processes it has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dkronpy.agent.process_tree import list_descendants
from tests.support import Spawned, spawn

HEAD = "from dkronpy import Http, Job, Shell, every\nimport os\n"
QUICK = HEAD + 'Job(name="quick", schedule=every("1s"), run=Shell("echo hello"))\n'
# What stands in the environment of whoever runs the tests must not reach the deployment under test.
CLEAN = {name: "" for name in os.environ if name.startswith("DKRONPY_")}


def write_config(folder: Path, text: str = QUICK) -> Path:
    """A folder ``deployment`` with these jobs."""
    config = folder / "deployment"
    config.mkdir(exist_ok=True)
    (config / "jobs.py").write_text(text)
    return config


@contextmanager
def up(
    folder: Path, *options: str, jobs: str = QUICK, data_dir: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Spawned]:
    """`dkronpy up` with node ``n1``, its lines in a file of ``folder``; told to stop at the end."""
    arguments = ["--config", write_config(folder, jobs), "--data-dir", data_dir or folder / "data", "--name", "n1"]
    environment = {**CLEAN, "DKRONPY_ALLOW_ROOT": "1", "DKRONPY_STOP_GRACE": "5s", **(env or {})}
    log = folder / f"up{len(list(folder.glob('up*.log')))}.log"
    with spawn("up", *arguments, *options, log=log, env=environment, cwd=folder) as process:
        yield process


def processes_of(process: Spawned) -> list[int]:
    """The ids of all that it started, directly or not."""
    return [entry.pid for entry in list_descendants(process.pid)]


def pid_of(process: Spawned, role: str) -> int:
    """The process id of a role."""
    for pid in processes_of(process):
        command = command_of(pid).split(b"\0")
        if role.encode() in command or (role == "store" and b"-server" in command[0]):
            return pid
    raise AssertionError(f"no process of role {role}:\n{process.output}")


def command_of(pid: int) -> bytes:
    """The command line of a process; nothing where it has ended meanwhile, as processes that wait for work do."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(pids: list[int]) -> list[int]:
    """Those that still run; a zombie does not."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        except OSError:
            continue
        if state != "Z":
            found.append(pid)
    return found


def finished(process: Spawned) -> list[tuple[str, str]]:
    """Job and outcome of each line that tells of a finished execution."""
    return re.findall(r"^\d\d:\d\d:\d\d  (\S+) +n1  (\w+)", process.output, re.MULTILINE)
