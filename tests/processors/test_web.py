"""Slack, any webhook, and Elasticsearch: over HTTP to real servers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dkronpy.errors import InvalidError
from dkronpy.plugins.options import resolve_secrets
from dkronpy.plugins.processor import ProcessorError
from dkronpy.processors.elasticsearch import Elasticsearch, ElasticsearchProcessor
from dkronpy.processors.slack import Slack, SlackProcessor
from dkronpy.secret import Secret
from tests.executors.servers import Authority, HttpServer
from tests.processors.conftest import INFO, SUCCESS, Process
from tests.processors.search import SearchServer
from tests.processors.sinks import silent
from tests.support import free_port


def body(server: HttpServer) -> Any:
    return json.loads(server.requests[-1]["body"])


# Slack


def test_a_failure_is_told_in_slack(process: Process, server: HttpServer) -> None:
    output = b"".join(b"line %d\n" % number for number in range(100)) + b"<!channel> & ```\n"
    config = {"url": f"{server.url}/status/200", "channel": "#ops", "bot_name": "jobs"}
    assert process("slack", output, config) is None
    message = body(server)
    assert message["text"] == "backup failed on web1: exit status 3"
    assert (message["channel"], message["username"]) == ("#ops", "jobs")
    (attachment,) = message["attachments"]
    assert attachment["color"] == "danger"
    assert {"title": "Node", "value": "web1", "short": True} in attachment["fields"]
    assert attachment["text"].startswith("```[...]\nline 86\n")
    assert attachment["text"].endswith("&lt;!channel&gt; &amp; '''```")


def test_successes_are_told_when_asked_for(process: Process, server: HttpServer) -> None:
    process("slack", b"", {"url": f"{server.url}/status/200"}, SUCCESS)
    assert server.requests == []
    process("slack", b"", {"url": f"{server.url}/status/200", "onSuccess": "true"}, SUCCESS)
    assert body(server)["attachments"][0]["color"] == "good"


def test_a_team_is_a_secret_of_the_node(server: HttpServer) -> None:
    options = Slack.from_config({"team": "corp", "channel": "#x"})
    assert options.team == Secret("slack/corp")
    text = json.dumps({"webhook_url": f"{server.url}/status/200", "bot_name": "corp bot"})
    SlackProcessor().process(b"x", resolve_secrets(options, lambda _: text)[0], INFO)
    assert body(server)["username"] == "corp bot"


def test_the_webhook_is_not_shown_in_errors(process: Process, server: HttpServer) -> None:
    port = free_port()
    for url, said in (
        (f"{server.url}/status/404?T0K3N", "answered 404: status 404"),
        (f"http://127.0.0.1:{port}/T0K3N", f"cannot reach 127.0.0.1:{port}: Connection refused"),
        (f"{server.url}/reset/T0K3N", "127.0.0.1"),
    ):
        with pytest.raises(ProcessorError, match=said) as caught:
            process("slack", b"x", {"url": url})
        assert "T0K3N" not in str(caught.value)


# Any webhook


def test_a_webhook_gets_facts_and_output(process: Process, server: HttpServer) -> None:
    left = process("webhook", "hällo".encode(), {"url": f"{server.url}/status/202?a=b", "token": "t0k3n"})
    assert left == f"Output posted to {server.url.removeprefix('http://')}".encode()
    headers = server.requests[-1]["headers"]
    assert headers["Authorization"] == "Bearer t0k3n"
    assert headers["Idempotency-Key"] == "backup@2026-11-23T02:30:00.000Z.0.2"
    assert headers["Content-Type"] == "application/json"
    assert body(server) == {
        "job": "backup",
        "run_id": INFO.run_id,
        "execution_id": INFO.execution_id,
        "attempt": 2,
        "node": "web1",
        "due": "2026-11-23T02:30:00Z",
        "started": "2026-11-23T02:30:00.120000Z",
        "finished": "2026-11-23T02:30:09.500000Z",
        "duration": 9.38,
        "success": False,
        "state": "failed",
        "reason": "exit",
        "message": "exit status 3",
        "exit_code": 3,
        "output_size": 0,
        "omitted": 0,
        "output": "hällo",
    }


def test_tls(process: Process, authority: Authority, stranger: Authority) -> None:
    with HttpServer(authority.server_context(ask_client=True)) as server:
        config = {"url": f"{server.url}/status/200", "tls_ca": str(authority.ca)}
        process("webhook", b"x", {**config, "tls_cert": str(authority.issue("agent"))})
        with pytest.raises(ProcessorError):
            process("webhook", b"x", config)
        with pytest.raises(ProcessorError, match="cannot be trusted"):
            process("webhook", b"x", {**config, "tls_ca": str(stranger.ca)})
        with pytest.raises(ProcessorError, match=r"^tls_ca: cannot read /none: No such file"):
            process("webhook", b"x", {**config, "tls_ca": "/none"})
    assert len(server.requests) == 1


def test_a_server_that_says_nothing(process: Process) -> None:
    with silent() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(ProcessorError, match="did not answer in time"):
            process("webhook", b"x", {"url": url, "timeout": "200ms"})


# Elasticsearch


@pytest.fixture(scope="module")
def search() -> Iterator[str]:
    """The URL of a server that speaks Elasticsearch's protocol."""
    with SearchServer() as server:
        yield server.url


