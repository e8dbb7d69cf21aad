"""The docker executor always ends, says what is left of its container, and finds what others left."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dkronpy.executors.docker import Docker, DockerExecutor
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.servers import Authority
from tests.executors.services.dockerd import IMAGE, DockerEngine
from tests.support import free_port, spawn, wait_until

NAME = "dkronpy-report-2026-11-23T02-30-00.000Z.0-1"
GONE = f"the container {NAME} was stopped and removed, confirmed gone at 20"


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    """An engine that the tests of this module share, and leave as they found it."""
    with DockerEngine() as started:
        yield started


@pytest.fixture
def own_engine() -> Iterator[DockerEngine]:
    """An engine to be killed and frozen."""
    with DockerEngine() as started:
        yield started


def shell(script: str, engine: DockerEngine, **options: Any) -> Docker:
    return Docker(IMAGE, ["/bin/sh", "-c", script], host=engine.host, **options)


# Time and cancellation


def test_the_timeout_stops_kills_and_removes(engine: DockerEngine, harness: ExecutorHarness) -> None:
    began = time.monotonic()
    outcome, _ = harness.run(
        DockerExecutor(), Docker(IMAGE, "sleep 60", host=engine.host, timeout="1500ms", grace="1s")
    )
    assert 2.4 < time.monotonic() - began < 8, "it ignores TERM, as every first process does that does not catch it"
    assert outcome.reason == "timeout"
    assert outcome.message.startswith(f"it had not ended within 1s500ms; {GONE}")
    assert engine.containers() == []


def test_the_timeout_of_the_job_counts_too(engine: DockerEngine) -> None:
    harness = ExecutorHarness(job="report", timeout=timedelta(milliseconds=300))
    outcome, _ = harness.run(DockerExecutor(), Docker(IMAGE, "sleep 60", host=engine.host, grace=0))
    assert outcome.message.startswith(f"it had not ended within 300ms; {GONE}")


@pytest.mark.parametrize("reason", ["cancelled", "lease_lost_killed", "shutdown"])
def test_cancel_lets_it_say_goodbye_and_leaves_nothing(
    engine: DockerEngine, harness: ExecutorHarness, reason: str
) -> None:
    script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    with running(harness, DockerExecutor(), shell(script, engine)) as result:
        wait_until(lambda: harness.output, description="it runs")
        assert engine.containers() == [NAME]
        harness.cancel(reason)
    outcome, _ = result[0]
    assert outcome.reason == reason
    assert GONE in outcome.message
    assert harness.output == b"ready\nbye\n"
    assert engine.containers() == []


def test_cancel_before_the_start_makes_no_container(engine: DockerEngine, harness: ExecutorHarness) -> None:
    harness.cancel()
    outcome, _ = harness.run(DockerExecutor(), Docker(IMAGE, "sleep 60", host=engine.host))
    assert (outcome.reason, outcome.message) == ("cancelled", "it was cancelled; no container was running")
    assert engine.containers() == []


def test_somebody_else_removes_or_kills_it(engine: DockerEngine, harness: ExecutorHarness) -> None:
    killed, removed = "exit status 137: a command in it was ended by SIGKILL", "was removed by somebody else"
    for act, words in (
        (lambda: engine.api.remove_container(NAME, force=True), (removed, killed)),
        (lambda: engine.api.kill(NAME), (killed,)),
    ):
        with running(harness, DockerExecutor(), Docker(IMAGE, "sleep 60", host=engine.host)) as result:
            engine.wait_for_container(NAME)
            act()
        assert not result[0][0].success
        assert any(said in result[0][0].message for said in words), result
    assert engine.containers() == []


# Engines that are away


@pytest.mark.shows("refused connection")
def test_no_engine_is_named_and_worth_another_try(harness: ExecutorHarness, tmp_path: Path) -> None:
    outcome, _ = harness.run(DockerExecutor(), Docker(IMAGE, host=f"unix://{tmp_path}/none.sock"))
    assert outcome.message == (
        f"cannot connect to the Docker engine at unix://{tmp_path}/none.sock: No such file or directory"
    )
    assert outcome.retryable
    port = free_port()
    outcome, _ = harness.run(DockerExecutor(), Docker(IMAGE, host=f"tcp://127.0.0.1:{port}"))
    assert outcome.message == f"cannot connect to the Docker engine at tcp://127.0.0.1:{port}: Connection refused"


def test_an_engine_that_stops_between_runs_is_refused_then(own_engine: DockerEngine, harness: ExecutorHarness) -> None:
    executor = DockerExecutor()
    options = Docker(IMAGE, "true", host=own_engine.host)
    assert harness.run(executor, options)[0].success
    own_engine.kill()
    outcome, _ = harness.run(executor, options)
    assert outcome.message.endswith("Connection refused")
    own_engine.start()
    assert harness.run(executor, options)[0].success


@pytest.mark.shows("killed in mid run and back")
def test_an_engine_that_dies_under_a_container_and_comes_back(
    own_engine: DockerEngine, harness: ExecutorHarness
) -> None:
    executor = DockerExecutor()
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    with running(harness, executor, shell(script, own_engine)) as result:
        wait_until(lambda: harness.output, description="it runs")
        own_engine.kill()
        own_engine.start()
    outcome, output = result[0]
    assert not outcome.success
    assert outcome.retryable
    assert outcome.message.endswith("; the engine was away in between")
    assert output == b"ready\n"
    assert own_engine.containers() == []
    assert harness.run(executor, shell("echo again", own_engine))[1] == b"again\n"


def test_a_container_that_outlives_its_engine_is_followed_to_its_end(harness: ExecutorHarness, tmp_path: Path) -> None:
    script = "echo one; while [ ! -e /gate/open ]; do sleep 0.05; done; echo two; exit 5"
    with DockerEngine(["--live-restore"]) as engine:
        options = shell(script, engine, volumes=[f"{tmp_path}:/gate"])
        with running(harness, DockerExecutor(), options) as result:
            wait_until(lambda: harness.output, description="it runs")
            engine.kill()
            engine.start()
            (tmp_path / "open").touch()
        outcome, output = result[0]
        assert (outcome.exit_code, output) == (5, b"one\ntwo\n")
        assert engine.containers() == []


def test_an_engine_that_stays_away_loses_the_container(own_engine: DockerEngine, harness: ExecutorHarness) -> None:
    executor = DockerExecutor(patience=timedelta(seconds=1))
    with running(harness, executor, shell("echo ready; sleep 2", own_engine)) as result:
        wait_until(lambda: harness.output, description="it runs")
        own_engine.kill()
    outcome, _ = result[0]
    assert outcome.reason == "executor_error"
    assert f"could not confirm that it has ended: cannot connect to the Docker engine at {own_engine.host}" in (
        outcome.message
    )
    own_engine.start()
    assert own_engine.containers() == [NAME]
    assert executor.recover("node1", Docker(IMAGE, host=own_engine.host)) == [NAME]
    assert own_engine.containers() == []


def test_a_frozen_engine_ends_in_could_not_confirm_and_is_swept_later(
    own_engine: DockerEngine, harness: ExecutorHarness
) -> None:
    executor = DockerExecutor(patience=timedelta(seconds=1))
    options = shell("echo ready; sleep 60", own_engine, grace=0)
    with running(harness, executor, options) as result:
        wait_until(lambda: harness.output, description="it runs")
        own_engine.freeze()
        began = time.monotonic()
        harness.cancel()
    assert time.monotonic() - began < 8
    outcome, _ = result[0]
    assert outcome.reason == "cancelled"
    assert f"could not confirm that the container {NAME} is gone" in outcome.message
    own_engine.thaw()
    other = ExecutorHarness(job="next")
    assert other.run(executor, Docker(IMAGE, "true", host=own_engine.host))[0].success
    assert own_engine.containers() == []


def test_an_engine_that_is_frozen_from_the_start(own_engine: DockerEngine, harness: ExecutorHarness) -> None:
    own_engine.freeze()
    began = time.monotonic()
    outcome, _ = harness.run(DockerExecutor(), Docker(IMAGE, "true", host=own_engine.host, timeout="500ms"))
    assert time.monotonic() - began < 8
    assert (outcome.reason, outcome.message) == ("timeout", "it had not ended within 500ms; no container was running")


# TLS


@pytest.mark.shows("own authority and a wrong one")
@pytest.mark.shows("wrong credentials")
def test_tls_with_a_private_authority_and_client_certificates(
    authority: Authority, harness: ExecutorHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, server, client = free_port(), authority.issue("localhost"), authority.issue("node1")
    host = f"tcp://127.0.0.1:{port}"
    flags = ["-H", host, "--tlsverify", f"--tlscacert={authority.ca}", f"--tlscert={server}", f"--tlskey={server}"]
    with DockerEngine(flags):
        good = Docker(IMAGE, "echo hi", host=host, tls_ca=str(authority.ca), tls_cert=str(client))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Authority(tmp_path, "Some CA").ca))
        assert harness.run(DockerExecutor(), good)[1] == b"hi\n"
        for wrong, words in (
            (good.but(tls_ca=str(Authority(tmp_path, "Other CA").ca)), f"at {host} cannot be trusted: "),
            (good.but(tls_cert=""), "certificate"),
            (good.but(tls_ca="", tls_cert=""), "Client sent an HTTP request to an HTTPS server"),
            (good.but(tls_ca="/no/such.pem"), "tls_ca: cannot read /no/such.pem"),
        ):
            outcome, _ = harness.run(DockerExecutor(), wrong)
            assert words in outcome.message
            assert not outcome.success
        assert harness.run(DockerExecutor(), good.but(tls_ca="", tls_no_verify=True))[0].success
        for name, file in (("ca", authority.ca), ("cert", client), ("key", client)):
            (tmp_path / f"{name}.pem").write_bytes(file.read_bytes())
        for name, value in (("HOST", host), ("TLS_VERIFY", "1"), ("CERT_PATH", str(tmp_path))):
            monkeypatch.setenv(f"DOCKER_{name}", value)
        assert harness.run(DockerExecutor(), Docker(IMAGE, "echo env"))[1] == b"env\n"


# What a dead agent left

_AGENT = """
import sys
from dkronpy.executors.docker import Docker, DockerExecutor
from dkronpy.testing.harness import ExecutorHarness
host, node, job, token = sys.argv[1:]
harness = ExecutorHarness(job=job, node=node, token=int(token))
harness.run(DockerExecutor(), Docker("bb:1", "sleep 60", host=host))
"""


def test_the_containers_of_a_dead_agent_are_removed_and_no_others(
    engine: DockerEngine, harness: ExecutorHarness, tmp_path: Path
) -> None:
    def agent(node: str, job: str) -> Any:
        command = (sys.executable, "-c", _AGENT)
        return spawn(engine.host, node, job, "1", log=tmp_path / f"{node}-{job}.log", command=command)

    with agent("node1", "lost") as dead, agent("node1", "watched") as alive, agent("node2", "elsewhere") as other:
        for job in ("lost", "watched", "elsewhere"):
            engine.wait_for_container(f"-{job}-")
        for process in (dead, other):
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert harness.run(DockerExecutor(), Docker(IMAGE, "true", host=engine.host))[0].success
        left = sorted(engine.containers())
        assert ["elsewhere" in left[0], "watched" in left[1], len(left)] == [True, True, 2]
        removed = DockerExecutor().recover("node2", Docker(IMAGE, host=engine.host))
        assert removed == [left[0]]
        alive.kill()
    assert len(DockerExecutor().recover("node1", Docker(IMAGE, host=engine.host))) == 1
    assert engine.containers() == []


def test_an_earlier_attempt_of_the_execution_is_removed_wherever_it_came_from(
    engine: DockerEngine, make_harness: Any
) -> None:
    first, second = make_harness(node="node1", token=1), make_harness(node="node2", token=2, attempt=2)
    with running(first, DockerExecutor(), Docker(IMAGE, "sleep 60", host=engine.host)) as result:
        engine.wait_for_container()
        assert second.run(DockerExecutor(), Docker(IMAGE, "true", host=engine.host))[0].success
    assert not result[0][0].success
    assert engine.containers() == []
