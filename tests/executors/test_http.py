"""The http executor against a real server: what is sent, what counts as success, and that it always ends."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.errors import InvalidError
from dkronpy.executors.http import Http, HttpExecutor
from dkronpy.plugins.auth import Basic, Bearer
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import Secret, secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.servers import Authority, HttpServer
from tests.support import ROOT, free_port, wait_until


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


@pytest.fixture
def harness() -> ExecutorHarness:
    return ExecutorHarness(job="ping", token=7, secrets={"crm/token": "s3cr3t-value", "crm/password": "pä:ss"})


@pytest.fixture
def executor() -> Iterator[HttpExecutor]:
    running = HttpExecutor()
    yield running
    running.close()


@pytest.fixture
def send(harness: ExecutorHarness, executor: HttpExecutor) -> Callable[[Http], tuple[Outcome, bytes]]:
    return lambda options: harness.run(executor, options)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


Send = Callable[[Http], tuple[Outcome, bytes]]


def echoed(output: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(output)
    return answer


# What is sent


def test_a_request_as_dkron_writes_it(server: HttpServer, send: Send) -> None:
    options = Http.from_config(
        {
            "method": "POST",
            "url": f"{server.url}/echo",
            "headers": '["Content-Type: application/json","Referer: http://a:8/b","X-Empty:"]',
            "body": '{"dry":false}',
            "timeout": "10",
            "expectCode": "200,202",
            "expectBody": '"method":\\s*"POST"',
        }
    )
    outcome, output = send(options)
    assert outcome == Outcome(success=True, message="200 OK", exit_code=200)
    seen = echoed(output)
    assert (seen["method"], seen["body"]) == ("POST", '{"dry":false}')
    assert seen["headers"]["Referer"] == "http://a:8/b", "a value keeps its colons"
    assert seen["headers"]["Content-Type"] == "application/json"
    assert seen["headers"]["X-Empty"] == ""


def test_who_asks_and_for_which_execution(server: HttpServer, send: Send) -> None:
    headers = echoed(send(Http(f"{server.url}/echo"))[1])["headers"]
    assert headers["User-Agent"] == "dkronpy/0.1.0"
    assert headers["Idempotency-Key"] == "ping@2026-11-23T02:30:00.000Z.0"
    assert headers["Dkronpy-Fencing-Token"] == "7"
    given = echoed(send(Http(f"{server.url}/echo", headers={"user-agent": "me", "idempotency-key": "k"}))[1])
    assert given["headers"]["user-agent"] == "me"
    assert given["headers"]["idempotency-key"] == "k"
    assert "User-Agent" not in given["headers"]


def test_the_host_header_is_sent(server: HttpServer, send: Send) -> None:
    seen = echoed(send(Http(f"{server.url}/echo", headers={"Host": "billing.internal"}))[1])
    assert seen["headers"]["Host"] == "billing.internal"


def test_text_beyond_ascii_arrives_as_utf8(server: HttpServer, send: Send) -> None:
    seen = echoed(send(Http(f"{server.url}/echo", "POST", headers={"X-Who": "Zoë"}, body="grüße ☃"))[1])
    assert seen["body"] == "grüße ☃"
    assert seen["headers"]["X-Who"].encode("latin-1").decode() == "Zoë"


def test_json_and_credentials_from_secrets_and_masked_output(server: HttpServer, send: Send) -> None:
    options = Http(
        f"{server.url}/echo",
        "POST",
        json={"full": False, "key": secret("crm/token")},
        auth=Bearer(secret("crm/token")),
    )
    outcome, output = send(options)
    assert outcome.success
    sent = server.requests[0]
    assert sent["headers"]["Authorization"] == "Bearer s3cr3t-value"
    assert sent["headers"]["Content-Type"] == "application/json"
    assert json.loads(sent["body"]) == {"full": False, "key": "s3cr3t-value"}
    assert b"s3cr3t-value" not in output
    assert output.count(b"***") == 2


def test_basic_authentication_is_utf8(server: HttpServer, send: Send) -> None:
    assert send(Http(f"{server.url}/basic", auth=Basic("us", secret("crm/password"))))[0].success
    assert send(Http(f"{server.url}/basic", auth=Basic("us", "wrong")))[0].exit_code == 401


@pytest.mark.parametrize(("given", "sent"), [("get", "GET"), ("PROPFIND", "PROPFIND"), ("HEAD", "HEAD")])
def test_methods(server: HttpServer, send: Send, given: str, sent: str) -> None:
    assert send(Http.from_config({"url": f"{server.url}/status/200", "method": given}))[0].success
    assert server.requests[0]["method"] == sent


def test_proxies_of_the_environment_are_ignored_and_a_given_one_is_used(
    server: HttpServer, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert send(Http(f"{server.url}/status/200"))[0].success
    outcome, _ = send(Http("http://nowhere.invalid/status/201", proxy=server.url))
    assert outcome.exit_code == 201
    assert server.requests[-1]["path"] == "http://nowhere.invalid/status/201"


# What counts as success


@pytest.mark.parametrize(
    ("status", "expect", "good"),
    [
        (200, "", True),
        (304, "", True),
        (400, "", False),
        (500, "", False),
        (500, "500", True),
        (200, "1200", None),
        (200, "200, 206", True),
        (206, "200,206", True),
        (204, "200,206", False),
        (204, "2xx", True),
        (302, "2xx", False),
        (299, "200-299", True),
        (300, "200-299", False),
        (404, "2xx,404", True),
    ],
)
def test_the_status_decides(server: HttpServer, send: Send, status: int, expect: str, *, good: bool | None) -> None:
    options = Http(f"{server.url}/status/{status}", expect=expect)
    if good is None:
        assert [problem.field for problem in options.problems()] == ["executor_config.expect"]
        return
    outcome, _ = send(options)
    assert (outcome.success, outcome.exit_code) == (good, status)
    if not good:
        assert outcome.reason == "executor_error"
        assert outcome.message.startswith("received response code does not match the expected code: ")
        assert str(status) in outcome.message


def test_the_body_decides(server: HttpServer, send: Send) -> None:
    assert send(Http(f"{server.url}/status/200", expect_body=r"^status \d+\n\z"))[0].success
    outcome, output = send(Http(f"{server.url}/status/200", expect_body="other"))
    assert not outcome.success
    assert outcome.message.startswith("received response body did not match the expected body")
    assert output == b"status 200\n", "the body is kept, whatever it was"


def test_redirects_turn_post_into_get_and_keep_to_their_limit(server: HttpServer, send: Send) -> None:
    outcome, output = send(Http(f"{server.url}/redirect/10", "POST", body="x", auth=Bearer("t")))
    assert outcome.success
    assert (echoed(output)["method"], echoed(output)["body"]) == ("GET", "")
    assert echoed(output)["headers"]["Authorization"] == "Bearer t"
    assert "Content-Length" not in echoed(output)["headers"]
    outcome, _ = send(Http(f"{server.url}/redirect/11"))
    assert (outcome.success, outcome.message) == (
        False,
        f"stopped after 10 redirects, at {server.url}/echo",
    )
    assert send(Http(f"{server.url}/redirect/1", redirects=0))[0].exit_code == 302


def test_a_redirect_that_keeps_the_method_keeps_the_body(server: HttpServer, send: Send) -> None:
    _, output = send(Http(f"{server.url}/move/307?/echo", "POST", body="payload"))
    assert (echoed(output)["method"], echoed(output)["body"]) == ("POST", "payload")


def test_credentials_do_not_follow_a_redirect_to_another_place(server: HttpServer, send: Send) -> None:
    with HttpServer() as other:
        headers = {"Host": "first.internal", "Cookie": "a=b", "X-Mine": "1"}
        options = Http(f"{server.url}/move/302?{other.url}/echo", headers=headers, auth=Bearer("token"))
        assert send(options)[0].success
        seen = other.requests[0]["headers"]
    assert server.requests[0]["headers"]["Authorization"] == "Bearer token"
    assert not {"Authorization", "Cookie"} & set(seen)
    assert seen["Host"] == other.url.removeprefix("http://")
    assert seen["X-Mine"] == "1"


def test_cookies_are_not_kept(server: HttpServer, send: Send) -> None:
    assert "Cookie" not in echoed(send(Http(f"{server.url}/cookie"))[1])["headers"]
    assert "Cookie" not in echoed(send(Http(f"{server.url}/echo"))[1])["headers"]


# Output


def test_the_body_is_streamed(server: HttpServer, harness: ExecutorHarness, executor: HttpExecutor) -> None:
    with running(harness, executor, Http(f"{server.url}/pieces")) as result:
        wait_until(lambda: harness.output == b"first\n", description="the first piece is in the output")
        server.proceed.set()
    assert result[0][0].success
    assert harness.output == b"first\nsecond\n"


def test_bytes_that_are_no_text_arrive(server: HttpServer, send: Send) -> None:
    assert send(Http(f"{server.url}/latin"))[1] == b"caf\xe9 \x00\xff\n"
    assert not send(Http(f"{server.url}/latin", expect_body="café"))[0].success


def test_100_mb_do_not_stay_in_memory(server: HttpServer, harness: ExecutorHarness, send: Send) -> None:
    before = resident()
    outcome, output = send(Http(f"{server.url}/big/100", expect_body="nothing of the kind"))
    assert harness.output_size == 100 << 20
    assert len(output) == 256_000
    assert resident() - before < 40 << 20
    assert not outcome.success


def test_compressed_answers(server: HttpServer, send: Send) -> None:
    assert send(Http(f"{server.url}/gzip", expect_body="^zipped"))[0].success
    outcome, _ = send(Http(f"{server.url}/badgzip"))
    assert outcome.message.endswith("is not compressed as it says")


def test_debug_shows_headers_and_hides_credentials(server: HttpServer, send: Send) -> None:
    options = Http.from_config({"url": f"{server.url}/status/200", "debug": "yes"})
    lines = send(options.but(auth=Bearer("visible")))[1].decode().splitlines()
    assert lines[0] == f"> GET {server.url}/status/200"
    assert "> Authorization: ***" in lines
    assert "< 200 OK" in lines
    assert lines[-1] == "status 200"
    assert "visible" not in "".join(lines)


# It always ends


@pytest.mark.parametrize("path", ["hang", "drip", "drip-head", "redirect/3?/hang"])
def test_the_timeout_bounds_everything(server: HttpServer, send: Send, path: str) -> None:
    began = time.monotonic()
    path = path.replace("redirect/3?", "move/302?")
    outcome, output = send(Http(f"{server.url}/{path}", timeout="400ms"))
    assert time.monotonic() - began < 1.2
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
    assert time.monotonic() - began < 2


def test_the_timeout_bounds_a_tls_handshake(send: Send) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        outcome, _ = send(Http(f"https://127.0.0.1:{mute.getsockname()[1]}/", timeout="300ms"))
    assert outcome.reason == "timeout"
    assert time.monotonic() - began < 1.2


def test_the_timeout_of_the_attempt_counts_too(server: HttpServer, executor: HttpExecutor) -> None:
    harness = ExecutorHarness(timeout=timedelta(milliseconds=300))
    assert harness.run(executor, Http(f"{server.url}/hang"))[0].reason == "timeout"


def test_no_timeout_waits(server: HttpServer, harness: ExecutorHarness, executor: HttpExecutor) -> None:
    with running(harness, executor, Http(f"{server.url}/pieces", timeout=0)) as result:
        wait_until(lambda: harness.output, description="the first piece is in the output")
        server.proceed.set()
    assert result[0][0].success


@pytest.mark.parametrize("reason", ["cancelled", "lease_lost_killed", "shutdown"])
def test_cancel_closes_the_connection_at_once(
    server: HttpServer, harness: ExecutorHarness, executor: HttpExecutor, reason: str
) -> None:
    with running(harness, executor, Http(f"{server.url}/hang", timeout=0)) as result:
        server.wait_for_request()
        began = time.monotonic()
        harness.cancel(reason)
    assert time.monotonic() - began < 0.5
    assert result[0][0].reason == reason
    assert "before the answer was complete" in result[0][0].message


def test_cancel_before_the_start_sends_nothing_that_counts(
    server: HttpServer, harness: ExecutorHarness, executor: HttpExecutor
) -> None:
    harness.cancel()
    assert harness.run(executor, Http(f"{server.url}/hang"))[0].reason == "cancelled"


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


def test_nobody_listens(send: Send) -> None:
    port = free_port()
    outcome, _ = send(Http(f"http://127.0.0.1:{port}/"))
    assert outcome.message == f"cannot connect to 127.0.0.1:{port}: Connection refused"


def test_a_name_that_does_not_exist(send: Send) -> None:
    message = send(Http("http://no-such-host.invalid/"))[0].message
    assert message.startswith("cannot find no-such-host.invalid: ")


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


# TLS


def test_a_private_authority_is_trusted_when_named(authority: Authority, send: Send) -> None:
    with HttpServer(authority.server_context()) as server:
        outcome, _ = send(Http(f"{server.url}/status/200"))
        host = server.url.removeprefix("https://")
        assert outcome.message.startswith(f"the certificate of {host} cannot be trusted: ")
        assert send(Http(f"{server.url}/status/200", tls_ca=str(authority.ca)))[0].success
        dkron = {"url": f"{server.url}/status/200", "method": "GET", "tlsRootCAsFile": str(authority.ca)}
        assert send(Http.from_config(dkron))[0].success


def test_any_certificate_is_taken_when_asked_to_and_only_then(authority: Authority, send: Send) -> None:
    with HttpServer(authority.server_context()) as server:
        assert send(Http.from_config({"url": f"{server.url}/status/200", "tlsNoVerifyPeer": "true"}))[0].success
        assert not send(Http(f"{server.url}/status/200"))[0].success


def test_the_named_authority_is_the_only_one(authority: Authority, tmp_path: Path, send: Send) -> None:
    other = Authority(tmp_path, "Other CA")
    with HttpServer(authority.server_context()) as server:
        outcome, _ = send(Http(f"{server.url}/status/200", tls_ca=str(other.ca)))
    assert "cannot be trusted" in outcome.message


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


# Refused when the job is saved


@pytest.mark.parametrize(
    ("config", "field", "text"),
    [
        ({}, "url", "url is empty"),
        ({"url": ""}, "url", "url is empty"),
        ({"url": "billing.internal/x"}, "url", "the form is http://host[:port]/path"),
        ({"url": "ftp://a/"}, "url", "the form is http://"),
        ({"url": "http://a:99999/"}, "url", "is not a URL"),
        ({"url": "http://a/", "method": "PSOT"}, "method", "did you mean 'POST'?"),
        ({"url": "http://a/", "method": "A B"}, "method", "is not an HTTP method"),
        ({"url": "http://a/", "headers": "X-Token abc"}, "headers", "is not JSON"),
        ({"url": "http://a/", "headers": '["X-Token abc"]'}, "headers", "has no colon"),
        ({"url": "http://a/", "headers": {"A": "b\r\nEvil: c"}}, "headers", "control character"),
        ({"url": "http://a/", "headers": {"A b": "c"}}, "headers", "name of a header"),
        ({"url": "http://a/", "expectCode": "abc"}, "expectCode", "is not a status code"),
        ({"url": "http://a/", "expectCode": "999"}, "expectCode", "100 to 599"),
        ({"url": "http://a/", "expectBody": "("}, "expectBody", "is not a regular expression"),
        ({"url": "http://a/", "expectBody": "[[:alpha:]]"}, "expectBody", "POSIX class"),
        ({"url": "http://a/", "timeout": "soon"}, "timeout", "is not a duration"),
        ({"url": "http://a/", "tlsNoVerifyPeer": "maybe"}, "tlsNoVerifyPeer", "is not a truth value"),
        ({"url": "http://a/", "tls_key": "k.pem"}, "tls_key", "needs tls_cert"),
        ({"url": "http://a/", "body": "a", "json": {}}, "json", "only one can be sent"),
        ({"url": "http://a/", "expectcode": "200"}, "expectcode", "did you mean 'expectCode'?"),
        ({"url": "http://a/", "proxy": "socks5://p/"}, "proxy", "is not a URL"),
        ({"url": "http://a/", "redirects": -1}, "redirects", "below zero"),
    ],
)
def test_options_that_cannot_work_are_refused(config: dict[str, Any], field: str, text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Http.from_config(config, job="ping")
    assert [problem.field for problem in caught.value.problems] == [f"executor_config.{field}"]
    assert text in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_headers_that_come_twice_are_joined() -> None:
    options = Http.from_config({"url": "http://a/", "headers": ["A: 1", "a: 2", "Cookie: x=1", "Cookie: y=2"]})
    assert options.headers == {"A": "1, 2", "Cookie": "x=1; y=2"}


NAMES = st.text("abcXYZ-", min_size=1, max_size=8)
SECRETS = st.builds(Secret, st.text("abc/", min_size=1, max_size=5))
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=9)
HTTPS = st.builds(
    Http,
    url=st.sampled_from(["http://a/", "https://b:8443/x?y=1"]) | SECRETS,
    method=st.sampled_from(["GET", "post", "DELETE"]),
    headers=st.dictionaries(NAMES, VALUES | SECRETS, max_size=3).filter(
        lambda table: len({name.lower() for name in table}) == len(table)
    ),
    body=VALUES | SECRETS,
    auth=st.none() | st.builds(Bearer, SECRETS) | st.builds(Basic, VALUES, SECRETS),
    timeout=st.integers(0, 10**6) | st.timedeltas(timedelta(0), timedelta(days=9)),
    expect=st.sampled_from(["", "2xx", "200, 204", 200]) | st.tuples(st.just(200), st.just("3xx")),
    expect_body=st.sampled_from(["", "ok", r"\d+\z"]),
    redirects=st.integers(0, 20),
    tls_no_verify=st.booleans(),
    tls_ca=VALUES,
    debug=st.booleans(),
)


@given(HTTPS)
def test_options_survive_their_json(options: Http) -> None:
    config = json.loads(json.dumps(options.to_config()))
    assert Http.from_config(config) == options


class running:  # noqa: N801 - reads as a word
    """Runs an attempt in a thread for the length of a ``with``; the list that it gives holds the result."""

    def __init__(self, harness: ExecutorHarness, executor: HttpExecutor, options: Http) -> None:
        self._result: list[tuple[Outcome, bytes]] = []
        self._thread = threading.Thread(target=lambda: self._result.append(harness.run(executor, options)))

    def __enter__(self) -> list[tuple[Outcome, bytes]]:
        self._thread.start()
        return self._result

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive(), "the attempt has not ended"


def resident() -> int:
    """This process's resident memory in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_checking_options_does_not_cost_the_import_of_requests() -> None:
    code = (
        "import sys; from dkronpy.executors.http import Http; print('requests' in sys.modules, Http('x').problems()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("False executor_config.url: "), done.stderr
