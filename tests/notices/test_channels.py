"""The setting ``channels``, and the settings of Dkron that stand for some: to real servers, as Dkron would."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dkronpy.notices.channel import Channels
from dkronpy.notifiers.slack import Slack
from dkronpy.settings import Settings, load_settings
from tests.executors.servers import HttpServer
from tests.notices.conftest import MakeDesk


def channels(**settings: Any) -> Channels:
    return Channels(Settings(**settings))


def test_a_channel_is_a_url_a_table_or_options() -> None:
    found = channels(
        channels={
            "hook": "https://hooks.example.com/x",
            "chat": "tgram://token/chat",
            "ops": {"notifier": "slack", "url": {"secret": "slack/ops"}, "on": "failure", "failures": 2},
            "bi": Slack(url="https://hooks.slack.com/y"),
        },
        notify="ops, bi",
    )
    assert found.problems == []
    assert {one.name: one.notifier for one in found} == {
        "hook": "webhook", "chat": "apprise", "ops": "slack", "bi": "slack"
    }  # fmt: skip
    ops = found.get("ops")
    assert ops is not None
    assert (ops.rule.on, ops.rule.failures, found.default) == (("failure",), 2, ("ops", "bi"))


@pytest.mark.parametrize(
    ("value", "field", "said"),
    [
        ({"ops": "nothing"}, "channels.ops", "not a URL"),
        ({"ops": {"url": "https://x"}}, "channels.ops", "neither a URL nor a table with a notifier"),
        ({"ops": {"notifier": "slak", "url": "https://x"}}, "channels.ops.notifier", "there is no notifier 'slak'"),
        ({"ops": {"notifier": "slack", "urll": "https://x"}}, "channels.ops.urll", "there is no such option"),
        ({"ops": {"notifier": "slack", "url": "https://x", "on": "failed"}}, "channels.ops", "no event 'failed'"),
        ({"Ops!": "https://x"}, "channels", "is no name"),
    ],
)
def test_a_channel_that_cannot_be_used_is_named_and_hides_no_other(value: Any, field: str, said: str) -> None:
    found = channels(channels={**value, "good": "https://x"})
    assert found.get("good") is not None
    assert any(problem.field == field and said in problem.message for problem in found.problems)


def test_a_default_that_is_no_channel_is_named() -> None:
    (problem,) = channels(channels={"ops": "https://x"}, notify="opss").problems
    assert (problem.field, problem.hint) == ("notify", "did you mean 'ops'?")


def test_the_environment_says_it_in_json() -> None:
    settings, _ = load_settings(None, {"DKRONPY_CHANNELS": '{"ops": "https://x"}', "DKRONPY_NOTIFY": "ops"})
    assert Channels(settings).problems == []
    assert settings.channels == {"ops": "https://x"}


def test_owners_get_mail_of_changes_where_a_mail_server_is_set(make_desk: MakeDesk) -> None:
    desk = make_desk({}, mail_host="127.0.0.1", mail_from="cron@example.com")
    desk.begin()
    desk.job("mine", owner_email="me@example.com")
    desk.job("nobodys")
    desk.job("theirs", owner_email="me@example.com", notify=["mailto:them@example.com"])
    for name in ("mine", "nobodys", "theirs"):
        desk.fail(name)
    desk.follow()
    assert {name: [one.job for one in desk.outbox.waiting(name)] for name in desk.outbox.channels()} == {
        "mailto:me@example.com": ["mine"],
        "mailto:them@example.com": ["theirs"],
    }


def test_dkrons_hooks_and_cronitor_hear_of_every_execution(make_desk: MakeDesk, server: HttpServer) -> None:
    desk = make_desk(
        {},
        pre_webhook_endpoint=f"{server.url}/echo/pre",
        pre_webhook_payload='{"starts": "{{.JobName}}"}',
        webhook_endpoint=f"{server.url}/echo/post",
        webhook_payload='{"ended": "{{.JobName}}", "ok": "{{.Success}}", "out": "{{.Output}}"}',
        webhook_headers="Content-Type: application/json",
        cronitor_endpoint=f"{server.url}/echo/cronitor",
    )
    assert desk.channels.problems == []
    desk.begin()
    desk.job(notify=[])
    desk.run(success=True, output=b'said "hi"\n')
    desk.fail()
    desk.told()
    by_path: dict[str, list[Any]] = {"pre": [], "post": [], "cronitor": []}
    for request in server.requests:
        by_path[request["path"].split("/")[2].partition("?")[0]].append(request)
    assert [json.loads(one["body"]) for one in by_path["pre"]] == [{"starts": "backup"}] * 2
    assert [json.loads(one["body"]) for one in by_path["post"]] == [
        {"ended": "backup", "ok": "true", "out": 'said "hi"'},
        {"ended": "backup", "ok": "false", "out": ""},
    ]
    states = [one["path"].rpartition("state=")[2] for one in by_path["cronitor"]]
    assert states == ["run", "complete", "run", "fail"]
