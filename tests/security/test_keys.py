"""`dkronpy keys`: a key pair, what it signed, what nodes would refuse."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dkronpy.cli.main import cli
from dkronpy.job import Job, Run
from dkronpy.store.connection import Store
from dkronpy.store.jobs import Jobs
from dkronpy.store.keys import Keys
from tests.support import StoreServer

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def server() -> Iterator[StoreServer]:
    with StoreServer(kind="valkey") as running:
        yield running


@pytest.fixture
def invoke(server: StoreServer) -> Invoke:
    """Runs a command on the deployment; settings are given as ``signing_key=...``."""

    def run(*arguments: str, **settings: Path) -> Result:
        env = {f"DKRONPY_{name.upper()}": str(value) for name, value in settings.items()}
        return CliRunner().invoke(cli, arguments, env={"DKRONPY_STORE_URL": server.url, "COLUMNS": "120", **env})

    return run


def test_from_no_key_to_another_one(invoke: Invoke, server: StoreServer, tmp_path: Path) -> None:
    store = Store(server.url, Keys())
    Jobs(store).save(Job(name="report", schedule="@daily", run=Run("shell", {"command": "true"})))
    store.close()
    old, new = tmp_path / "old.pem", tmp_path / "new.pem"
    for key in (old, new):
        assert invoke("keys", "new", str(key)).exit_code == 0
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert invoke("keys", "public", str(key)).output == key.with_name(f"{key.name}.pub").read_text()
    trusted = {"trusted_keys": old.with_name("old.pem.pub")}
    unsigned = invoke("keys", "check", **trusted)
    assert unsigned.exit_code == 1
    assert "'report' is not signed" in unsigned.output
    assert "nodes refuse report" in invoke("doctor", **trusted).output
    assert invoke("keys", "sign", "--yes", signing_key=old).output.startswith("1 signed by ")
    assert invoke("keys", "check", **trusted).exit_code == 0
    assert "1 job, each signed by a key that is trusted here" in invoke("doctor", **trusted).output
    assert invoke("keys", "sign", "--yes", signing_key=old).output.startswith("0 signed by ")
    assert invoke("keys", "sign", "--yes", signing_key=new).output.startswith("1 signed by ")
    assert "key that this node does not trust" in invoke("keys", "check", **trusted).output
    assert invoke("keys", "check", trusted_keys=tmp_path).exit_code == 0, "a folder with both"


def test_what_cannot_be_done_is_said_in_a_line(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "there.pem").touch()
    for arguments, said in (
        (("keys", "new", str(tmp_path / "there.pem")), "is there already"),
        (("keys", "new", str(tmp_path / "no" / "folder.pem")), "cannot be written"),
        (("keys", "public", str(tmp_path / "there.pem")), "holds no private key"),
        (("keys", "sign"), "there is no key to sign with"),
        (("keys", "check"), "no key is trusted here"),
    ):
        refused = invoke(*arguments)
        assert (refused.exit_code, said in refused.output) == (3, True), refused.output


def test_a_restore_signs_what_it_brings_back_where_there_is_a_key(invoke: Invoke, tmp_path: Path) -> None:
    key, kept = tmp_path / "key.pem", tmp_path / "kept.gz"
    assert invoke("keys", "new", str(key)).exit_code == 0
    trusted = {"trusted_keys": key.with_name("key.pem.pub")}
    with StoreServer(kind="valkey") as first:
        saved = Jobs(Store(first.url, Keys()))
        saved.save(Job(name="report", schedule="@daily", run=Run("shell", {"command": "true"})))
        made = CliRunner().invoke(cli, ["backup", str(kept)], env={"DKRONPY_STORE_URL": first.url})
        assert made.exit_code == 0, made.output
    for settings, status in ({}, 1), ({"DKRONPY_SIGNING_KEY": str(key)}, 0):
        with StoreServer(kind="valkey") as second:
            env = {"DKRONPY_STORE_URL": second.url, **settings}
            restored = CliRunner().invoke(cli, ["restore", str(kept), "--yes"], env=env)
            assert restored.exit_code == 0, restored.output
            env["DKRONPY_TRUSTED_KEYS"] = str(trusted["trusted_keys"])
            assert CliRunner().invoke(cli, ["keys", "check"], env=env).exit_code == status
