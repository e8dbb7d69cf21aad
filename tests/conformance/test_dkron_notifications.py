"""Whom Dkron tells of what, statement by statement (7.1), and that the same settings tell the same people here.

All of Dkron's is for every job and every execution; what we tell by ourselves is in ``tests/notices``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from aiosmtpd.controller import Controller

from dkronpy.plugins.notifier import NotifierError
from tests.executors.servers import HttpServer
from tests.notices.desk import Desk
from tests.notifiers.test_sinks import send
from tests.processors.test_email import Box
from tests.support import StoreServer, free_port

MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(store: redis.Redis, store_server: StoreServer) -> Iterator[MakeDesk]:
    """Makes a notifier with Dkron's settings, and a job."""
    desks: list[Desk] = []

    def make(**settings: Any) -> Desk:
        desk = Desk(store_server.url, {}, **settings)
        desks.append(desk)
        told = [one for one in desk.channels.problems if not one.message.endswith("as in Dkron")]
        assert told == []
        desk.begin()
        desk.job(owner_email="me@example.com")
        return desk

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


def hooks(server: HttpServer, **more: str) -> dict[str, str]:
    """Both of Dkron's hooks."""
    return {
        "pre_webhook_endpoint": f"{server.url}/echo/pre", "pre_webhook_payload": "{{.JobName}} {{.FinishedAt}}",
        "webhook_endpoint": f"{server.url}/echo/post", "webhook_payload": "{{.JobName}} {{.Success}}", **more,
    }  # fmt: skip


def posts(server: HttpServer) -> list[tuple[str, str]]:
    """Which hook was posted what."""
    return [(one["path"].rpartition("/")[2], one["body"].decode().strip()) for one in server.requests]


def test_7_1_the_first_hook_is_for_the_start_and_the_second_for_the_end(
    make_desk: MakeDesk, server: HttpServer
) -> None:
    # Dkron posts to the first with every piece of output as well
    desk = make_desk(**hooks(server))
    run = desk.fire()
    claim = desk.claim(run)
    desk.told()
    assert posts(server) == [("pre", "backup")]
    desk.finish(claim, success=True, output=b"one\ntwo\n")
    desk.told()
    assert posts(server) == [("pre", "backup"), ("post", "backup true")]


def test_7_1_the_second_comes_after_the_last_attempt_alone(make_desk: MakeDesk, server: HttpServer) -> None:
    desk = make_desk(**hooks(server))
    desk.job("flaky", retry=1)
    run = desk.fire("flaky")
    desk.finish(desk.claim(run), success=False, reason="exit", pause_ms=60_000)
    desk.told()
    assert [hook for hook, _ in posts(server)] == ["pre"]
    assert desk.deployment.ledger.cancel([f"{run}.0"], "test") == ["ended"]
    desk.told()
    assert posts(server)[1:] == [("post", "flaky false")]


@pytest.mark.parametrize("missing", ["webhook_endpoint", "webhook_payload"])
def test_7_1_a_hook_needs_an_address_and_something_to_post(
    make_desk: MakeDesk, server: HttpServer, missing: str
) -> None:
    desk = make_desk(**hooks(server, **{missing: ""}))
    desk.run(success=True)
    desk.told()
    assert [hook for hook, _ in posts(server)] == ["pre"]


