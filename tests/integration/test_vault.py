"""Secrets in a store that speaks Vault's protocol: tokens, AppRole, what is refused, and a Vault that is away.

No package of Debian or of a Python index brings Vault itself, so a small HTTP server stands in for it, which answers as
Vault's API is documented: KV version 2 below ``/v1/<mount>/data``, and ``/v1/auth/approle/login``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dkronpy.errors import ConfigError, DkronpyError, NotFoundError, StoreUnavailableError
from dkronpy.secret import Secret
from dkronpy.secrets import SecretResolver
from dkronpy.settings import Settings
from tests.support import free_port


class KeyValueServer(ThreadingHTTPServer):
    """Holds ``secrets`` by path below the mount ``secret``, and gives them to who bears one of ``tokens``."""

    daemon_threads = True

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}
        self.tokens = {"root"}
        self.reads: list[str] = []
        self.logins: list[dict[str, str]] = []
        self.sealed = False
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: KeyValueServer

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests look at what was read."""

    def do_GET(self) -> None:
        if self.server.sealed:
            return self.say(503, {"errors": ["Vault is sealed"]})
        if self.headers.get("X-Vault-Token") not in self.server.tokens:
            return self.say(403, {"errors": ["permission denied"]})
        path = self.path.partition("?")[0].removeprefix("/v1/secret/data/")
        self.server.reads.append(path)
        found = self.server.secrets.get(path)
        if found is None:
            return self.say(404, {"errors": []})
        metadata = {"created_time": "2026-11-23T02:30:00Z", "deletion_time": "", "destroyed": False, "version": 1}
        return self.say(200, {"data": {"data": found, "metadata": metadata}})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.logins.append(asked)
        if self.path != "/v1/auth/approle/login" or asked != {"role_id": "jobs", "secret_id": "s3cret-id"}:
            return self.say(400, {"errors": ["invalid role or secret ID"]})
        token = f"token-{len(self.server.logins)}"
        self.server.tokens.add(token)
        return self.say(200, {"auth": {"client_token": token, "lease_duration": 60, "renewable": True}})

    do_PUT = do_POST  # noqa: N815

    def say(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def vault() -> Iterator[KeyValueServer]:
    with KeyValueServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        server.secrets = {"dkronpy/crm": {"token": "s3cr3t", "port": 5}, "dkronpy/single": {"value": "alone"}}
        yield server
        server.shutdown()
        thread.join()


def resolver(monkeypatch: pytest.MonkeyPatch, url: str, token: str = "root", **settings: Any) -> SecretResolver:
    monkeypatch.setenv("VAULT_TOKEN", token)
    return SecretResolver.of(Settings(vault_url=url, secrets_dir="/nowhere", **settings))


def test_a_secret_is_the_key_of_a_path(vault: KeyValueServer, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = resolver(monkeypatch, vault.url)
    assert resolve(Secret("crm/token")) == "s3cr3t"
    assert resolve(Secret("crm/port")) == "5"
    assert resolve(Secret("single")) == "alone"
    assert vault.reads == ["dkronpy/crm", "dkronpy/single"], "what was read is good for a few seconds"


def test_the_environment_and_files_come_first(
    vault: KeyValueServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DKRONPY_SECRET_CRM_TOKEN", "mine")
    assert resolver(monkeypatch, vault.url)(Secret("crm/token")) == "mine"
    assert vault.reads == []


def test_one_that_is_nowhere_is_named_with_every_place(vault: KeyValueServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, place in (("crm/nothing", "secret/dkronpy/crm key nothing"), ("none", "secret/dkronpy/none key value")):
        with pytest.raises(NotFoundError) as raised:
            resolver(monkeypatch, vault.url)(Secret(name))
        assert f"{vault.url} {place}" in str(raised.value)
        assert "$DKRONPY_SECRET_" in str(raised.value)
        assert "/nowhere" in str(raised.value)
        assert "s3cr3t" not in str(raised.value)


def test_the_token_may_be_in_a_file(vault: KeyValueServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("root\n")
    assert resolver(monkeypatch, vault.url, "", vault_token_file=str(file))(Secret("single")) == "alone"
    with pytest.raises(NotFoundError, match=r"vault_token_file: .* cannot be read"):
        resolver(monkeypatch, vault.url, "", vault_token_file=str(tmp_path / "none"))(Secret("single"))


def test_an_approle_signs_in_and_signs_in_anew_when_its_token_has_run_out(
    vault: KeyValueServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret-id"
    file.write_text("s3cret-id\n")
    resolve = resolver(monkeypatch, vault.url, vault_role_id="jobs", vault_secret_id_file=str(file))
    assert resolve(Secret("crm/token")) == "s3cr3t"
    vault.tokens.clear()
    assert resolve(Secret("single")) == "alone"
    assert len(vault.logins) == 2


@pytest.mark.parametrize(
    ("trouble", "kind", "said"),
    [
        ("token", ConfigError, "does not let us read secret/dkronpy/crm"),
        ("sealed", StoreUnavailableError, "answered VaultDown"),
        ("away", StoreUnavailableError, "cannot reach Vault at"),
        ("role", StoreUnavailableError, "answered InvalidRequest"),
    ],
)
def test_a_vault_that_refuses_or_is_away_is_said_in_a_line(
    vault: KeyValueServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trouble: str, kind: type[DkronpyError],
    said: str,
) -> None:  # fmt: skip
    (tmp_path / "id").write_text("wrong")
    vault.sealed = trouble == "sealed"
    role = {"vault_role_id": "jobs", "vault_secret_id_file": str(tmp_path / "id")} if trouble == "role" else {}
    url = f"http://127.0.0.1:{free_port()}" if trouble == "away" else vault.url
    resolve = resolver(monkeypatch, url, "wrong" if trouble == "token" else "root", **role)
    with pytest.raises(kind) as raised:
        resolve(Secret("crm/token"))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    vault.sealed = False
    if trouble == "sealed":
        assert resolve(Secret("crm/token")) == "s3cr3t", "it is asked again"
