"""The http executor against a real server: what is sent, and what counts as success."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dkronpy.executors.http import Http, HttpExecutor
from dkronpy.plugins.auth import Basic, Bearer
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.conftest import Send
from tests.executors.servers import HttpServer
from tests.support import wait_until


def echoed(output: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(output)
    return answer


# What is sent


@pytest.mark.shows("read back byte by byte")
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


@pytest.mark.shows("wrong credentials")
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


def test_a_status_can_mean_nothing_to_do_or_try_again(server: HttpServer, send: Send) -> None:
    options = Http(f"{server.url}/status/404", skip_codes="404", retry_codes="429,5xx")
    outcome, _ = send(options)
    assert (outcome.success, outcome.message) == (True, "nothing to do: 404 is one of skip_codes")
    assert send(options.but(url=f"{server.url}/status/503"))[0].retryable
    assert not send(options.but(url=f"{server.url}/status/400"))[0].retryable


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


def test_the_body_is_streamed(server: HttpServer, ping: ExecutorHarness, executor: HttpExecutor) -> None:
    with running(ping, executor, Http(f"{server.url}/pieces")) as result:
        wait_until(lambda: ping.output == b"first\n", description="the first piece is in the output")
        server.proceed.set()
    assert result[0][0].success
    assert ping.output == b"first\nsecond\n"


def test_bytes_that_are_no_text_arrive(server: HttpServer, send: Send) -> None:
    assert send(Http(f"{server.url}/latin"))[1] == b"caf\xe9 \x00\xff\n"
    assert not send(Http(f"{server.url}/latin", expect_body="café"))[0].success


def test_100_mb_do_not_stay_in_memory(server: HttpServer, ping: ExecutorHarness, send: Send) -> None:
    before = resident()
    outcome, output = send(Http(f"{server.url}/big/100", expect_body="nothing of the kind"))
    assert ping.output_size == 100 << 20
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


def resident() -> int:
    """This process's resident memory in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_job_may_be_called_what_no_header_can_hold(server: HttpServer, executor: HttpExecutor) -> None:
    with ExecutorHarness(job="łódź") as harness:
        outcome, output = harness.run(executor, Http(f"{server.url}/echo"))
    assert outcome.success, outcome
    key = "%C5%82%C3%B3d%C5%BA@2026-11-23T02:30:00.000Z.0"
    assert echoed(output)["headers"]["Idempotency-Key"] == key
