"""The ACL rules of each role: the whole deployment works with them, over TLS as well, and each user can do no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from dkronpy.job import Job
from dkronpy.store.acl import ROLES, Role, rules
from dkronpy.store.keys import Keys
from tests.acceptance.fleet import Fleet
from tests.conftest import MakeStoreServer
from tests.executors.servers import Authority
from tests.faults.scheduler.arena import shell
from tests.support import StoreServer, free_port

KEYS = Keys()


def admit(server: StoreServer) -> None:
    """Make the user of each role; the agent's is for node n1."""
    with server.client() as client:
        for role in ROLES:
            client.execute_command("ACL", "SETUSER", role, "reset", "on", ">s3cret", *rules(role, KEYS, node="n1"))


def as_user(server: StoreServer, role: Role, **options: Any) -> redis.Redis:
    """A client of a role's user."""
    return redis.Redis(port=server.port, username=role, password="s3cret", **options)


def with_tls(make: MakeStoreServer, folder: Path) -> tuple[StoreServer, str]:
    """A Redis that speaks TLS as well, and where: the rest of a URL."""
    authority, port = Authority(folder), free_port()
    certificate = str(authority.issue("localhost"))
    server = make(
        kind="redis", tls_port=str(port), tls_cert_file=certificate, tls_key_file=certificate,
        tls_ca_cert_file=str(authority.ca), tls_auth_clients="no",
    )  # fmt: skip
    return server, f"localhost:{port}/0?ssl_ca_certs={authority.ca}"


@pytest.mark.parametrize("scheme", ["rediss", "redis"])
def test_each_role_does_its_work_as_its_own_user(
    scheme: str, make_store_server: MakeStoreServer, tmp_path: Path
) -> None:
    if scheme == "rediss":
        server, place = with_tls(make_store_server, tmp_path)
    else:  # the embedded Valkey knows no TLS
        server = make_store_server(kind="valkey")
        place = f"127.0.0.1:{server.port}/0"
    admit(server)

    def url(role: Role) -> dict[str, str]:
        return {"DKRONPY_STORE_URL": f"{scheme}://{role}:s3cret@{place}"}

    with Fleet(server, tmp_path, url("server")) as fleet:
        beat = fleet._start("beat", **url("beat"))
        fleet.environment.update(url("agent"))
        agent = fleet.agent("n1")
        api = fleet._start("server", "--port", "0", **url("server"))
        fleet.save(Job(name="hello", schedule="@every 1s", run=shell("echo hello")))
        address = api.wait_for("the API is at ", timeout=90).rpartition("the API is at ")[2].split()[0]

        assert requests.post(f"{address}/v1/jobs/hello", timeout=30).status_code == 200
        for page in ("v1/jobs", "v1/leader", "v1/members", "metrics", "v1/busy"):
            assert requests.get(f"{address}/{page}", timeout=30).status_code == 200, page
        run, (execution,) = fleet.run_now("hello")
        assert (run.state, fleet.output(execution)) == ("success", "hello\n")
        with server.client() as client:
            assert not client.execute_command("ACL", "LOG"), "somebody was refused what his role needs"
        for process in (beat, agent, api):
            assert process.process.poll() is None, process.output


REFUSED_ALL = (
    ("FLUSHALL",), ("FLUSHDB",), ("KEYS", "*"), ("CONFIG", "SET", "maxmemory", "1"), ("ACL", "LIST"), ("SHUTDOWN",),
    ("SAVE",), ("MONITOR",), ("SCRIPT", "FLUSH"), ("CLIENT", "KILL", "TYPE", "normal"),
    ("GET", "other:key"), ("SET", "other:key", "1"), ("PUBLISH", "other", "1"),
    ("EVAL", "return redis.call('SET', 'other:key', '1')", "0"),
)  # fmt: skip
REFUSED_AGENT = (
    ("LPUSH", "dkronpy.node.n2", "message"), ("RPOP", "dkronpy.node.n2"), ("HSET", "redbeat:job", "job", "{}"),
    ("SET", "dkronpy:def:job:1", "{}"), ("ZADD", "redbeat::schedule", "1", "redbeat:job"),
    ("HGETALL", "dkronpy:access:tokens"), ("HSET", "dkronpy:access:tokens", "a", "b"),
    ("HSET", "dkronpy:leader", "holder", "me"), ("HSET", "dkronpy:node:n2", "seen_ms", "0"),
    ("PUBLISH", "dkronpy:control:n2", "cancel"), ("SET", "dkronpy:paused", "me"),
    ("EVAL", "return redis.call('HSET', 'redbeat:job', 'job', '{}')", "0"),
)  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_a_role_can_do_no_more_than_its_work(role: Role, store_server: StoreServer, store: redis.Redis) -> None:
    admit(store_server)

    for words in REFUSED_ALL + (REFUSED_AGENT if role == "agent" else ()):
        with as_user(store_server, role) as client, pytest.raises(redis.ResponseError) as refused:
            client.execute_command(*words)
        assert "permissions" in str(refused.value), f"{words}: {refused.value}"
    for name in ROLES:
        store.execute_command("ACL", "DELUSER", name)


def test_the_command_prints_a_line_that_a_server_takes(store: redis.Redis) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "dkronpy", "config", "acl", "agent", "--node", "web1"],
        capture_output=True,
        text=True,
        check=True,
    )

    word, name, *granted = said.stdout.split()
    assert (word, name) == ("user", "dkronpy-agent-web1")
    store.execute_command("ACL", "SETUSER", name, *granted)
    assert store.execute_command("ACL", "DELUSER", name) == 1
