"""The http executor and TLS: whom it trusts, and who it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dkronpy.executors.http import Http
from tests.executors.conftest import Send
from tests.executors.servers import Authority, HttpServer


@pytest.mark.shows("own authority and a wrong one")
def test_a_private_authority_is_trusted_when_named(authority: Authority, send: Send) -> None:
    with HttpServer(authority.server_context()) as server:
        outcome, _ = send(Http(f"{server.url}/status/200"))
        host = server.url.removeprefix("https://")
        assert outcome.message.startswith(f"the certificate of {host} cannot be trusted: ")
        assert send(Http(f"{server.url}/status/200", tls_ca=str(authority.ca)))[0].success
        dkron = {"url": f"{server.url}/status/200", "method": "GET", "tlsRootCAsFile": str(authority.ca)}
        assert send(Http.from_config(dkron))[0].success


def test_any_certificate_is_taken_when_asked_to_and_only_then(
    authority: Authority, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    with HttpServer(authority.server_context()) as server:
        assert send(Http.from_config({"url": f"{server.url}/status/200", "tlsNoVerifyPeer": "true"}))[0].success
        assert "certificates are not verified (tls_no_verify)" in caplog.text
        assert not send(Http(f"{server.url}/status/200"))[0].success


@pytest.mark.shows("own authority and a wrong one")
def test_the_named_authority_is_the_only_one(authority: Authority, tmp_path: Path, send: Send) -> None:
    other = Authority(tmp_path, "Other CA")
    with HttpServer(authority.server_context()) as server:
        outcome, _ = send(Http(f"{server.url}/status/200", tls_ca=str(other.ca)))
    assert "cannot be trusted" in outcome.message


def test_an_authority_of_the_environment_changes_nothing(
    authority: Authority, tmp_path: Path, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests forgets whom a session trusts as soon as REQUESTS_CA_BUNDLE is set."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(Authority(tmp_path, f"Other {name}").ca))
    with HttpServer(authority.server_context()) as server:
        assert send(Http(f"{server.url}/status/200", tls_ca=str(authority.ca)))[0].success
        assert send(Http(f"{server.url}/status/200", tls_no_verify=True))[0].success


def test_a_certificate_for_another_name_is_refused(authority: Authority, send: Send) -> None:
    with HttpServer(authority.server_context()) as server:
        options = Http(f"https://127.0.0.2:{server.server_port}/", tls_ca=str(authority.ca))
        assert not send(options.but(url=f"https://ip6-localhost:{server.server_port}/"))[0].success


def test_a_client_certificate(authority: Authority, send: Send) -> None:
    certificate = str(authority.issue("node1"))
    with HttpServer(authority.server_context(ask_client=True)) as server:
        options = Http(f"{server.url}/peer", tls_ca=str(authority.ca), tls_cert=certificate)
        outcome, output = send(options)
        assert outcome.success, outcome
        assert b"node1" in output
        assert send(options.but(tls_key=certificate))[0].success
        assert not send(options.but(tls_cert=""))[0].success


def test_an_authority_that_changes_on_disk_is_read_again(authority: Authority, tmp_path: Path, send: Send) -> None:
    ca = tmp_path / "ca.pem"
    shutil.copy(Authority(tmp_path, "Old CA").ca, ca)
    with HttpServer(authority.server_context()) as server:
        options = Http(f"{server.url}/status/200", tls_ca=str(ca))
        assert not send(options)[0].success
        shutil.copy(authority.ca, ca)
        assert send(options)[0].success


def test_tls_files_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path, send: Send) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    locked = authority.issue("locked", password=b"pass")
    url = "https://127.0.0.1:9/"
    assert send(Http(url, tls_ca="/no/such.pem"))[0].message == (
        "tls_ca: cannot read /no/such.pem: No such file or directory"
    )
    assert send(Http(url, tls_ca=str(empty)))[0].message.startswith(f"tls_ca: cannot use {empty}: ")
    assert send(Http(url, tls_cert=str(locked)))[0].message.startswith(f"tls_cert: cannot use {locked}: ")
