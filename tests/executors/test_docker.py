"""The docker executor on a real engine: what runs in a container, and what its end means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dkronpy.executors.docker import Docker, DockerExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.attempts import running
from tests.executors.services.dockerd import IMAGE, DockerEngine
from tests.executors.services.registry import PASSWORD, USER, RegistryServer
from tests.executors.services.resources import resources
from tests.support import free_port, wait_until

WAIT = "while [ ! -e /gate/open ]; do sleep 0.05; done"


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    """An engine that the tests of this module share."""
    with DockerEngine() as started:
        yield started


@pytest.fixture
def docker(engine: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerExecutor]:
    """An executor whose engine is that of the environment; afterwards nothing is left on it."""
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    executor = DockerExecutor()
    yield executor
    executor.close()
    assert engine.containers() == []


def shell(script: str, **options: Any) -> Docker:
    return Docker(IMAGE, ["/bin/sh", "-c", script], **options)


# What runs


@pytest.mark.shows("read back byte by byte")
def test_a_container_as_dkron_writes_it(docker: DockerExecutor, harness: ExecutorHarness, tmp_path: Path) -> None:
    app, logs = tmp_path / "app", tmp_path / "logs"
    app.mkdir()
    (app / "run.sh").write_text('echo "stage $STAGE"; echo done > /logs/log; touch /app/x')
    config = {
        "image": IMAGE,
        "command": "sh /app/run.sh",
        "volumes": f"{app}:/app:ro,{logs}:/logs",
        "env": "STAGE=prod,OTHER=a b",
    }
    outcome, output = harness.run(docker, Docker.from_config(config))
    assert outcome.exit_code == 1, "what is mounted read-only cannot be written"
    assert b"stage prod\n" in output
    assert b"Read-only file system" in output
    assert (logs / "log").read_text() == "done\n"


def test_a_success_says_nothing_more(docker: DockerExecutor, harness: ExecutorHarness) -> None:
    assert harness.run(docker, Docker(IMAGE, "echo 'a  b' c")) == (Outcome(success=True, exit_code=0), b"a  b c\n")


def test_the_exit_code_decides_and_both_outputs_are_kept(docker: DockerExecutor, harness: ExecutorHarness) -> None:
    outcome, output = harness.run(docker, shell("echo out; echo err >&2; exit 7"))
    assert outcome == Outcome(success=False, reason="exit", message="exit status 7", exit_code=7)
    assert sorted(output.splitlines()) == [b"err", b"out"]


@pytest.mark.parametrize(
    ("given", "success", "retryable"),
    [
        ({"success_codes": "0,7"}, True, True),
        ({"skip_codes": 7}, True, True),
        ({"retry_codes": "75"}, False, False),
        ({"retry_codes": "7"}, False, True),
    ],
)
def test_what_a_job_makes_of_codes(
    docker: DockerExecutor, harness: ExecutorHarness, given: dict[str, Any], *, success: bool, retryable: bool
) -> None:
    outcome, _ = harness.run(docker, shell("exit 7", **given))
    assert (outcome.success, outcome.retryable, outcome.exit_code) == (success, retryable, 7)


def test_user_folder_entrypoint_and_what_it_is_told(
    docker: DockerExecutor, harness: ExecutorHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/of/the/node:/usr/bin")
    script = "id -u; id -g; pwd; echo $0 $1; env"
    options = Docker(IMAGE, ["one", "two"], entrypoint=["sh", "-c", script], user="nobody:65533", cwd="/tmp")
    outcome, output = harness.run(docker, options.but(env={"A": "1, 2"}))
    assert outcome.success, outcome
    lines = output.decode().splitlines()
    assert lines[:4] == ["65534", "65533", "/tmp", "one two"]
    assert {"A=1, 2", "DKRONPY_JOB=report", "DKRONPY_FENCING_TOKEN=7", "DKRONPY_ATTEMPT=1"} <= set(lines)
    assert f"DKRONPY_EXECUTION_ID={harness.execution_id}" in lines
    assert "/of/the/node" not in output.decode()


def test_secrets_reach_the_container_and_are_masked(docker: DockerExecutor, harness: ExecutorHarness) -> None:
    outcome, output = harness.run(docker, shell('test ${#DB} = 17 && echo "<$DB>"', env={"DB": secret("bi/db-url")}))
    assert outcome.success, outcome
    assert output == b"<***>\n"


def test_limits_labels_network_and_name(
    docker: DockerExecutor, harness: ExecutorHarness, engine: DockerEngine, tmp_path: Path
) -> None:
    limits: dict[str, Any] = {"mem_limit": "64MB", "cpus": "0.5", "network": "none", "labels": {"team": "bi"}}
    with running(harness, docker, shell(WAIT, volumes=[f"{tmp_path}:/gate"], **limits)) as result:
        name = engine.wait_for_container()
        seen = engine.api.inspect_container(name)
        (tmp_path / "open").touch()
    assert result[0][0].success
    assert name == "dkronpy-report-2026-11-23T02-30-00.000Z.0-1"
    told = seen["HostConfig"]
    assert (told["Memory"], told["MemorySwap"]) == (64 << 20, 64 << 20)
    assert (told["NanoCpus"], told["NetworkMode"]) == (500_000_000, "none")
    labels = seen["Config"]["Labels"]
    assert labels.pop("dkronpy.agent")
    assert labels == {
        "team": "bi",
        "dkronpy.execution": "report@2026-11-23T02:30:00.000Z.0",
        "dkronpy.run": "report@2026-11-23T02:30:00.000Z",
        "dkronpy.job": "report",
        "dkronpy.attempt": "1",
        "dkronpy.token": "7",
        "dkronpy.node": "node1",
    }


def test_a_job_with_any_name_gets_a_container(docker: DockerExecutor) -> None:
    harness = ExecutorHarness(job="Bericht/täglich & mehr " + "x" * 300)
    assert harness.run(docker, Docker(IMAGE, "true"))[0].success


def test_too_much_memory_is_named(docker: DockerExecutor, harness: ExecutorHarness) -> None:
    outcome, _ = harness.run(docker, Docker(IMAGE, "tail /dev/zero", mem_limit="16MB"))
    assert (outcome.reason, outcome.exit_code) == ("oom", 137)
    assert outcome.message == "exit status 137: it was killed, for it took more memory than its limit of 16777216 bytes"


def test_volumes_with_a_name_stay_and_those_without_go(
    docker: DockerExecutor, harness: ExecutorHarness, engine: DockerEngine
) -> None:
    options = shell("echo x >> /kept/f; cat /kept/f; touch /scratch/f", volumes="kept:/kept,/scratch")
    assert harness.run(docker, options)[1] == b"x\n"
    assert harness.run(docker, options)[1] == b"x\nx\n"
    assert [volume["Name"] for volume in engine.api.volumes()["Volumes"]] == ["kept"]


# Its output


def test_the_output_is_live(docker: DockerExecutor, harness: ExecutorHarness, tmp_path: Path) -> None:
    options = shell(f"echo first; {WAIT}; printf second", volumes=[f"{tmp_path}:/gate"])
    with running(harness, docker, options) as result:
        wait_until(lambda: harness.output == b"first\n", description="the first line is there while it runs")
        assert not result
        (tmp_path / "open").touch()
    assert result[0][0].success
    assert harness.output == b"first\nsecond"


def test_long_output_is_complete(
    docker: DockerExecutor, harness: ExecutorHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long after the container has ended an engine on a busy machine may still hand it out, line by line."""
    monkeypatch.setattr("dkronpy.executors._docker_run._DRAIN", 1.0)
    outcome, output = harness.run(docker, Docker(IMAGE, "seq 1 200000"))
    assert outcome.success
    assert harness.output_size == sum(len(f"{number}\n") for number in range(1, 200_001))
    assert output.endswith(b"\n200000\n")


