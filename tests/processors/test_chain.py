"""Processors one after the other, as the agent runs them: order, forward, failures, time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec
import pytest

from dkronpy.agent.plan import Plan, Step
from dkronpy.agent.processing import MOST_HANGING, Processing
from dkronpy.agent.spool import Report, Spool
from dkronpy.errors import NotFoundError
from dkronpy.execution import Output
from dkronpy.plugins.template import Facts, JobFacts
from dkronpy.secret import Secret
from tests.executors.servers import HttpServer
from tests.processors.conftest import INFO
from tests.processors.sinks import silent
from tests.support import free_port, wait_until

FACTS = Facts(
    job=JobFacts(name="backup"),
    due=INFO.due,
    node="web1",
    attempt=2,
    run_id=INFO.run_id,
    execution_id=INFO.execution_id,
)
SECRETS = {"email/corp": json.dumps({"host": "127.0.0.1", "password": "s3cr3t"}), "hook": "http://127.0.0.1:1/T0K3N"}


def resolve(secret: Secret) -> str:
    if secret.secret not in SECRETS:
        raise NotFoundError(f"secret {secret.secret!r} is not on this node")
    return SECRETS[secret.secret]


@pytest.fixture
def processing() -> Iterator[Processing]:
    running = Processing(resolve)
    running.start()
    yield running
    running.stop()


def report(steps: dict[str, dict[str, Any]], output: Output | bytes = b"output") -> Report:
    kept = Output(head=output, size=len(output)) if isinstance(output, bytes) else output
    plan = Plan(
        steps=tuple(Step(processor=name, config=config) for name, config in steps.items()), info=INFO, facts=FACTS
    )
    return Report(execution_id=INFO.execution_id, token=7, success=False, output=kept, plan=plan)


def folder(path: Path, name: str) -> str:
    (path / name).mkdir()
    return str(path / name)


def test_the_order_is_that_of_the_job(processing: Processing, tmp_path: Path, server: HttpServer) -> None:
    """The first takes the output, the second gets the note that stands in its place; and the other way round."""
    files = {"files": {"log_dir": folder(tmp_path, "a")}}
    hook = {"webhook": {"url": f"{server.url}/status/200"}}
    done = processing.processed(report({**files, **hook}))
    path = next((tmp_path / "a").iterdir())
    assert json.loads(server.requests[-1]["body"])["output"] == str(path)
    assert (done.output.head, done.note, done.plan) == (f"Output posted to {server.url[7:]}".encode(), "", None)

    path.unlink()
    processing.processed(report({**hook, **files}))
    assert json.loads(server.requests[-1]["body"])["output"] == "output"
    assert path.read_bytes() == f"Output posted to {server.url[7:]}".encode()


def test_forward_passes_the_output_on(processing: Processing, tmp_path: Path, server: HttpServer) -> None:
    steps = {
        "files": {"log_dir": str(tmp_path), "forward": "true"},
        "webhook": {"url": f"{server.url}/status/200", "forward": "true"},
    }
    done = processing.processed(report(steps))
    assert json.loads(server.requests[-1]["body"])["output"] == "output"
    assert done.output == Output(head=b"output", size=6)


def test_one_that_fails_is_named_and_the_others_go_on(processing: Processing, tmp_path: Path) -> None:
    steps = {
        "webhook": {"url": f"http://127.0.0.1:{free_port()}/"},
        "nonesuch": {},
        "slack": {"team": "unknown"},
        "files": {"log_dir": str(tmp_path)},
    }
    done = processing.processed(report(steps))
    assert next(tmp_path.iterdir()).read_bytes() == b"output"
    first, second, third = done.note.split("; processor ")
    assert first.startswith("processor webhook failed: cannot reach 127.0.0.1:")
    assert second.startswith("nonesuch failed: there is no processor 'nonesuch'; known: ")
    assert third == "slack failed: secret 'slack/unknown' is not on this node"
    assert not done.success


def test_one_that_cannot_even_begin_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    def refused(_: Secret) -> str:
        raise PermissionError(13, "the key s3cr3t is not for you")

    processing = Processing(refused)
    processing.start()
    done: SimpleQueue[Report] = SimpleQueue()

    processing.submit(report({"slack": {"team": "corp"}, "files": {"log_dir": str(tmp_path)}}), done.put)

    assert done.get(timeout=10).note == "processor slack failed: PermissionError"
    assert next(tmp_path.iterdir()).read_bytes() == b"output"
    processing.stop()


def test_when_all_fail_the_output_stays(processing: Processing) -> None:
    done = processing.processed(report({"files": {"log_dir": "/none/such"}}))
    assert done.output.head == b"output"


def test_what_was_cut_is_said_where_it_stood(processing: Processing, tmp_path: Path) -> None:
    cut = Output(head=b"head", tail=b"tail", size=1_000_008)
    processing.processed(report({"files": {"log_dir": str(tmp_path)}}, cut))
    assert next(tmp_path.iterdir()).read_bytes() == b"head\n[... 1,000,000 bytes left out ...]\ntail"
    assert processing.processed(report({"files": {"log_dir": str(tmp_path), "forward": "true"}}, cut)).output == cut


def test_templates_and_secrets_in_options(processing: Processing, tmp_path: Path) -> None:
    processing.processed(
        report({"files": {"log_dir": folder(tmp_path, "backup") and str(tmp_path) + "/{{ job.name }}"}})
    )
    assert len(list((tmp_path / "backup").iterdir())) == 1
    done = processing.processed(report({"webhook": {"url": {"secret": "hook"}}}))
    assert "cannot reach 127.0.0.1:1" in done.note
    assert "T0K3N" not in done.note


def test_a_dead_server_does_not_hold_on_for_ever(processing: Processing) -> None:
    with silent() as listener:
        steps = {"fluent": {"host": "127.0.0.1", "port": listener.getsockname()[1], "timeout": "300ms"}}
        began = time.monotonic()
        done = processing.processed(report(steps))
    assert time.monotonic() - began < 8
    assert done.note.startswith("processor fluent failed: ")


def test_a_call_that_nothing_can_end_is_left_behind_and_only_so_many(processing: Processing) -> None:
    free = threading.Event()
    try:
        for _ in range(MOST_HANGING):
            with pytest.raises(Exception, match=r"took longer than 0\.01 s and was given up"):
                processing._within(lambda: free.wait(30) and None, 0.01)
        with pytest.raises(Exception, match="16 earlier calls of processors still hang"):
            processing._within(lambda: None, 1)
    finally:
        free.set()
    wait_until(
        lambda: not any(thread.is_alive() for thread in processing._hanging), timeout=5, description="they ended"
    )
    assert processing._within(lambda: b"again", 1) == b"again"


def test_submitted_reports_come_back(processing: Processing, tmp_path: Path) -> None:
    came: list[Report] = []
    for _ in range(20):
        processing.submit(report({"files": {"log_dir": str(tmp_path)}}), came.append)
    wait_until(lambda: len(came) == 20, timeout=10, description="all are processed")
    assert {one.plan for one in came} == {None}


def test_a_plan_survives_the_spool(tmp_path: Path) -> None:
    """An agent that dies between the outcome and the processors finds all it needs in the spool."""
    written = report({"files": {"log_dir": "/x"}, "email": {"provider": "corp"}, "log": {}})
    Spool(tmp_path).put(written)
    ((_, read),) = Spool(tmp_path).waiting()
    assert read == written
    assert read.plan is not None
    assert [step.processor for step in read.plan.steps] == ["files", "email", "log"]
    assert msgspec.json.decode(msgspec.json.encode(read), type=Report) == written
