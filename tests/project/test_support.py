"""The tools of the tests themselves: a broken one would make every other test say nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import redis

from tests.conftest import MakeStoreServer, keys_without_bound
from tests.support import StoreServer, answers, free_port, spawn, wait_until


def test_wait_until_returns_the_answer_and_names_what_did_not_happen() -> None:
    answers_in_turn = iter([0, "", "done"])
    assert wait_until(lambda: next(answers_in_turn), description="the last answer") == "done"
    with pytest.raises(AssertionError, match=r"within 0\.05 s: the sky falls"):
        wait_until(lambda: False, timeout=0.05, description="the sky falls")


def test_free_ports_are_distinct_enough() -> None:
    assert all(1024 <= free_port() <= 65535 for _ in range(5))


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_server_keeps_its_data_through_a_crash_and_a_restart(kind: str, make_store_server: MakeStoreServer) -> None:
    server = make_store_server(kind=kind, appendfsync="always", password="s3cret")
    first = server.pid
    with server.client() as client:
        client.set("before", "crash")
        assert client.info("persistence")["aof_enabled"] == 1
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    server.kill()
    server.start()
    with server.client() as client:
        assert client.get("before") == b"crash"
        assert server.pid != first
    server.restart()
    with redis.Redis.from_url(server.socket_url) as client:
        assert client.get("before") == b"crash"
    with redis.Redis(port=server.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.get("before")


def test_a_paused_server_is_silent_until_it_resumes(make_store_server: MakeStoreServer) -> None:
    server = make_store_server()
    with server.client(socket_timeout=0.2) as client:
        assert answers(client)
        server.pause()
        assert not answers(client)
        server.resume()
        wait_until(lambda: answers(client), description="the server answers again")


def test_a_stopped_server_leaves_no_process_and_no_files() -> None:
    with StoreServer() as server:
        pid, folder = server.pid, server.folder
        assert folder.exists()
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_keys_need_an_expiry_or_a_bounded_family(store: redis.Redis) -> None:
    store.set("fleeting", 1, ex=60)
    store.sadd("dkronpy:jobs", "nightly")
    assert keys_without_bound(store) == []
    store.set("dkronpy:exec:1", 1)
    assert keys_without_bound(store) == ["dkronpy:exec:1"]
    store.delete("dkronpy:exec:1")


def test_the_store_is_empty_for_each_test(any_store: redis.Redis) -> None:
    assert any_store.dbsize() == 0


def test_spawn_captures_the_output_and_ends_the_process(tmp_path: Path) -> None:
    program = "import signal; print('ready'); signal.pause()"
    with spawn("-c", program, command=(sys.executable,), log=tmp_path / "log") as process:
        assert re.search("ready", process.wait_for("ready"))
        assert process.process.poll() is None
        with pytest.raises(AssertionError, match="prints 'never'"):
            process.wait_for("never", timeout=0.1)
    assert process.process.returncode == -15
    with (
        spawn("-c", "raise SystemExit(3)", command=(sys.executable,), log=tmp_path / "log2") as process,
        pytest.raises(AssertionError, match="ended with 3"),
    ):
        process.wait_for("ready")
