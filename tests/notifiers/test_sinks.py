"""Each notifier against what it talks to: a real HTTP server, a real mail server."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiosmtpd.controller import Controller

from dkronpy.errors import InvalidError
from dkronpy.notices.text import message_of
from dkronpy.plugins.notifier import Message, Notice, NotifierError
from dkronpy.plugins.registry import names, options_type, plugin_class
from tests.executors.servers import Authority, HttpServer
from tests.processors.test_email import Box
from tests.support import free_port

AT = datetime(2026, 11, 23, 2, 30, tzinfo=timezone.utc)
NOTICE = Notice(
    id="failure:r:1", event="failure", job="backup", headline='backup failed on web1: "no" space\nleft', at=AT,
    run_id="backup@2026-11-23T02:30:00.000Z", execution_id="backup@2026-11-23T02:30:00.000Z.0", state="failed",
    reason="exit", nodes=("web1",), started=AT, finished=AT + timedelta(seconds=9), output='he said "no"\nand left',
    command="dkronpy run backup --wait",
)  # fmt: skip
FAILURE = message_of("ops", [NOTICE])


def notice(**changes: Any) -> Message:
    import msgspec

    return message_of("ops", [msgspec.structs.replace(NOTICE, **changes)])


def send(name: str, config: dict[str, Any], message: Message = FAILURE) -> None:
    """By the notifier of that name, registered as every plugin is, with its options as the settings have them."""
    plugin_class("notifier", name)().send(message, options_type(name, "notifier").from_config(config))


@pytest.fixture
def smtp() -> Iterator[tuple[Box, int]]:
    box = Box()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


def test_all_of_them_are_registered() -> None:
    assert set(names("notifier")) == {"apprise", "dkron", "email", "ping", "slack", "webhook"}


def test_mail(smtp: tuple[Box, int]) -> None:
    box, port = smtp
    config = {"host": "127.0.0.1", "port": port, "security": "none", "emails": "ops@example.com,bi@example.com"}
    send("email", config)
    send("email", config)
    (recipients, mail), (_, again) = box.mails
    assert recipients == ["ops@example.com", "bi@example.com"]
    assert mail["Subject"] == '[dkronpy] backup failed on web1: "no" space left'
    assert mail["Message-ID"] == again["Message-ID"]
    text = mail.get_content()
    assert "dkronpy run backup --wait" in text
    assert '    he said "no"' in text


def test_mail_by_a_server_that_offers_no_tls_is_a_matter_of_security(smtp: tuple[Box, int]) -> None:
    box, port = smtp
    config = {"host": "127.0.0.1", "port": port, "emails": "ops@example.com"}
    with pytest.raises(NotifierError, match="STARTTLS"):
        send("email", config)
    send("email", {**config, "security": "auto", "payload": "{{.JobName}} {{.Success}}"})
    assert box.mails[0][1].get_content().strip() == "backup false"


def test_a_refused_address_and_a_server_that_is_not_there(smtp: tuple[Box, int]) -> None:
    _, port = smtp
    config = {"host": "127.0.0.1", "port": port, "security": "none", "emails": "nobody@example.com"}
    with pytest.raises(NotifierError, match=r"refused nobody@example\.com: 550 no such user") as refused:
        send("email", config)
    assert not refused.value.retryable
    with pytest.raises(NotifierError, match="Connection refused") as away:
        send("email", {**config, "port": free_port()})
    assert away.value.retryable


def test_a_webhook_is_signed_and_has_a_token(server: HttpServer) -> None:
    send("webhook", {"url": f"{server.url}/echo", "key": "k3y", "token": "t0ken", "headers": {"X-Team": "bi"}})
    (request,) = server.requests
    headers = {name.lower(): value for name, value in request["headers"].items()}
    signature = hmac.new(b"k3y", request["body"], hashlib.sha256).hexdigest()
    assert headers["x-dkronpy-signature"] == f"sha256={signature}"
    assert (headers["authorization"], headers["x-team"]) == ("Bearer t0ken", "bi")
    assert json.loads(request["body"])["notices"][0]["run_id"] == NOTICE.run_id


def test_the_body_of_a_webhook_may_be_a_template(server: HttpServer) -> None:
    body = (
        '{"summary": {{ subject | tojson }}, "severity": "{{ "info" if notice.state == "success" else "critical" }}"}'
    )
    send("webhook", {"url": f"{server.url}/echo", "body": body, "method": "PUT"})
    (request,) = server.requests
    assert request["method"] == "PUT"
    assert json.loads(request["body"]) == {"summary": NOTICE.headline, "severity": "critical"}


def test_slack(server: HttpServer) -> None:
    send("slack", {"url": f"{server.url}/echo", "channel": "#ops"}, notice(headline="a <!channel> & b"))
    post = json.loads(server.requests[0]["body"])
    assert (post["text"], post["channel"], post["username"]) == ("a &lt;!channel&gt; &amp; b", "#ops", "dkronpy")
    assert post["attachments"][0]["color"] == "danger"
    assert "dkronpy run backup --wait" in post["attachments"][0]["text"]
    send("slack", {"webhook_url": f"{server.url}/echo"}, notice(event="recovery"))
    assert json.loads(server.requests[1]["body"])["attachments"][0]["color"] == "good"


# Apprise imports it on purpose, to have it on Pythons that do not
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_apprise(server: HttpServer) -> None:
    url = server.url.replace("http://", "json://")
    send("apprise", {"urls": [f"{url}/echo"]})
    post = json.loads(server.requests[0]["body"])
    assert (post["title"], post["type"]) == (NOTICE.headline, "failure")
    assert "he said" in post["message"]
    with pytest.raises(NotifierError, match=r"did not take the message"):
        send("apprise", {"urls": [f"{url}/status/500"]})
    with pytest.raises(NotifierError, match="URL 2 is none that Apprise knows") as wrong:
        send("apprise", {"urls": [f"{url}/echo", "nothing://s3cr3t"]})
    assert "s3cr3t" not in str(wrong.value)


def test_pings_of_healthchecks(server: HttpServer) -> None:
    config = {"url": f"{server.url}/echo/u-u-i-d"}
    send("ping", config, notice(event="started", state="running"))
    send("ping", config, notice(event="ended", state="success"))
    send("ping", config, notice(event="ended", state="failed"))
    paths = [urlsplit(request["path"]) for request in server.requests]
    assert [path.path for path in paths] == ["/echo/u-u-i-d/start", "/echo/u-u-i-d", "/echo/u-u-i-d/fail"]
    assert len({path.query for path in paths}) == 1, "the same run"
    assert b'he said "no"' in server.requests[2]["body"]


def test_pings_of_cronitor_are_dkrons(server: HttpServer) -> None:
    config = {"url": f"{server.url}/echo", "style": "cronitor"}
    for event, state in (("started", "running"), ("ended", "success"), ("ended", "lost")):
        send("ping", config, notice(event=event, state=state))
    asked = [urlsplit(request["path"]) for request in server.requests]
    assert {path.path for path in asked} == {"/echo/backup"}
    queries = [{key: value[0] for key, value in parse_qs(path.query).items()} for path in asked]
    assert [query["state"] for query in queries] == ["run", "complete", "fail"]
    assert queries[0] == {
        "host": "web1",
        "message": "Job run by dkronpy",
        "series": NOTICE.execution_id,
        "state": "run",
    }


def test_dkrons_hook_keeps_json_whole(server: HttpServer) -> None:
    payload = '{"job": "{{.JobName}}", "ok": {{.Success}}, "out": "{{ .Output }}", "node": "{{.NodeName}}"}'
    headers = "Content-Type: application/json\nX-Key: a:b"
    send("dkron", {"url": f"{server.url}/echo", "payload": payload, "headers": headers})
    (request,) = server.requests
    assert json.loads(request["body"]) == {"job": "backup", "ok": False, "out": NOTICE.output, "node": "web1"}
    assert request["headers"]["X-Key"] == "a:b"
    send("dkron", {"url": f"{server.url}/echo", "payload": "job={{.JobName}}\n{{.Report}}"})
    assert b"Executed: backup\nReporting node: web1\n" in server.requests[1]["body"]


@pytest.mark.parametrize(
    ("name", "config", "field", "said"),
    [
        ("webhook", {"url": "ftp://x"}, "url", "not a URL"),
        ("webhook", {"url": "http://x", "body": "{{ job }}"}, "body", "there is no 'job'; known: subject"),
        ("webhook", {"url": "http://x", "body": "{{.Jobname}}"}, "body", "there is no .Jobname"),
        ("webhook", {"url": "http://x", "timeout": 0}, "timeout", "above zero"),
        ("email", {"host": "h", "emails": "nobody"}, "emails", "'nobody' is no address"),
        ("email", {"host": "h", "emails": []}, "emails", "nobody to send to"),
        ("dkron", {"url": "http://x", "payload": "x", "headers": "nothing"}, "headers", "is no header"),
        ("apprise", {"urls": []}, "urls", "nowhere"),
        ("slack", {"url": "http://x", "tls_key": "k"}, "tls_key", "tls_cert"),
    ],
)
def test_options_that_cannot_be_used_are_refused(name: str, config: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidError) as raised:
        options_type(name, "notifier").from_config(config)
    (problem,) = raised.value.problems
    assert problem.field.endswith(field)
    assert said in problem.message


@pytest.mark.parametrize(
    ("path", "said", "again"),
    [
        ("status/500", "answered 500", True),
        ("status/429", "answered 429", True),
        ("status/401", "answered 401", False),
        ("redirect/1", "answered 302", False),
        ("hang", "did not answer in time", True),
        ("reset", "cannot reach", True),
    ],
)
def test_an_answer_that_is_none_names_the_host_and_not_the_path(
    server: HttpServer, path: str, said: str, *, again: bool
) -> None:
    with pytest.raises(NotifierError) as raised:
        send("webhook", {"url": f"{server.url}/{path}?s3cr3t", "timeout": "500ms"})
    assert said in str(raised.value)
    assert f"127.0.0.1:{server.server_port}" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)
    assert raised.value.retryable is again


def test_whom_to_trust(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with HttpServer(authority.server_context(ask_client=True)) as server:
        url = f"{server.url}/echo"
        with pytest.raises(NotifierError, match=r"TLS with 127\.0\.0\.1"):
            send("webhook", {"url": url})
        client = str(authority.issue("beat"))
        send("webhook", {"url": url, "tls_ca": str(authority.ca), "tls_cert": client})
        assert len(server.requests) == 1
