"""The http executor always ends: in time, when cancelled, and when servers misbehave."""

from __future__ import annotations

import socket
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from dkronpy.executors.http import Http, HttpExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.conftest import Send
from tests.executors.servers import HttpServer
from tests.support import free_port, wait_until

# It always ends


@pytest.mark.parametrize("path", ["hang", "drip", "drip-head", "redirect/3?/hang"])
def test_the_timeout_bounds_everything(server: HttpServer, send: Send, path: str) -> None:
    began = time.monotonic()
    path = path.replace("redirect/3?", "move/302?")
    outcome, output = send(Http(f"{server.url}/{path}", timeout="400ms"))
    assert time.monotonic() - began < 8
    assert (outcome.success, outcome.reason) == (False, "timeout")
    assert outcome.message == "no complete answer within 0.4 s"
    assert (b"x" in output) == (path == "drip")


def test_the_timeout_bounds_a_connection_that_nobody_accepts(send: Send) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # the queue is full: further connections are neither accepted nor refused
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        began = time.monotonic()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        outcome, _ = send(Http(url, timeout="300ms"))
        for filler in fillers:
            filler.close()
    assert outcome.reason == "timeout"
    assert time.monotonic() - began < 8


def test_the_timeout_bounds_a_tls_handshake(send: Send) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        outcome, _ = send(Http(f"https://127.0.0.1:{mute.getsockname()[1]}/", timeout="300ms"))
    assert outcome.reason == "timeout"
    assert time.monotonic() - began < 8


def test_the_timeout_of_the_attempt_counts_too(server: HttpServer, executor: HttpExecutor) -> None:
    ping = ExecutorHarness(timeout=timedelta(milliseconds=300))
    assert ping.run(executor, Http(f"{server.url}/hang"))[0].reason == "timeout"


def test_no_timeout_waits(server: HttpServer, ping: ExecutorHarness, executor: HttpExecutor) -> None:
    with running(ping, executor, Http(f"{server.url}/pieces", timeout=0)) as result:
        wait_until(lambda: ping.output, description="the first piece is in the output")
        server.proceed.set()
    assert result[0][0].success


@pytest.mark.parametrize("reason", ["cancelled", "lease_lost_killed", "shutdown"])
def test_cancel_closes_the_connection_at_once(
    server: HttpServer, ping: ExecutorHarness, executor: HttpExecutor, reason: str
) -> None:
    with running(ping, executor, Http(f"{server.url}/hang", timeout=0)) as result:
        server.wait_for_request()
        began = time.monotonic()
        ping.cancel(reason)
    assert time.monotonic() - began < 8
    assert result[0][0].reason == reason
    assert "before the answer was complete" in result[0][0].message


def test_cancel_before_the_start_sends_nothing_that_counts(
    server: HttpServer, ping: ExecutorHarness, executor: HttpExecutor
) -> None:
    ping.cancel()
    assert ping.run(executor, Http(f"{server.url}/hang"))[0].reason == "cancelled"


def test_nothing_stays_open_after_a_timeout(server: HttpServer, send: Send) -> None:
    send(Http(f"{server.url}/drip", timeout="200ms"))
    wait_until(
        lambda: not [thread for thread in threading.enumerate() if thread.name == "http-exchange"],
        description="the thread of the exchange has ended",
    )
    before = open_files()
    for _ in range(5):
        send(Http(f"{server.url}/drip", timeout="100ms"))
    wait_until(
        lambda: open_files() <= before + 5,  # the server's own side of a connection
        description="the descriptors of ended exchanges are closed",
    )


# What goes wrong is said in a line


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("short", "the answer of {host} broke off after 7 bytes"),
        ("reset", "lost the connection to {host}: Connection reset by peer"),
    ],
)
def test_broken_answers(server: HttpServer, send: Send, path: str, said: str) -> None:
    outcome, _ = send(Http(f"{server.url}/{path}", "POST"))
    assert (outcome.success, outcome.reason) == (False, "executor_error")
    assert outcome.message == said.format(host=server.url.removeprefix("http://"))


@pytest.mark.shows("refused connection")
def test_nobody_listens(send: Send) -> None:
    port = free_port()
    outcome, _ = send(Http(f"http://127.0.0.1:{port}/"))
    assert outcome.message == f"cannot connect to 127.0.0.1:{port}: Connection refused"


def test_a_name_that_does_not_exist(send: Send) -> None:
    message = send(Http("http://no-such-host.invalid/"))[0].message
    assert message.startswith("cannot find no-such-host.invalid: ")


@pytest.mark.shows("killed in mid run and back")
def test_a_server_that_dies_in_mid_run_and_is_back_gets_the_retry(
    ping: ExecutorHarness, executor: HttpExecutor
) -> None:
    with HttpServer() as server:
        options = Http(f"{server.url}/pieces", "POST", body="once")
        with running(ping, executor, options) as result:
            wait_until(lambda: ping.output, description="the first piece is in the output")
            server.die()
    outcome = result[0][0]
    assert (outcome.success, outcome.reason, outcome.retryable) == (False, "executor_error", True), outcome
    assert not ping.run(executor, options)[0].success, "it is still away"
    with HttpServer(port=server.server_port) as back:
        back.proceed.set()
        outcome, output = ping.run(executor, options)
        assert (outcome.success, output) == (True, b"first\nsecond\n"), outcome
        assert [request["body"] for request in back.requests] == [b"once"]


# Connections


def test_connections_are_kept(server: HttpServer, send: Send) -> None:
    for _ in range(20):
        assert send(Http(f"{server.url}/status/200"))[0].success
    assert server.connections == 1


def test_a_kept_connection_that_the_server_closes_does_not_fail_a_repeatable_request(
    server: HttpServer, send: Send
) -> None:
    assert send(Http(f"{server.url}/deaf"))[0].success
    assert send(Http(f"{server.url}/deaf"))[0].success, "sent again on a new connection"
    assert server.connections == 2


def test_a_post_is_never_sent_twice(server: HttpServer, send: Send) -> None:
    assert send(Http(f"{server.url}/deaf", "POST"))[0].success
    outcome, _ = send(Http(f"{server.url}/deaf", "POST"))
    assert not outcome.success
    assert outcome.message.endswith("closed the connection without an answer")
    assert len(server.requests) == 2


def test_a_post_does_not_go_over_a_connection_that_was_idle_for_long(
    server: HttpServer, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dkronpy.executors._exchange._FRESH", 0.0)
    assert send(Http(f"{server.url}/deaf", "POST"))[0].success
    assert send(Http(f"{server.url}/deaf", "POST"))[0].success
    assert server.connections == 2


def test_many_at_once_leave_a_bounded_pool(server: HttpServer, executor: HttpExecutor) -> None:
    outcomes: list[Outcome] = []

    def ask() -> None:
        outcomes.append(ExecutorHarness().run(executor, Http(f"{server.url}/pieces"))[0])

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(server.requests) == 16, description="all have asked at the same time")
    server.proceed.set()
    for thread in threads:
        thread.join()
    assert [outcome.success for outcome in outcomes] == [True] * 16
    assert server.connections == 16
    wait_until(lambda: server.open == 8, description="eight connections are kept, the others closed")


def open_files() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