def test_a_silent_container_outlasts_the_time_for_an_answer(
    docker: DockerExecutor, harness: ExecutorHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dkronpy.executors._docker_engine.TIMEOUT", 1)
    monkeypatch.setattr("dkronpy.executors._docker_run._CHECK", 0.3)
    outcome, output = harness.run(docker, shell("sleep 2.5; echo end"))
    assert (outcome.success, output) == (True, b"end\n")


def test_an_engine_that_keeps_no_output_still_tells_the_exit_code(harness: ExecutorHarness) -> None:
    with DockerEngine(["--log-driver=none"]) as engine:
        outcome, output = harness.run(DockerExecutor(), shell("echo x; sleep 0.4; exit 3", host=engine.host))
    assert outcome.exit_code == 3
    assert output.startswith(b"docker: the output cannot be shown: ")


# What cannot run


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Docker(IMAGE, "/no/such/program"), 'exec: "/no/such/program"'),
        (Docker(IMAGE, "true", user="nosuchuser"), "unable to find user nosuchuser"),
        (Docker(IMAGE, "true", network="nosuchnet"), "network nosuchnet not found"),
        (Docker(IMAGE, "true", mem_limit=1000), "Minimum memory limit allowed is 6MB"),
        (Docker(IMAGE, "true", volumes="/x:/y:nosuchmode"), "invalid mode"),
        (Docker("nosuchimage:9", "true", pull="never"), "there is no image nosuchimage:9 on the engine"),
    ],
)
def test_a_mistake_is_named_in_the_engines_words_and_not_tried_again(
    docker: DockerExecutor, harness: ExecutorHarness, options: Docker, words: str
) -> None:
    outcome, _ = harness.run(docker, options)
    assert (outcome.success, outcome.reason, outcome.retryable) == (False, "executor_error", False)
    assert words in outcome.message
    assert "\n" not in outcome.message


