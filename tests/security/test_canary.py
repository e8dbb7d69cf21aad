"""A secret is nowhere but in the process that needs it: a canary is looked for everywhere else."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from dkronpy.job import Job, Run
from dkronpy.secret import secret
from tests.acceptance.fleet import Fleet
from tests.support import wait_until

CANARY = 'canary-7f3a/"9+ü'


def forms() -> list[bytes]:
    """The canary as it is, and as others would write it."""
    encoded = base64.b64encode(CANARY.encode())
    return [CANARY.encode(), encoded.rstrip(b"="), quote(CANARY, safe="").encode(), json.dumps(CANARY)[1:-1].encode()]


def content(path: Path) -> bytes:
    """What is in a file; nothing where it was removed meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def holding(data: bytes) -> list[bytes]:
    return [form for form in forms() if form in data]


def command_lines() -> dict[int, bytes]:
    """What ps shows of every process."""
    lines = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                lines[int(process.name)] = (process / "cmdline").read_bytes()
            except OSError:
                continue
    return lines


PRINT = (
    'echo "plain $KEY"; printf %s "$KEY" | base64; test -n "$KEY" || exit 9; echo "started"; '
    "while [ ! -e go ]; do sleep 0.05; done; exit 3"
)


@pytest.fixture(scope="module")
def spoken(guarded: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """The fleet after an execution that used the canary, printed it and failed; ps was looked at meanwhile."""
    folder = Path(guarded.environment["DKRONPY_SECRETS_DIR"])
    folder.mkdir(exist_ok=True)
    (folder / "canary").write_text(CANARY)
    work = tmp_path_factory.mktemp("canary")
    options = {"command": PRINT, "shell": "true", "cwd": str(work), "env": {"KEY": secret("canary")}}
    guarded.save(
        Job(name="canary", schedule="@manually", run=Run("shell", options), processors={"log": {"forward": "true"}})
    )
    run_id = guarded.client.run_job("canary").run.id
    execution = guarded.started(run_id)
    wait_until(lambda: "started" in guarded.output(execution), description="it prints")
    assert [pid for pid, line in command_lines().items() if holding(line)] == []
    (work / "go").touch()
    run, (ended,) = guarded.ended(run_id)
    assert (run.state, ended.attempts[0].exit_code) == ("failed", 3), "the secret was really there"
    assert "plain ***" in guarded.output(ended)
    return guarded


def test_it_is_not_in_the_store(spoken: Fleet) -> None:
    client = spoken.server.client()
    found = [key for key in client.scan_iter() if holding(client.dump(key) or b"")]
    client.close()
    assert found == []
    files = [path for path in spoken.server.folder.rglob("*") if path.is_file() and holding(content(path))]
    assert files == [], "the append-only file keeps every command"


def test_it_is_not_in_logs_spools_or_other_files(spoken: Fleet) -> None:
    secrets = Path(spoken.environment["DKRONPY_SECRETS_DIR"])
    files = [path for path in spoken.folder.rglob("*") if path.is_file() and secrets not in path.parents]
    assert any(path.suffix == ".log" for path in files)
    assert [path for path in files if holding(content(path))] == []


def test_it_is_not_in_what_anybody_is_told(spoken: Fleet) -> None:
    (run,) = spoken.client.runs(job="canary")
    view = spoken.client.run(run.id)
    said = [repr(spoken.client.job("canary")), repr(view), spoken.output(view.executions[0])]
    assert "started" in said[2]
    assert holding(json.dumps(said, ensure_ascii=False).encode()) == []


def test_it_is_not_in_a_dump_of_the_agent_or_of_what_it_started(spoken: Fleet) -> None:
    node = next(node for node in spoken.client.nodes() if node.name == "n1")
    limits = Path(f"/proc/{node.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
