"""Messages are doorbells in JSON: nothing else is taken from a queue, whatever somebody pushes into it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from dkronpy.app import celery_configuration, make_app
from dkronpy.job import Job, Run
from dkronpy.node import queue_name
from dkronpy.settings import Settings
from tests.acceptance.fleet import Fleet
from tests.support import ROOT, wait_until


class Bomb:
    """Makes a file as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def works(fleet: Fleet) -> None:
    """The node takes up a job of ours, after all that came before it in its queue."""
    fleet.save(Job(name="after", schedule="@manually", run=Run("shell", {"command": "true"})))
    assert fleet.run_now("after")[0].state == "success"


def quarantined(fleet: Fleet) -> str:
    """What was set aside, with the reasons."""
    store = fleet.client.deployment.store
    return str(store.client.hgetall(store.keys.quarantine))


def test_json_is_all_that_is_spoken() -> None:
    configuration = celery_configuration(Settings(store_url="redis://127.0.0.1:1/0"))
    assert configuration["accept_content"] == ["json"]
    assert (configuration["task_serializer"], configuration["result_serializer"]) == ("json", "json")
    app = make_app(Settings(store_url="redis://127.0.0.1:1/0"))
    assert set(app.conf.accept_content) == {"json"}
    assert set(app.conf.result_accept_content or app.conf.accept_content) == {"json"}


def test_nothing_of_ours_unpickles() -> None:
    found = [
        str(path)
        for folder in ("dkronpy", "executors", "tasks", "scripts", "config")
        for path in (ROOT / folder).rglob("*.py")
        if any(word in path.read_text() for word in ("import pickle", "pickle.", "marshal.", "shelve", "yaml.load("))
    ]
    assert found == []


def test_a_pickled_message_is_set_aside_unopened(guarded: Fleet, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    assert b"touch" in pickle.dumps(Bomb(trace))
    with Connection(guarded.server.url) as connection:
        producer = connection.Producer(serializer="pickle")
        headers = {"task": "dkronpy.run", "id": "forged", "lang": "py"}
        producer.publish(
            ((Bomb(trace),), {}, {}), routing_key=queue_name("n1"), exchange="", headers=headers, retry=False
        )
    works(guarded)
    assert not trace.exists()
    wait_until(
        lambda: "pickle" in quarantined(guarded) or "refus" in quarantined(guarded), description="it is set aside"
    )


@pytest.mark.parametrize("task", ["os.system", "celery.chord", "subprocess.run"])
def test_a_task_that_is_not_ours_is_not_run(guarded: Fleet, tmp_path: Path, task: str) -> None:
    trace = tmp_path / "ran"
    app = Celery(broker=guarded.server.url, set_as_current=False)
    app.send_task(task, [f"touch {trace}"], queue=queue_name("n1"))
    app.close()
    works(guarded)
    assert not trace.exists()


def test_a_forged_doorbell_finds_nothing_to_run(guarded: Fleet, tmp_path: Path) -> None:
    app = Celery(broker=guarded.server.url, set_as_current=False)
    for arguments in (["no-such-run.0", 1], [f"$(touch {tmp_path / 'ran'})", 1], [{"a": 1}, None], []):
        app.send_task("dkronpy.run", arguments, queue=queue_name("n1"))
    app.close()
    works(guarded)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("url", [r"executor: no\.such\.module:Class", "os:system"])
def test_no_class_is_imported_by_a_name_that_stands_in_a_job(guarded: Fleet, url: str) -> None:
    from dkronpy.errors import DkronpyError
    from dkronpy.plugins.registry import executor_class

    with pytest.raises(DkronpyError):
        executor_class(url)