def test_a_registry_that_cannot_be_reached_is_named(docker: DockerExecutor, harness: ExecutorHarness) -> None:
    outcome, _ = harness.run(docker, Docker(f"127.0.0.1:{free_port()}/app:1", "true"))
    assert outcome.message.startswith("the image 127.0.0.1:")
    assert "connection refused" in outcome.message
    assert outcome.retryable


# Images from a registry


def test_images_are_fetched_when_missing_or_always(
    docker: DockerExecutor, harness: ExecutorHarness, engine: DockerEngine
) -> None:
    with RegistryServer() as registry:
        image = f"{registry.address}/team/app"
        registry.push(engine.api, IMAGE, image, "1")
        fetched = Docker(f"{image}:1", "echo fetched", registry_user=USER, registry_password=secret("bi/db-url"))
        denied, _ = harness.run(docker, fetched)
        assert not denied.retryable
        assert "unauthorized" in denied.message
        good = ExecutorHarness(job="report", secrets={"bi/db-url": PASSWORD})
        assert good.run(docker, fetched)[1] == b"fetched\n"
        assert harness.run(docker, fetched)[0].success, "it is there now, and the registry is not asked"
        unknown, _ = good.run(docker, fetched.but(image=f"{image}:2"))
        assert "manifest unknown" in unknown.message
        assert not unknown.retryable
        registry.push(engine.api, engine.variant("CHANGED=yes"), image, "1")
        always = fetched.but(command=["/bin/sh", "-c", "echo changed $CHANGED"], pull="always")
        assert good.run(docker, always)[1] == b"changed yes\n"
        assert not harness.run(docker, always)[0].success


def test_fetching_is_bounded_by_the_timeout(docker: DockerExecutor, harness: ExecutorHarness) -> None:
    with RegistryServer() as registry:
        registry.freeze()
        options = Docker(f"{registry.address}/app:1", "true", timeout="700ms")
        outcome, _ = harness.run(docker, options)
    assert (outcome.reason, outcome.message) == (
        "timeout",
        "it had not ended within 700ms; no container was running",
    )


def test_many_runs_leave_nothing_behind(docker: DockerExecutor, harness: ExecutorHarness) -> None:
    def run() -> None:
        assert harness.run(docker, Docker(IMAGE, "true"))[0].success

    for _ in range(3):
        run()
    before = resources()
    for _ in range(30):
        run()
    wait_until(
        lambda: all(now <= then + 2 for now, then in zip(resources(), before, strict=True)),
        description="as few threads and descriptors as before",
    )


def test_several_run_at_once(engine: DockerEngine, docker: DockerExecutor, tmp_path: Path) -> None:
    harnesses = [ExecutorHarness(job=f"job{number}", timeout=timedelta(seconds=60)) for number in range(4)]
    with ExitStack() as stack:
        options = shell(f"echo $DKRONPY_JOB; {WAIT}", volumes=[f"{tmp_path}:/gate"])
        results = [stack.enter_context(running(one, docker, options)) for one in harnesses]
        wait_until(lambda: len(engine.containers()) == 4, description="all four run")
        (tmp_path / "open").touch()
    assert [result[0] for result in results] == [
        (Outcome(success=True, exit_code=0), f"job{number}\n".encode()) for number in range(4)
    ]
