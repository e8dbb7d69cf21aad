"""The grpc executor ends in time, when cancelled, when servers die; it trusts whom it should and leaks nothing."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dkronpy.executors.grpc import Grpc, GrpcExecutor
from dkronpy.plugins.auth import Bearer
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.servers import Authority
from tests.executors.services.grpc_server import GrpcServer
from tests.executors.services.resources import resources
from tests.support import free_port, wait_until

Send = Callable[[Grpc], tuple[Outcome, bytes]]


@pytest.fixture
def reports() -> Iterator[GrpcServer]:
    """A server of the test's own."""
    with GrpcServer() as server:
        yield server


@pytest.fixture
def caller() -> Iterator[GrpcExecutor]:
    """An executor with channels of its own."""
    made = GrpcExecutor()
    yield made
    made.close()


@pytest.fixture
def send(ping: ExecutorHarness, caller: GrpcExecutor) -> Send:
    """Runs an attempt of the job ``ping``."""
    return lambda options: ping.run(caller, options)


# It always ends


def test_the_timeout_is_the_deadline_of_the_call(reports: GrpcServer, send: Send) -> None:
    began = time.monotonic()
    outcome, _ = send(Grpc(reports.url(), json={"day": "never"}, timeout="400ms"))
    assert time.monotonic() - began < 8
    assert (outcome.reason, outcome.message) == ("timeout", "no complete answer within 0.4 s")
    reports.wait_for("ended")


def test_a_status_of_the_same_name_from_the_server_is_not_our_timeout(reports: GrpcServer, send: Send) -> None:
    outcome, _ = send(Grpc(reports.url(), json={"day": "x", "status": 4}))
    assert outcome.reason == "executor_error"
    assert outcome.message == "server returned 4 (DEADLINE_EXCEEDED) code, expected 0 (OK): no report for x"


def test_the_timeout_of_the_attempt_counts_too(reports: GrpcServer, caller: GrpcExecutor) -> None:
    harness = ExecutorHarness(timeout=timedelta(milliseconds=300))
    assert harness.run(caller, Grpc(reports.url(), json={"day": "never"}))[0].reason == "timeout"


@pytest.mark.parametrize("known", [True, False])
def test_a_frozen_server(reports: GrpcServer, send: Send, known: bool) -> None:
    if known:
        assert send(Grpc(reports.url()))[0].success
    reports.freeze()
    began = time.monotonic()
    outcome, _ = send(Grpc(reports.url(), timeout="500ms"))
    assert time.monotonic() - began < 8
    assert outcome.reason == "timeout"
    reports.thaw()
    assert send(Grpc(reports.url()))[0].success


