"""How a worker answers a message of beat's, and any other of the same task: a real worker on a broker in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.events import EventDispatcher
from celery.worker.state import revoked

from dkronpy.agent.doorbell import STRATEGY
from dkronpy.agent.threads import Threads
from tests.support import wait_until


class RefusedError(Exception):
    """What the task raises on purpose."""


class Bells:
    """A worker with one task, and the events that it sends."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self.events: list[dict[str, Any]] = []
        self.rung: list[tuple[str, int]] = []
        self.traced: list[bool] = []

    def ring(self, name: str, **options: Any) -> None:
        self.app.send_task("ring", (name, 1), task_id=name, shadow="job:x", ignore_result=True, **options)

    def told(self, name: str, *kinds: str) -> list[dict[str, Any]]:
        def found() -> list[dict[str, Any]]:
            own = [event for event in list(self.events) if event.get("uuid") == name]
            return own if [event["type"] for event in own] == list(kinds) else []

        return wait_until(found, description=f"{name} is told of as {kinds}")


class Told(EventDispatcher):  # type: ignore[misc]  # no types there
    """Keeps what a worker tells instead of sending it."""

    kept: ClassVar[list[dict[str, Any]]] = []

    def send(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's name
        self.kept.append({"type": type, **fields})


@pytest.fixture(scope="module")
def bells() -> Iterator[Bells]:
    app = Celery("bells", broker="memory://", set_as_current=False)
    app.conf.update(worker_send_task_events=True, task_ignore_result=True, accept_content=["json"])
    found = Bells(app)

    @app.task(name="ring", bind=True, Strategy=STRATEGY, throws=(RefusedError,), ignore_result=True)  # type: ignore[untyped-decorator]
    def ring(self: Any, name: str, delivery: int) -> str:
        found.rung.append((name, delivery))
        found.traced.append(self.request.id == name)
        if name.startswith("bad"):
            raise RefusedError("exit: 3")
        if name.startswith("broken"):
            raise SystemExit(1)
        return "success"

    app.events.dispatcher_cls = Told
    found.events = Told.kept
    with start_worker(app, pool=Threads, concurrency=2, perform_ping_check=False, shutdown_timeout=60):
        yield found


def test_what_others_see_of_one_that_succeeds(bells: Bells) -> None:
    bells.ring("good")
    received, _, ended = bells.told("good", "task-received", "task-started", "task-succeeded")
    assert (received["name"], received["root_id"]) == ("job:x", "good")
    assert ended["result"] == "'success'"
    assert 0 <= ended["runtime"] < 60
    assert ("good", 1) in bells.rung


@pytest.mark.parametrize(("name", "error"), [("bad", "RefusedError('exit: 3')"), ("broken", "SystemExit(1)")])
def test_one_that_fails_is_told_of_with_the_reason_and_the_thread_lives_on(bells: Bells, name: str, error: str) -> None:
    for number in range(3):  # more than there are threads
        bells.ring(f"{name}{number}")
        ended = bells.told(f"{name}{number}", "task-received", "task-started", "task-failed")[-1]
        assert ended["exception"] == error


def test_one_that_is_revoked_is_not_run(bells: Bells) -> None:
    revoked.add("revoked")
    bells.ring("revoked")
    bells.told("revoked", "task-revoked")
    bells.ring("after")
    bells.told("after", "task-received", "task-started", "task-succeeded")
    assert ("revoked", 1) not in bells.rung


def test_one_with_an_eta_goes_celerys_own_way(bells: Bells) -> None:
    bells.ring("later", countdown=0.01)
    bells.told("later", "task-received", "task-started", "task-succeeded")
    bells.ring("plain")
    bells.told("plain", "task-received", "task-started", "task-succeeded")
    names = [name for name, _ in bells.rung]
    assert (bells.traced[names.index("later")], bells.traced[names.index("plain")]) == (True, False)
