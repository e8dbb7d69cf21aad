"""`dkronpy doctor`: all is well on a running deployment, and each thing that is wrong is found with its fix."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from dkronpy import Http, Job, Shell, any_node, manual
from dkronpy.client import Client
from dkronpy.node import Node
from dkronpy.settings import Settings
from dkronpy.supervisor.checks_store import exposure
from tests.conftest import MakeStoreServer
from tests.integration.up.started import CLEAN, finished, up, write_config
from tests.support import spawn, wait_until

CHECKS = [
    "settings", "versions", "configuration", "executors", "time zones", "secrets", "data folder", "store",
    "store version", "persistence", "eviction", "memory", "clock", "open ports", "leader", "lag", "nodes", "clocks",
    "targets", "quarantine", "queues", "signatures",
]  # fmt: skip


def examine(folder: Path, env: Mapping[str, str], *options: str) -> tuple[int, str]:
    """The exit status of doctor and what it says."""
    log = folder / f"doctor{len(list(folder.glob('doctor*')))}.log"
    with spawn("doctor", *options, log=log, env={**CLEAN, "DKRONPY_SECRETS_DIR": "", **env}, cwd=folder) as process:
        return process.wait(30), process.output


def findings(folder: Path, env: Mapping[str, str]) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit status, and by check what was found."""
    code, output = examine(folder, env, "-o", "json")
    return code, {row["check"]: row for row in json.loads(output)}


def test_all_is_well_while_up_runs(tmp_path: Path) -> None:
    with up(tmp_path) as process:
        wait_until(lambda: finished(process), timeout=30, description="the first execution finishes")
        env = {"DKRONPY_DATA_DIR": str(tmp_path / "data"), "DKRONPY_CONFIG": str(tmp_path / "deployment")}
        code, found = findings(tmp_path, env)
        assert {name: row for name, row in found.items() if row["state"] != "ok"} == {}
        assert code == 0
        assert sorted(found) == sorted([*CHECKS, "store program"])
        assert found["persistence"]["message"].startswith("D1")
        assert found["nodes"]["message"] == "1 alive: n1"
        code, text = examine(tmp_path, env)
    assert code == 0
    assert [line[:4].strip() for line in text.splitlines()] == ["ok"] * (len(CHECKS) + 1)


def test_a_broken_deployment_is_told_check_by_check(tmp_path: Path, make_store_server: MakeStoreServer) -> None:
    server = make_store_server(appendonly="no", maxmemory_policy="allkeys-lru")
    client = Client(Settings(store_url=server.url))
    client.save_job(Job(name="lonely", schedule=manual(), run=Shell("x"), on=any_node(role="none")))
    nodes, redis = client.deployment.nodes, client.deployment.store.client
    for name in ("n1", "gone"):
        nodes.report(Node(name=name, instance=name, version="0.0.1", clock_ms=client.status().now_ms + 90_000))
    nodes.leave("gone", "gone")
    redis.lpush("dkronpy.node.gone", "message", "message")
    redis.lpush("dkronpy.node.n1", "message")
    redis.hset(client.deployment.store.keys.quarantine, "redbeat:bad", "ValueError: no such field")
    redis.zadd(client.deployment.store.keys.schedule, {"redbeat:late": client.status().now_ms / 1000 - 60})
    client.close()
    write_config(tmp_path, 'from dkronpy import Job\nJob(name="a", schedule="61 * * * *")\n')
    env = {
        "DKRONPY_STORE_URL": server.url, "DKRONPY_CONFIG": str(tmp_path / "deployment"),
        "DKRONPY_SECRETS_DIR": str(tmp_path / "nowhere"), "DKRONPY_DATA_DIR": str(tmp_path),
    }  # fmt: skip
    code, found = findings(tmp_path, env)
    assert code == 1
    wrong = {name: row["state"] for name, row in found.items() if row["state"] != "ok"}
    assert wrong == {
        "configuration": "fail", "secrets": "fail", "persistence": "fail", "eviction": "fail", "leader": "fail",
        "lag": "fail", "nodes": "warn", "clocks": "warn", "targets": "fail", "quarantine": "fail", "queues": "warn",
    }  # fmt: skip
    assert all(found[name]["fix"] for name in wrong)
    assert "CONFIG SET appendonly yes" in found["persistence"]["fix"]
    assert found["eviction"]["fix"] == "CONFIG SET maxmemory-policy noeviction"
    assert "has 2 problems, the first: deployment/jobs.py:2:1: a: run: " in found["configuration"]["message"]
    assert "lonely" in found["targets"]["message"]
    assert "redbeat:bad: ValueError: no such field" in found["quarantine"]["message"]
    assert found["queues"]["message"].startswith("2 messages for gone:")
    assert re.search(r"n1 \(\d\d\.\d s ahead\)", found["clocks"]["message"])
    assert "dkronpy node forget gone" in found["nodes"]["fix"]
    assert found["lag"]["message"].startswith("the longest owed due time has been waiting for 6")