@pytest.mark.parametrize("options", [{}, {"tls": True}, {"tls_no_verify": True}])
def test_a_server_that_says_nothing(send: Send, options: dict[str, bool]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        outcome, _ = send(Grpc(f"{address}/a.B/C", timeout="300ms").but(**options))
    assert time.monotonic() - began < 8
    assert outcome.reason == "timeout"


@pytest.mark.parametrize("reason", ["cancelled", "lease_lost_killed", "shutdown"])
def test_cancel_ends_the_call_on_the_server_too(
    reports: GrpcServer, ping: ExecutorHarness, caller: GrpcExecutor, reason: str
) -> None:
    with running(ping, caller, Grpc(reports.url(), json={"day": "never"}, timeout=0)) as result:
        reports.wait_for("requests")
        began = time.monotonic()
        ping.cancel(reason)
    assert time.monotonic() - began < 8
    assert result[0][0].reason == reason
    assert "before the answer was complete" in result[0][0].message
    reports.wait_for("ended")


def test_cancel_in_the_middle_of_a_stream_keeps_what_came(
    reports: GrpcServer, ping: ExecutorHarness, caller: GrpcExecutor
) -> None:
    with running(ping, caller, Grpc(reports.url("Watch"), json={"day": "first"}, timeout=0)) as result:
        wait_until(lambda: ping.output, description="the first reply is in the output while the call goes on")
        ping.cancel()
    outcome, output = result[0]
    assert outcome.reason == "cancelled"
    assert json.loads(output) == {"textLine": "report of first"}


def test_cancel_before_the_start_calls_nothing(
    reports: GrpcServer, ping: ExecutorHarness, caller: GrpcExecutor
) -> None:
    ping.cancel()
    assert ping.run(caller, Grpc(reports.url()))[0].reason == "cancelled"
    assert reports.calls == []


# What goes wrong is said in a line


@pytest.mark.shows("refused connection")
def test_nobody_listens(send: Send) -> None:
    address = f"127.0.0.1:{free_port()}"
    outcome, _ = send(Grpc(f"{address}/a.B/C"))
    assert outcome == Outcome(
        success=False, reason="executor_error", message=f"cannot connect to {address}: Connection refused"
    )


def test_a_refused_connection_is_no_status_that_one_could_expect(send: Send) -> None:
    assert not send(Grpc(f"127.0.0.1:{free_port()}/a.B/C", expect="UNAVAILABLE"))[0].success


def test_a_name_that_does_not_exist(send: Send) -> None:
    assert send(Grpc("no-such-host.invalid:1/a.B/C"))[0].message.startswith("cannot find no-such-host.invalid:1: ")


def test_somebody_else_listens(send: Send) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"

        def answer() -> None:
            sock, _ = other.accept()
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            sock.close()

        thread = threading.Thread(target=answer)
        thread.start()
        outcome, _ = send(Grpc(f"{address}/a.B/C", timeout="5s"))
        thread.join()
    assert not outcome.success
    assert address in outcome.message


@pytest.mark.shows("wrong credentials")
def test_wrong_credentials(send: Send) -> None:
    with GrpcServer(token="s3cr3t-value") as server:
        outcome, _ = send(Grpc(server.url(), auth=Bearer("wrong")))
        assert outcome.message == "server returned 16 (UNAUTHENTICATED) code, expected 0 (OK): the token is wrong"
        assert not outcome.retryable
        assert send(Grpc(server.url(), auth=Bearer(secret("crm/token"))))[0].success


@pytest.mark.shows("killed in mid run and back")
def test_killed_in_mid_call_and_back(reports: GrpcServer, ping: ExecutorHarness, caller: GrpcExecutor) -> None:
    with running(ping, caller, Grpc(reports.url(), json={"day": "never"}, timeout=0)) as result:
        reports.wait_for("requests")
        reports.kill()
    outcome = result[0][0]
    assert outcome.message.startswith(f"lost the connection to {reports.address}: ")
    assert outcome.retryable
    for _ in range(3):  # each try in vain would make a kept channel pause longer before it connects again
        assert not ping.run(caller, Grpc(reports.url()))[0].success
    reports.start()
    assert ping.run(caller, Grpc(reports.url()))[0].success, "at the first try"


# TLS


@pytest.mark.shows("own authority and a wrong one")
def test_a_private_authority_is_trusted_when_named(authority: Authority, tmp_path: Path, send: Send) -> None:
    with GrpcServer(certificate=authority.issue("localhost")) as server:
        for wrong in ("", str(Authority(tmp_path, "Other CA").ca)):
            outcome, _ = send(Grpc(server.url(), tls=True, tls_ca=wrong))
            assert outcome.message.startswith(f"the certificate of {server.address} cannot be trusted: ")
        assert send(Grpc(server.url(), tls_ca=str(authority.ca)))[0].success
        assert send(Grpc.from_config({"url": server.url(), "tlsRootCAsFile": str(authority.ca)}))[0].success
        assert not send(Grpc(server.url(), timeout="2s"))[0].success, "it is not plain text"


def test_tls_to_a_server_that_has_none(reports: GrpcServer, send: Send) -> None:
    outcome, _ = send(Grpc(reports.url(), tls=True))
    assert outcome.message.startswith(f"TLS with {reports.address} failed: ")


def test_a_certificate_for_another_name_is_refused(authority: Authority, send: Send) -> None:
    with GrpcServer(certificate=authority.issue("elsewhere")) as server:
        named = f"localhost:{server.port}/acme.reports.v1.Reports/Build"
        outcome, _ = send(Grpc(named, tls_ca=str(authority.ca)))
        assert outcome.message.startswith(f"the certificate of localhost:{server.port} cannot be trusted: ")
        assert send(Grpc(server.url(), tls_ca=str(authority.ca)))[0].success, "it is one for 127.0.0.1"


def test_any_certificate_is_taken_when_asked_to(authority: Authority, send: Send) -> None:
    with GrpcServer(certificate=authority.issue("elsewhere")) as server:
        named = f"localhost:{server.port}/acme.reports.v1.Reports/Build"
        assert send(Grpc.from_config({"url": named, "tlsNoVerifyPeer": "true"}))[0].success


@pytest.mark.parametrize("no_verify", [False, True])
def test_a_client_certificate(authority: Authority, send: Send, no_verify: bool) -> None:
    certificate = str(authority.issue("node1"))
    with GrpcServer(certificate=authority.issue("localhost"), client_ca=authority.ca) as server:
        trust = {"tls_no_verify": True} if no_verify else {"tls_ca": str(authority.ca)}
        options = Grpc(server.url(), tls_cert=certificate).but(**trust)
        assert send(options)[0].success
        assert send(options.but(tls_key=certificate))[0].success
        outcome, _ = send(options.but(tls_cert=""))
        assert not outcome.success
        assert server.address in outcome.message


def test_an_authority_that_changes_on_disk_is_read_again(authority: Authority, tmp_path: Path, send: Send) -> None:
    ca = tmp_path / "ca.pem"
    shutil.copy(Authority(tmp_path, "Old CA").ca, ca)
    with GrpcServer(certificate=authority.issue("localhost")) as server:
        options = Grpc(server.url(), tls_ca=str(ca))
        assert not send(options)[0].success
        shutil.copy(authority.ca, ca)
        assert send(options)[0].success


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path, send: Send) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    url = "127.0.0.1:9/a.B/C"
    assert (
        send(Grpc(url, tls_ca="/no/such.pem"))[0].message
        == "tls_ca: cannot read /no/such.pem: No such file or directory"
    )
    assert send(Grpc(url, tls_ca=str(empty)))[0].message.startswith(f"tls_ca: cannot use {empty}: ")


