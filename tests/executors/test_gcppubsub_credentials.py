"""Who a Pub/Sub message is from: a service account's key or the node's own credentials, over TLS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dkronpy.executors.gcppubsub import PubSub, PubSubExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.servers import Authority
from tests.executors.services.pubsub import PROJECT, FakePubSub
from tests.executors.services.tokens import EMAIL, TokenServer
from tests.support import wait_until

Send = Callable[[PubSub], tuple[Outcome, bytes]]


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    """The server of tokens, which gives the one that ``google`` takes."""
    with TokenServer("t0ken") as server:
        yield server


@pytest.fixture
def google(authority: Authority) -> Iterator[FakePubSub]:
    """A server with TLS that asks for a token."""
    with FakePubSub(token="t0ken", certificate=authority.issue("localhost")) as server:
        yield server


@pytest.fixture
def publisher() -> Iterator[PubSubExecutor]:
    """An executor with connections of its own."""
    made = PubSubExecutor()
    yield made
    made.close()


@pytest.fixture
def ping(tokens: TokenServer) -> ExecutorHarness:
    """A harness that knows a service account's key."""
    return ExecutorHarness(job="ping", secrets={"gcp/key": tokens.key()})


@pytest.fixture
def send(ping: ExecutorHarness, publisher: PubSubExecutor) -> Send:
    """Runs an attempt of the job ``ping``."""
    return lambda options: ping.run(publisher, options)


@pytest.fixture
def message(google: FakePubSub, authority: Authority) -> PubSub:
    """A message without credentials."""
    return PubSub(PROJECT, "cron-ticks", text="x", endpoint=google.address, tls_ca=str(authority.ca))


def test_the_key_of_a_service_account_in_a_file(
    message: PubSub, google: FakePubSub, tokens: TokenServer, tmp_path: Path, send: Send
) -> None:
    options = message.but(credentials_file=str(tokens.key_file(tmp_path)))
    for _ in range(3):
        outcome, _ = send(options)
        assert outcome.success, outcome
    assert google.published[0]["metadata"]["authorization"] == "Bearer t0ken"
    assert google.published[0]["metadata"]["x-goog-request-params"] == "topic=projects/acme-prod/topics/cron-ticks"
    (asked,) = tokens.asked
    assert (asked["iss"], asked["scope"]) == (EMAIL, "https://www.googleapis.com/auth/pubsub"), "once for all three"
    tokens.key_file(tmp_path)
    assert send(options)[0].success
    assert len(tokens.asked) == 2, "a file that has changed is read again"


def test_the_key_as_a_secret(message: PubSub, send: Send) -> None:
    assert send(message.but(credentials=secret("gcp/key")))[0].success


def test_the_nodes_own_credentials(
    message: PubSub, tokens: TokenServer, tmp_path: Path, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tokens.key_file(tmp_path)))
    outcome, _ = send(message)
    assert outcome.success, outcome
    assert tokens.asked[0]["iss"] == EMAIL


def test_a_node_without_credentials_says_so(
    message: PubSub, tmp_path: Path, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    outcome, _ = send(message)
    assert outcome.message.startswith("the node has no Google credentials of its own: ")
    assert outcome.message.endswith("set credentials or credentials_file, or the node's GOOGLE_APPLICATION_CREDENTIALS")


@pytest.mark.shows("wrong credentials")
def test_a_token_that_the_service_refuses(message: PubSub, tokens: TokenServer, send: Send) -> None:
    options = message.but(credentials=secret("gcp/key"))
    tokens.token = "wrong"
    outcome, _ = send(options)
    assert outcome.message == (
        "cannot publish to projects/acme-prod/topics/cron-ticks: UNAUTHENTICATED: the fake says unauthenticated"
    )
    assert not outcome.retryable
    tokens.token = "t0ken"
    assert send(options)[0].success, "the refused token is not kept"


def test_an_account_that_gets_no_token(message: PubSub, tokens: TokenServer, send: Send) -> None:
    tokens.refusal = {"error": "invalid_grant", "error_description": "Account disabled"}
    outcome, _ = send(message.but(credentials=secret("gcp/key")))
    assert outcome.message == f"no token for {EMAIL}: invalid_grant: Account disabled"
    assert not outcome.retryable


def test_a_server_of_tokens_that_is_away_or_silent(message: PubSub, tokens: TokenServer, send: Send) -> None:
    tokens.silent = True
    began = time.monotonic()
    outcome, _ = send(message.but(credentials=secret("gcp/key"), timeout="500ms"))
    assert time.monotonic() - began < 8
    assert outcome.reason == "timeout"


def test_cancel_while_it_waits_for_a_token(
    message: PubSub, tokens: TokenServer, ping: ExecutorHarness, publisher: PubSubExecutor
) -> None:
    tokens.silent = True
    with running(ping, publisher, message.but(credentials=secret("gcp/key"), timeout=0)) as result:
        wait_until(lambda: tokens.asked, description="a token was asked for")
        began = time.monotonic()
        ping.cancel()
    assert time.monotonic() - began < 8
    assert result[0][0].reason == "cancelled"


@pytest.mark.parametrize("text", ["nothing", '{"type": "service_account"}', "[]"])
def test_what_is_no_key(message: PubSub, tmp_path: Path, send: Send, text: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(text)
    outcome, _ = send(message.but(credentials_file=str(path)))
    assert outcome.message.startswith(f"credentials_file {path}: not the key of a service account: ")
    assert not outcome.retryable
    outcome, _ = send(message.but(credentials_file="/no/key.json"))
    assert outcome.message == "credentials_file: cannot read /no/key.json: No such file or directory"


@pytest.mark.shows("own authority and a wrong one")
def test_the_authority_must_be_the_named_one(message: PubSub, google: FakePubSub, tmp_path: Path, send: Send) -> None:
    options = message.but(credentials=secret("gcp/key"))
    for wrong in ("", str(Authority(tmp_path, "Other CA").ca)):
        outcome, _ = send(options.but(tls_ca=wrong))
        assert outcome.message.startswith(f"the certificate of {google.address} cannot be trusted: ")
    assert google.published == []
    assert send(options)[0].success


def test_credentials_do_not_go_to_an_emulator_of_the_environment(
    message: PubSub, google: FakePubSub, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    assert send(message.but(credentials=secret("gcp/key")))[0].success