@pytest.mark.parametrize(
    ("bind", "port", "free", "protected", "state"),
    [
        ("127.0.0.1 -::1", 6379, True, False, "ok"),
        ("* -::*", 6379, True, True, "ok"),  # protected: without a password it answers this machine only
        ("", 6379, True, False, "fail"),
        ("10.0.0.5", 6379, True, False, "fail"),
        ("10.0.0.5 127.0.0.1", 6379, False, False, "warn"),
        ("10.0.0.5", 0, False, True, "ok"),  # TLS only
    ],
)
def test_a_store_that_others_can_reach(bind: str, port: int, free: bool, protected: bool, state: str) -> None:
    finding = exposure(bind, port, free=free, protected=protected)
    assert finding.state == state, finding
    assert bool(finding.fix) == (state != "ok")


def test_a_job_whose_executor_no_node_has(tmp_path: Path, make_store_server: MakeStoreServer) -> None:
    server = make_store_server()
    client = Client(Settings(store_url=server.url))
    client.save_job(Job(name="call", schedule=manual(), run=Http("http://127.0.0.1/")))
    client.deployment.nodes.report(Node(name="n1", instance="a", executors=("shell",)))
    client.close()
    _, found = findings(tmp_path, {"DKRONPY_STORE_URL": server.url})
    assert found["targets"]["state"] == "fail"
    assert "call (http on n1)" in found["targets"]["message"]


@pytest.mark.parametrize("env", [{}, {"DKRONPY_STORE_URL": "redis://127.0.0.1:1/0"}])
def test_without_a_store_it_says_so_and_how_to_start_one(tmp_path: Path, env: dict[str, str]) -> None:
    code, text = examine(tmp_path, env)
    assert code == 1
    last = text.splitlines()[-1]
    assert last.startswith("fail  store ")
    assert "fix: start one: dkronpy up" in last
    assert "Traceback" not in text


def test_settings_that_cannot_be_read_are_a_finding(tmp_path: Path) -> None:
    code, found = findings(tmp_path, {"DKRONPY_CAPACITY": "many"})
    assert code == 1
    assert list(found) == ["settings"]
    assert "many" in found["settings"]["message"]


def test_a_store_that_may_forget_is_a_warning_where_that_is_allowed(
    tmp_path: Path, make_store_server: MakeStoreServer
) -> None:
    server = make_store_server(appendonly="no")
    _, found = findings(tmp_path, {"DKRONPY_STORE_URL": server.url, "DKRONPY_ALLOW_VOLATILE": "1"})
    assert found["persistence"]["state"] == "warn"


def test_a_user_who_may_not_ask_everything_still_gets_an_answer(
    tmp_path: Path, make_store_server: MakeStoreServer
) -> None:
    server = make_store_server()
    with server.client() as client:
        client.execute_command(
            "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-@admin", "-info", "-config"
        )
    url = f"redis://app:secret@127.0.0.1:{server.port}/0"
    code, text = examine(tmp_path, {"DKRONPY_STORE_URL": url})
    assert code == 1
    assert "Traceback" not in text
    assert "secret@" not in text
    assert "warn  persistence    could not be checked: " in text
    assert "\nfail  leader" in text
