"""`dkronpy up` on a store of the user's own: it starts none, refuses one that forgets, waits for one."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import MakeStoreServer
from tests.integration.up.started import command_of, processes_of, up


def test_with_a_broker_set_it_starts_no_store(tmp_path: Path, make_store_server: MakeStoreServer) -> None:
    server = make_store_server()
    with up(tmp_path, "--executions", "1", env={"DKRONPY_BROKER_URL": server.url}) as process:
        process.wait_for("Ctrl-C stops everything")
        roles = [command_of(pid) for pid in processes_of(process)]
        assert process.wait(60) == 0
    assert not any(b"-server" in command for command in roles)
    assert f"store {server.url}" in process.output
    assert not (tmp_path / "data" / "store").exists()


def test_a_store_that_forgets_is_refused_with_the_remedy(tmp_path: Path, make_store_server: MakeStoreServer) -> None:
    server = make_store_server(appendonly="no", maxmemory_policy="allkeys-lru")
    with up(tmp_path, env={"DKRONPY_STORE_URL": server.url}) as process:
        assert process.wait() == 3
    assert "CONFIG SET appendonly yes" in process.output
    assert "CONFIG SET maxmemory-policy noeviction" in process.output
    assert "hint: mend it, or pass --allow-volatile" in process.output
    assert "beat   |" not in process.output


def test_a_store_that_forgets_is_used_when_that_is_allowed(tmp_path: Path, make_store_server: MakeStoreServer) -> None:
    server = make_store_server(appendonly="no")
    options = ("--allow-volatile", "--executions", "1")
    with up(tmp_path, *options, env={"DKRONPY_STORE_URL": server.url}) as process:
        assert process.wait(60) == 0
    assert "may forget what it was told (level D0)" in process.output


def test_a_store_that_is_away_is_waited_for(tmp_path: Path, make_store_server: MakeStoreServer) -> None:
    server = make_store_server()
    server.terminate()
    with up(tmp_path, "--executions", "1", env={"DKRONPY_BROKER_URL": server.url}) as process:
        process.wait_for("waiting for it")
        server.start()
        assert process.wait(60) == 0
    assert process.output.count("waiting for it") == 1
    assert "Traceback" not in process.output


def test_waiting_for_a_store_ends_with_a_signal(tmp_path: Path, make_store_server: MakeStoreServer) -> None:
    server = make_store_server()
    server.terminate()
    with up(tmp_path, env={"DKRONPY_BROKER_URL": server.url}) as process:
        process.wait_for("waiting for it")
        process.process.terminate()
        assert process.wait() == 0