def test_7_1_the_names_in_a_template_are_dkrons_and_json_stays_whole(make_desk: MakeDesk, server: HttpServer) -> None:
    # in Dkron a quote in the output breaks the document
    names = ("JobName", "Success", "NodeName", "ReportingNode", "Output", "StartTime", "FinishedAt", "Report")
    payload = json.dumps({name: f"{{{{.{name}}}}}" for name in names})
    desk = make_desk(
        **hooks(server, webhook_payload=payload, webhook_headers="Content-Type: application/json\nX-A: b:c")
    )
    run = desk.run(success=False, reason="exit", message="exit status 3", output=b'said "no"\nand left\n')
    desk.told()
    (request,) = (one for one in server.requests if one["path"].endswith("/post"))
    told = json.loads(request["body"])
    assert [told[name] for name in names[:5]] == ["backup", "false", "web1", "web1", 'said "no"\nand left']
    assert told["StartTime"].endswith("+0000 UTC")
    assert told["FinishedAt"] >= told["StartTime"]
    assert [line.partition(":")[0] for line in told["Report"].splitlines() if ": " in line] == [
        "Executed", "Reporting node", "Start time", "End time", "Success", "Node", "Output", "Execution group",
    ]  # fmt: skip
    assert told["Report"].endswith(run)
    assert (request["headers"]["Content-Type"], request["headers"]["X-A"]) == ("application/json", "b:c")


def test_7_1_a_template_or_a_header_that_cannot_be_used_is_said_at_once(
    store: redis.Redis, store_server: StoreServer, server: HttpServer
) -> None:
    # Dkron posts its complaint of a template in the template's place, and dies of a header without a colon
    desk = Desk(store_server.url, {}, **hooks(server, webhook_payload="{{.Jobname}}", pre_webhook_headers="X-A b"))
    assert [one.message for one in desk.channels.problems] == [
        "'X-A b' is no header; the form is Name: value",
        "there is no .Jobname; known: Report, JobName, ReportingNode, StartTime, FinishedAt, Success, NodeName, Output",
    ]
    desk.close()


def test_7_1_a_receiver_that_hangs_or_refuses_holds_up_no_run(make_desk: MakeDesk, server: HttpServer) -> None:
    # in Dkron it is asked within the run, without a limit: what would follow waits for it
    desk = make_desk(**hooks(server, webhook_endpoint=f"{server.url}/hang"))
    desk.run(success=True)
    desk.follow()
    desk.sender.step()
    server.wait_for_request()
    second = desk.run(success=True)
    run = desk.deployment.ledger.run(second)
    assert run is not None
    assert run.state == "success"
    server.stopping.set()


def test_7_1_cronitor_hears_of_start_and_end(make_desk: MakeDesk, server: HttpServer) -> None:
    desk = make_desk(cronitor_endpoint=f"{server.url}/echo")
    desk.run(success=True)
    desk.fail()
    desk.told()
    paths = [one["path"] for one in server.requests]
    assert [(path.partition("?")[0], path.rpartition("state=")[2]) for path in paths] == [
        ("/echo/backup", "run"), ("/echo/backup", "complete"), ("/echo/backup", "run"), ("/echo/backup", "fail"),
    ]  # fmt: skip
    assert all("host=web1" in path and "series=backup%40" in path for path in paths)


def test_7_1_owners_are_mailed_each_success_and_each_failure_where_that_is_asked_for(make_desk: MakeDesk) -> None:
    # without mail_on they are told of changes: Dkron mails them every run
    box = Box()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        desk = make_desk(
            mail_host="127.0.0.1", mail_port=controller.port, mail_from="cron@example.com", mail_security="none",
            mail_on="success,failure", mail_payload="{{.JobName}}: {{.Output}}", mail_subject_prefix="[Dkron]",
        )  # fmt: skip
        for success in (True, True, False):
            desk.run(success=success, output=b"well\n", **({} if success else {"reason": "exit"}))
            desk.told()
    finally:
        controller.stop()
    assert [to for to, _ in box.mails] == [["me@example.com"]] * 3
    assert all(str(mail["Subject"]).startswith("[Dkron]") for _, mail in box.mails)
    assert [mail.get_content().strip() for _, mail in box.mails] == ["backup: well"] * 3


def test_7_1_a_receivers_answer_counts() -> None:
    # Dkron minds no status; here what was refused is tried again, and said
    with HttpServer() as server, pytest.raises(NotifierError, match="500"):
        send("dkron", {"url": f"{server.url}/status/500", "payload": "{{.JobName}}"})
