"""People are told of what real agents report, by one of several beats, also after that one has gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dkronpy.job import Job, Run
from dkronpy.node import any_node
from tests.acceptance.fleet import Fleet
from tests.executors.servers import HttpServer
from tests.support import StoreServer, wait_until


@pytest.fixture
def receiver() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


def test_a_failure_and_the_recovery_are_told_once_though_the_beat_that_tells_changes(
    server: StoreServer, tmp_path: Path, receiver: HttpServer
) -> None:
    settings = {
        "DKRONPY_CHANNELS": json.dumps({"ops": f"{receiver.url}/status/200"}),
        "DKRONPY_NOTIFY": "ops",
        "DKRONPY_NOTIFY_WAIT": "0",
        "DKRONPY_NOTIFY_INTERVAL": "0",
        "DKRONPY_BEAT_PING_URL": f"{receiver.url}/echo/beat",
    }

    def notifications() -> list[Any]:
        # The pings of the beat that leads come to the same receiver, at any moment.
        return [json.loads(one["body"]) for one in receiver.requests if one["path"].startswith("/status")]

    def told() -> list[str]:
        return [notification["subject"] for notification in notifications()]

    with Fleet(server, tmp_path, settings) as fleet:
        first, second = fleet.beat(), fleet.beat()
        fleet.agent("web1")
        flag = tmp_path / "flag"
        command = f"echo looking for it; cat {flag}"
        fleet.save(Job(name="look", schedule="@manually", run=Run("shell", {"command": command, "shell": True}),
                       on=any_node()))  # fmt: skip
        texts = ("this process notifies", "standing by")
        notifying = wait_until(
            lambda: next((beat for beat in (first, second) if texts[0] in beat.output), None),
            timeout=20, description="one of the beats notifies",
        )  # fmt: skip
        other = second if notifying is first else first
        fleet.run_now("look")
        wait_until(told, timeout=20, description="the failure is told")
        assert told() == ["look failed on web1: exit status 1"]
        assert "No such file" in notifications()[0]["notices"][0]["output"]
        notifying.signal(15)
        assert notifying.wait() == 0
        flag.write_text("here")
        fleet.run_now("look")
        wait_until(lambda: len(told()) > 1, timeout=30, description=f"the recovery is told: {other.output}")
        assert told()[1:] == ["look recovered after 1 failure"]
        assert any(one["path"] == "/echo/beat" for one in receiver.requests), "somebody outside sees that a beat leads"
