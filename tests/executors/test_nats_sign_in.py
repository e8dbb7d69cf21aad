"""The nats executor before servers that want to know whom they talk to: every way to sign in, rights, TLS."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from dkronpy.executors.nats import Nats, NatsExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.servers import Authority
from tests.executors.services.nats import Key, NatsServer, creds_server

RIGHTS = """
authorization { users = [ {
    user: "sched", password: "s3cret-of-nats",
    permissions: { publish: ["open.>", "$JS.API.>"], subscribe: ["_INBOX.>", "open.>"] }
} ] }
"""


def sent(options: Nats, **secrets: str) -> Outcome:
    """The outcome of one attempt."""
    executor = NatsExecutor()
    try:
        return ExecutorHarness(job="ping", secrets=secrets).run(executor, options)[0]
    finally:
        executor.close()


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    """A server with a user whose rights are few."""
    with NatsServer(RIGHTS) as running:
        yield running


@pytest.mark.shows("wrong credentials")
def test_user_and_password(server: NatsServer) -> None:
    dkron = {"url": server.url, "subject": "open.a", "message": "go", "userName": "sched"}
    outcome = sent(Nats.from_config(dkron | {"password": {"secret": "pw"}}), pw="s3cret-of-nats")
    assert outcome.success, outcome
    assert sent(Nats(f"nats://sched:s3cret-of-nats@{server.address}", "open.a")).success
    for options in (Nats.from_config(dkron | {"password": "wrong-one"}), Nats(server.url, "open.a")):
        wrong = sent(options)
        assert (wrong.success, wrong.retryable) == (False, False), wrong
        assert wrong.message == f"{server.address} says: Authorization Violation"


@pytest.mark.parametrize("mode", ["publish", "request", "jetstream"])
def test_a_subject_without_the_right_is_a_failure_at_once(server: NatsServer, mode: str) -> None:
    options = Nats.from_config(
        {"url": server.url, "subject": "closed.a", "mode": mode, "user": "sched", "password": "s3cret-of-nats"}
    )
    began = time.monotonic()
    outcome = sent(options)
    assert time.monotonic() - began < 5
    assert (outcome.success, outcome.retryable) == (False, False), "in Dkron it is a success"
    assert "permissions violation for publish to" in outcome.message.lower()


def test_no_message_that_was_refused_counts_as_taken(server: NatsServer) -> None:
    """The client's own flush overtook the message about once in eight times, and the attempt was a success."""
    options = Nats(f"nats://sched:s3cret-of-nats@{server.address}", "closed.a", "go")
    assert [outcome.success for outcome in (sent(options) for _ in range(60))] == [False] * 60


def test_a_token() -> None:
    with NatsServer('authorization { token: "s3cret-token" }') as server:
        assert sent(Nats(server.url, "t", token=secret("t")), t="s3cret-token").success
        wrong = sent(Nats(server.url, "t", token="no"))
        assert (wrong.success, wrong.retryable) == (False, False)


def test_an_nkey() -> None:
    ours, other = Key.user(), Key.user()
    with NatsServer(f"authorization {{ users = [ {{ nkey: {ours.public} }} ] }}") as server:
        outcome = sent(Nats(server.url, "t", nkey=secret("seed")), seed=ours.seed)
        assert outcome.success, outcome
        assert not sent(Nats(server.url, "t", nkey=other.seed)).success
        broken = sent(Nats(server.url, "t", nkey="SUNONSENSE"))
        assert broken.message.startswith("nkey: it is not the seed of a user")


def test_a_creds_file(tmp_path: Path) -> None:
    server, creds = creds_server()
    with server:
        path = tmp_path / "sched.creds"
        path.write_text(creds)
        outcome = sent(Nats(server.url, "t", creds=str(path)))
        assert outcome.success, outcome
        assert sent(Nats(server.url, "t", creds=secret("creds")), creds=creds).success
        assert not sent(Nats(server.url, "t")).success
        others = creds_of_others()
        path.write_text(others)
        assert not sent(Nats(server.url, "t", creds=str(path))).success
        path.write_text("nothing")
        began = time.monotonic()
        empty = sent(Nats(server.url, "t", creds=str(path)))
        assert time.monotonic() - began < 8, "the client alone would look for the JWT for ever"
        assert empty.message == "creds: there is no user's JWT with its seed in it"
        absent = sent(Nats(server.url, "t", creds="/no/such.creds"))
        assert absent.message == "creds: cannot read /no/such.creds: No such file or directory"


def creds_of_others() -> str:
    """The creds of somebody else's server."""
    server, creds = creds_server()
    server.stop()
    return creds


def tls(authority: Authority, more: str = "") -> str:
    """The configuration of a server with TLS."""
    pair = authority.issue("localhost")
    return f'tls {{ cert_file: "{pair}", key_file: "{pair}" {more} }}\n'


@pytest.mark.shows("own authority and a wrong one")
def test_tls(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Other CA")
    with NatsServer(tls(authority)) as server:
        options = Nats(f"tls://{server.address}", "t", "m", tls_ca=str(authority.ca))
        outcome = sent(options)
        assert outcome.success, outcome
        assert sent(options.but(url=server.url)).success
        for ca in (str(other.ca), ""):
            wrong = sent(options.but(tls_ca=ca))
            assert wrong.message.startswith(f"the certificate of {server.address} cannot be trusted: "), wrong
        assert sent(options.but(tls_ca="", tls_no_verify=True)).success


def test_a_client_certificate(authority: Authority) -> None:
    certificate = str(authority.issue("node1"))
    with NatsServer(tls(authority, f', ca_file: "{authority.ca}", verify: true')) as server:
        options = Nats(f"tls://{server.address}", "t", tls_ca=str(authority.ca), tls_cert=certificate)
        outcome = sent(options)
        assert outcome.success, outcome
        assert not sent(options.but(tls_cert="")).success


def test_tls_from_the_first_byte(authority: Authority) -> None:
    with NatsServer(tls(authority, ", handshake_first: true")) as server:
        options = Nats(f"tls://{server.address}", "t", tls_ca=str(authority.ca), tls_first=True)
        outcome = sent(options)
        assert outcome.success, outcome


class _Listens(BaseRequestHandler):
    """A server without TLS that takes note of what it is told."""

    heard: list[bytes]

    def handle(self) -> None:
        self.request.sendall(b'INFO {"server_id":"x","version":"2.10.0","max_payload":1000,"headers":true}\r\n')
        self.request.settimeout(10)
        while data := self.request.recv(4096):
            self.heard.append(data)


def test_credentials_do_not_go_to_a_server_without_tls_when_tls_is_wanted() -> None:
    class Handler(_Listens):
        heard: list[bytes] = []  # noqa: RUF012 - one list for all its connections

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        address = f"127.0.0.1:{listener.server_address[1]}"
        outcome = sent(Nats(f"tls://{address}", "t", user="sched", password="s3cret"))
        listener.shutdown()
        thread.join()
    assert (outcome.success, outcome.retryable) == (False, False)
    assert outcome.message == f"{address} offers no TLS"
    assert Handler.heard == []


def test_files_that_cannot_be_used_are_named() -> None:
    outcome = sent(Nats("tls://127.0.0.1:9", "t", tls_ca="/no/such.pem"))
    assert outcome.message == "tls_ca: cannot read /no/such.pem: No such file or directory"
