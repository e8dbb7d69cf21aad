"""scripts/services: servers in the background, found by variables, gone after down."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from scripts.services_catalogue import SERVICES
from tests.support import ROOT, wait_until

Services = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Runs the script with a folder of its own; whatever is up goes down at the end."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, ROOT / "scripts/services.py", *arguments],
            env={**os.environ, "SERVICES_FOLDER": str(tmp_path / "services"), "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    yield run
    run("down")


def variables(printed: str) -> dict[str, str]:
    """What a shell would make of it."""
    return dict(shlex.split(line)[1].split("=", 1) for line in printed.splitlines())


def test_up_status_env_down(services: Services, tmp_path: Path) -> None:
    assert services("status").returncode == 3
    up = services("up", "redis", "syslog", "fluent", "smtp")
    assert up.returncode == 0, up.stderr
    assert [line.split()[0] for line in up.stdout.splitlines()] == ["redis", "syslog", "fluent", "smtp"]
    assert services("status").stdout == up.stdout
    found = variables(services("env").stdout)
    with redis.Redis.from_url(found["REDIS_URL"]) as client:
        assert client.ping()
    host, _, port = found["SYSLOG_ADDRESS"].partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"<14>hello\n", (host, int(port)))
    log = Path(found["SYSLOG_LOG"])
    wait_until(lambda: log.exists() and log.read_bytes() == b"<14>hello\n", description="the line was written down")
    again = services("up", "redis")
    assert (again.returncode, again.stderr) == (1, "servers are up already; scripts/services down ends them\n")
    pid = json.loads((tmp_path / "services/state.json").read_text())["pid"]
    assert services("down").returncode == 0
    command = Path(f"/proc/{pid}/cmdline")
    assert not command.exists() or command.read_bytes() == b"", "it has ended, if nobody has collected it yet"
    assert not log.parent.exists()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(found["REDIS_URL"]).ping()
    assert services("env").returncode == 1


def test_an_unknown_name_is_said_with_those_there_are(services: Services) -> None:
    refused = services("up", "mainframe")
    assert refused.returncode == 1
    assert refused.stderr == f"unknown: mainframe; accepted: {', '.join(SERVICES)}\n"


def test_every_kind_of_server_is_there() -> None:
    wanted = {
        "redis", "rabbitmq", "nats", "kafka", "grpc", "pubsub", "docker", "ecs", "smtp", "syslog", "fluent",
        "elasticsearch", "postgres",
    }  # fmt: skip
    assert wanted <= set(SERVICES)
