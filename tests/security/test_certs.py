"""`dkronpy certs`: certificates that real servers and clients take, and others that they refuse."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dkronpy.cli.main import cli
from dkronpy.executors.http import Http, HttpExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.servers import HttpServer


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, env={"COLUMNS": "120"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority with certificates for a server and for a client."""
    made = tmp_path_factory.mktemp("pki") / "certs"
    assert run("certs", "ca", "--dir", str(made)).exit_code == 0
    issued = run("certs", "issue", "localhost", "--san", "127.0.0.1", "--san", "::1", "--dir", str(made))
    assert issued.exit_code == 0, issued.output
    assert str(made / "localhost.crt") in issued.output
    assert run("certs", "issue", "node1", "--dir", str(made)).exit_code == 0
    return made


def server_context(folder: Path, *, ask_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "localhost.crt", folder / "localhost.key")
    if ask_client:
        context.load_verify_locations(folder / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def visit(options: Http) -> Outcome:
    executor = HttpExecutor()
    with ExecutorHarness() as harness:
        outcome, _ = harness.run(executor, options)
    executor.close()
    return outcome


def test_keys_can_be_read_by_their_owner_alone(folder: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {name for name, mode in modes.items() if mode & 0o077} == {"ca.crt", "localhost.crt", "node1.crt"}
    assert set(modes) == {f"{name}.{kind}" for name in ("ca", "localhost", "node1") for kind in ("crt", "key")}


def test_a_server_is_trusted_by_its_names_and_by_those_who_know_the_authority(folder: Path, tmp_path: Path) -> None:
    with HttpServer(server_context(folder)) as server:
        good = Http(f"{server.url}/status/200", tls_ca=str(folder / "ca.crt"))
        assert visit(good).success
        assert visit(good.but(url=f"https://localhost:{server.server_port}/status/200")).success
        assert "cannot be trusted" in visit(good.but(tls_ca="")).message
        assert run("certs", "ca", "--dir", str(tmp_path), "--name", "dkronpy CA").exit_code == 0
        assert "cannot be trusted" in visit(good.but(tls_ca=str(tmp_path / "ca.crt"))).message


def test_a_client_is_known_by_its_certificate(folder: Path) -> None:
    with HttpServer(server_context(folder, ask_client=True)) as server:
        options = Http(f"{server.url}/peer", tls_ca=str(folder / "ca.crt"))
        assert not visit(options).success
        signed = options.but(tls_cert=str(folder / "node1.crt"), tls_key=str(folder / "node1.key"))
        assert visit(signed.but(expect_body="node1")).success


def test_one_certificate_cannot_issue_others(folder: Path, tmp_path: Path) -> None:
    """Who has the certificate of a node cannot make one for a server of his own."""
    (tmp_path / "ca.crt").write_bytes((folder / "node1.crt").read_bytes())
    (tmp_path / "ca.key").write_bytes((folder / "node1.key").read_bytes())
    assert run("certs", "issue", "localhost", "--san", "127.0.0.1", "--dir", str(tmp_path)).exit_code == 0
    chain = (tmp_path / "localhost.crt").read_bytes() + (folder / "node1.crt").read_bytes()
    (tmp_path / "chain.crt").write_bytes(chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.crt", tmp_path / "localhost.key")
    with HttpServer(context) as server:
        assert "cannot be trusted" in visit(Http(f"{server.url}/echo", tls_ca=str(folder / "ca.crt"))).message


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", "", "x/y", "ca", "-x-"])
def test_names_that_are_none(folder: Path, name: str) -> None:
    before = sorted(folder.iterdir())
    refused = run("certs", "issue", "--dir", str(folder), "--", name)
    assert refused.exit_code == 3
    assert repr(name) in refused.output
    assert sorted(folder.iterdir()) == before


def test_an_authority_is_never_overwritten(folder: Path, tmp_path: Path) -> None:
    again = run("certs", "ca", "--dir", str(folder))
    assert (again.exit_code, "is there already" in again.output) == (3, True)
    missing = run("certs", "issue", "x", "--dir", str(tmp_path / "none"))
    assert (missing.exit_code, "`dkronpy certs ca` makes one" in missing.output) == (3, True)