def documents(search: str, index: str) -> list[Any]:
    requests.post(f"{search}/{index}/_refresh", timeout=5)
    found = requests.get(f"{search}/{index}/_search", timeout=5).json()
    return [hit["_source"] | {"_id": hit["_id"]} for hit in found["hits"]["hits"]]


def test_an_attempt_is_indexed_once(process: Process, search: str) -> None:
    for output in (b"first", b"again"):
        assert process("elasticsearch", output, {"url": search}) == b"Output in Elasticsearch"
    (document,) = documents(search, "dkron_logs")
    assert document["_id"] == "backup@2026-11-23T02:30:00.000Z.0.2"
    assert document["output"] == "again"
    assert (document["job_name"], document["exit_code"], document["state"]) == ("backup", 3, "failed")
    assert document["@timestamp"] == "2026-11-23T02:30:09.500000Z"


def test_an_index_a_day_and_the_next_server(process: Process, search: str) -> None:
    config = {
        "url": f"http://127.0.0.1:{free_port()},{search}",
        "index": "runs-",
        "index_date_format": "2006.01.02",
        "forward": "true",
    }
    assert process("elasticsearch", b"x", config) is None
    assert len(documents(search, "runs-2026.11.23")) == 1


def test_settings_by_name(search: str) -> None:
    options = Elasticsearch.from_config({"config": "corp", "forward": "false"})
    assert options.config == Secret("elasticsearch/corp")
    text = json.dumps({"url": search, "index": "named", "username": "u", "password": "p"})
    ElasticsearchProcessor().process(b"x", resolve_secrets(options, lambda _: text)[0], INFO)
    assert len(documents(search, "named")) == 1


def test_credentials(process: Process, server: HttpServer) -> None:
    url = f"{server.url}/echo"
    process("elasticsearch", b"x", {"url": url, "username": "u", "password": "pä"})
    process("elasticsearch", b"x", {"url": url, "api_key": "a2V5"})
    sent = [request["headers"]["Authorization"] for request in server.requests]
    assert sent == ["Basic dTpww6Q=", "ApiKey a2V5"]


def test_what_the_server_refuses_is_said(process: Process, search: str) -> None:
    with pytest.raises(ProcessorError, match=r"answered 400: .*invalid_index_name_exception|answered 400"):
        process("elasticsearch", b"x", {"url": search, "index": "UPPER CASE"})
    with pytest.raises(ProcessorError, match="Connection refused"):
        process("elasticsearch", b"x", {"url": f"http://127.0.0.1:{free_port()}"})


@pytest.mark.parametrize(
    ("name", "config", "field"),
    [
        ("slack", {}, "url"),
        ("slack", {"url": "hooks.slack.com/x"}, "url"),
        ("webhook", {"url": "ftp://x"}, "url"),
        ("webhook", {}, "url"),
        ("elasticsearch", {"url": "http://ok,nonsense"}, "url"),
    ],
)
def test_what_cannot_be_used_is_refused(process: Process, name: str, config: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError, match=re.escape(f"executor_config.{field}")):
        process(name, b"", config)


def test_dkrons_own_example(tmp_path: Path) -> None:
    """The processors of Dkron's documentation are taken as they stand."""
    from dkronpy.config.check import full_check
    from dkronpy.job.json import decode_job

    job, _ = decode_job(
        json.dumps(
            {
                "name": "report",
                "schedule": "@daily",
                "executor": "shell",
                "executor_config": {"command": "date"},
                "processors": {
                    "files": {"log_dir": "/srv/joblogs", "forward": "true"},
                    "log": {"forward": "true"},
                    "syslog": {"forward": "false"},
                    "fluent": {},
                    "email": {"provider": "corp", "emails": "ops@acme.io", "onSuccess": "false"},
                    "slack": {"team": "corp", "channel": "#ops", "onSuccess": "true"},
                    "elasticsearch": {"url": "http://localhost:9200", "index": "dkron_logs", "forward": "true"},
                },
            }
        )
    )
    assert full_check(job) == []