# Channels


def test_nothing_is_left_behind_after_many_calls(reports: GrpcServer, send: Send) -> None:
    nobody = f"127.0.0.1:{free_port()}/a.B/C"
    for _ in range(5):
        send(Grpc(reports.url()))
        send(Grpc(nobody))
    threads, files = resources()
    for number in range(200):
        assert send(Grpc(reports.url("Chat"), json=[{"day": "a"}, {"day": "b"}]))[0].success
        if number % 10 == 0:
            send(Grpc(nobody))
            send(Grpc(reports.url(), json={"day": "never"}, timeout="20ms"))
    wait_until(
        lambda: resources()[0] <= threads + 2 and resources()[1] <= files + 2,
        description=f"threads and descriptors are as before: {threads}, {files}",
    )


def test_the_number_of_channels_is_bounded(caller: GrpcExecutor, send: Send) -> None:
    caller._channels._most = 3
    servers = [GrpcServer() for _ in range(4)]
    try:
        for server in servers:
            assert send(Grpc(server.url()))[0].success
        assert len(caller._channels) == 3
        assert send(Grpc(servers[0].url()))[0].success
    finally:
        for server in servers:
            server.stop()


def test_calls_at_the_same_time_share_a_channel(reports: GrpcServer, caller: GrpcExecutor) -> None:
    outcomes: list[Outcome] = []

    def ask() -> None:
        outcomes.append(ExecutorHarness().run(caller, Grpc(reports.url(), json={"day": "today"}))[0])

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.success for outcome in outcomes] == [True] * 16
    assert len(caller._channels) == 1
