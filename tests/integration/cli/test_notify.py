"""`dkronpy notify` with channels to a real server, and with channels that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.executors.servers import HttpServer
from tests.integration.cli.conftest import CommandLine


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


def test_a_test_message_goes_out_from_here(dkronpy: CommandLine, server: HttpServer) -> None:
    channels = {"ops": f"{server.url}/status/200", "bad": f"{server.url}/status/403"}
    done = dkronpy("notify", "test", "ops", DKRONPY_CHANNELS=json.dumps(channels))
    assert (done.exit_code, done.stdout) == (0, "ops took the message\n")
    assert json.loads(server.requests[0]["body"])["subject"] == "this is a test of the channel ops"
    done = dkronpy("notify", "test", "bad", DKRONPY_CHANNELS=json.dumps(channels))
    assert done.exit_code == 1
    assert "error: channel bad: 127.0.0.1" in done.stderr
    done = dkronpy("notify", "test", "opss", DKRONPY_CHANNELS=json.dumps(channels))
    assert done.exit_code == 5
    assert "did you mean 'ops'?" in done.stderr


def test_the_list_says_what_is_wrong(dkronpy: CommandLine) -> None:
    (dkronpy.config / "settings.py").write_text(
        "channels = {'ops': 'https://x.example.com', 'typo': {'notifier': 'slak'}}\nnotify = 'ops'\n"
    )
    done = dkronpy("notify", "list", "-o", "json")
    assert done.exit_code == 0, done.stderr
    ops, typo = json.loads(done.stdout)
    assert (ops["name"], ops["notifier"], ops["on"], ops["default"]) == ("ops", "webhook", ["changes"], True)
    assert "there is no notifier 'slak'" in typo["trouble"]
    assert dkronpy("notify", "sent").stderr == "nobody was told of anything yet\n"
    (dkronpy.config / "settings.py").write_text("")
    assert "no channels" in dkronpy("notify", "list").stderr


def test_a_hook_of_dkrons_that_has_nothing_to_post_says_so(dkronpy: CommandLine) -> None:
    env = {"DKRONPY_WEBHOOK_ENDPOINT": "https://hooks.example.com/jobs"}
    (hook,) = json.loads(dkronpy("notify", "list", "-o", "json", **env).stdout)
    assert (hook["name"], hook["notifier"]) == ("dkron-webhook", "")
    assert hook["trouble"] == "nothing is posted to webhook_endpoint without webhook_payload, as in Dkron"
    env["DKRONPY_WEBHOOK_PAYLOAD"] = "{{.JobName}} {{.Success}}"
    (hook,) = json.loads(dkronpy("notify", "list", "-o", "json", **env).stdout)
    assert (hook["notifier"], hook["trouble"]) == ("dkron", "")


def test_what_is_as_good_as_a_password_is_not_shown(dkronpy: CommandLine) -> None:
    env = {"DKRONPY_CHANNELS": '{"ops": "https://x/s3cr3t"}', "DKRONPY_WEBHOOK_ENDPOINT": "https://x/s3cr3t",
           "DKRONPY_MAIL_PASSWORD": "s3cr3t"}  # fmt: skip
    shown = dkronpy("config", "show", "-o", "wide", **env)
    assert shown.exit_code == 0
    assert "s3cr3t" not in shown.stdout
    assert "ops=***" in shown.stdout
