"""How a worker answers a message of beat's, and any other of the same task: a real worker on a broker in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.events import EventDispatcher
from celery.worker.state import revoked

from dkronpy.agent.doorbell import AGENT, STRATEGY
from dkronpy.agent.runner import Granted, Ran
from dkronpy.agent.threads import Threads
from tests.support import wait_until


class Desk:
    """Stands in for the runner of an agent: what becomes of an execution is in its name."""

    def claim(self, asked: Sequence[tuple[str, int]]) -> list[Granted | Ran]:
        names = [name for name, _ in asked]
        if any(name.startswith("torn") for name in names):
            raise RuntimeError("torn")
        gone = Ran(state="ignored", reason="has ended")
        return [gone if name.startswith("gone") else Granted(name, 0, 0) for name in names]  # type: ignore[arg-type]

    def answer(self, granted: Granted, told: Callable[[Ran], None]) -> None:
        name = str(granted.claim)
        if name.startswith("broken"):
            raise SystemExit(1)
        failed = name.startswith("bad")
        told(Ran(state="failed", reason="exit", message="3") if failed else Ran(state="success"))


class Bells:
    """A worker with one task, and the events that it sends."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self.events: list[dict[str, Any]] = []
        self.traced: list[str] = []

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

    @app.task(name="ring", Strategy=STRATEGY, ignore_result=True)  # type: ignore[untyped-decorator]
    def ring(name: str, delivery: int) -> str:
        found.traced.append(name)
        return "success"

    app.conf[AGENT] = SimpleNamespace(runner=Desk())
    app.events.dispatcher_cls = Told
    found.events = Told.kept
    with start_worker(app, pool=Threads, concurrency=2, perform_ping_check=False, shutdown_timeout=60):
        yield found


WHOLE = ("task-received", "task-started", "task-succeeded")


def test_what_others_see_of_one_that_succeeds(bells: Bells) -> None:
    bells.ring("good")
    received, _, ended = bells.told("good", *WHOLE)
    assert (received["name"], received["root_id"]) == ("job:x", "good")
    assert ended["result"] == "'success'"
    assert 0 <= ended["runtime"] < 60


def test_one_that_the_ledger_does_not_grant_is_seen_with_the_reason(bells: Bells) -> None:
    bells.ring("gone")
    assert bells.told("gone", *WHOLE)[-1]["result"] == "'not run: has ended'"


@pytest.mark.parametrize(
    ("name", "error", "seen"),
    [
        ("bad", "ExecutionFailedError('exit: 3')", ["task-received", "task-started", "task-failed"]),
        ("broken", "SystemExit(1)", ["task-received", "task-started", "task-failed"]),
        ("torn", "RuntimeError('torn')", ["task-received", "task-failed"]),
    ],
)
def test_one_that_fails_is_seen_with_the_error_and_gives_its_place_back(
    bells: Bells, name: str, error: str, seen: list[str]
) -> None:
    for number in range(4):  # more than there is room for
        bells.ring(f"{name}{number}")
        assert bells.told(f"{name}{number}", *seen)[-1]["exception"] == error


def test_one_that_is_revoked_is_not_run(bells: Bells) -> None:
    revoked.add("revoked")
    bells.ring("revoked")
    bells.told("revoked", "task-revoked")
    bells.ring("after")
    bells.told("after", *WHOLE)


def test_one_with_an_eta_goes_celerys_own_way(bells: Bells) -> None:
    bells.ring("later", countdown=0.01)
    bells.told("later", *WHOLE)
    bells.ring("plain")
    bells.told("plain", *WHOLE)
    assert bells.traced == ["later"]
