"""The options of the docker executor: what is understood, and what is refused when a job is saved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dkronpy.errors import InvalidError, PluginError
from dkronpy.executors.docker import Docker, DockerExecutor
from dkronpy.testing.harness import ExecutorHarness


def test_dkrons_keys() -> None:
    options = Docker.from_config(
        {
            "image": "python:3.12-slim",
            "command": "python /app/run.py",
            "volumes": "/srv/app:/app:ro,/srv/logs:/logs",
            "env": "STAGE=prod",
        }
    )
    assert options == Docker(
        image="python:3.12-slim",
        command=["python", "/app/run.py"],
        volumes=("/srv/app:/app:ro", "/srv/logs:/logs"),
        env={"STAGE": "prod"},
    )
    assert Docker.from_config(options.to_config()) == options
    assert (options.pull, options.grace, options.timeout) == ("missing", timedelta(seconds=5), None)


@pytest.mark.parametrize(
    "image", ["a", "a:1", "reg.acme.io:5000/team/app:v1.2", "a@sha256:" + "0" * 64, "reg/a:1@sha256:" + "0" * 64]
)
def test_images(image: str) -> None:
    assert Docker(image).problems() == []


@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ({"command": "ls"}, "image", "image is empty"),
        ({"image": ""}, "image", "image is empty"),
        ({"image": "a b"}, "image", '"a b" is not an image'),
        ({"image": "a", "command": "ls | wc"}, "command", "which only a shell understands"),
        ({"image": "a", "command": "echo 'x"}, "command", "is not closed"),
        ({"image": "a", "volumes": "/x:y"}, "volumes", "must begin with /"),
        ({"image": "a", "volumes": "./x:/y"}, "volumes", "a path that begins with /, or a volume's name"),
        ({"image": "a", "volumes": "/a:/b:ro:z"}, "volumes", "is not a volume"),
        ({"image": "a", "labels": {"dkronpy.node": "x"}}, "labels", "set by the node"),
        ({"image": "a", "env": "DKRONPY_X=1"}, "env", "set by the node"),
        ({"image": "a", "cpus": "-1"}, "cpus", "accepted: 0.01 and above"),
        ({"image": "a", "pull": "sometimes"}, "pull", "is not one of missing, always, never"),
        ({"image": "a", "cwd": "app"}, "cwd", "begins with /"),
        ({"image": "a", "host": "ssh://x"}, "host", "accepted: unix:///path, tcp://host:port"),
        ({"image": "a", "registry_user": "x"}, "registry_password", "belong together"),
        ({"image": "a", "tls_ca": "/x"}, "tls_ca", "means nothing without a host by TCP"),
        ({"image": "a", "tls_key": "/x", "host": "tcp://h:1"}, "tls_key", "it needs tls_cert"),
        ({"image": "a", "success_codes": "300"}, "success_codes", "300 is not an exit status"),
        ({"image": "a", "grace": "-1s"}, "grace", ""),
    ],
)
def test_mistakes_are_refused(config: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Docker.from_config(config)
    assert [problem.field for problem in caught.value.problems] == [f"executor_config.{field}"]
    assert words in caught.value.problems[0].message


def test_a_template_may_stand_in_a_list_and_not_in_a_line() -> None:
    assert list(Docker.verbatim({"image": "a", "command": "echo {{ job.name }}"})) == ["command"]
    assert Docker.verbatim({"image": "a", "command": ["echo", "{{ job.name }}"]}) == {}


def test_without_the_package_one_line_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, harness: ExecutorHarness
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "docker", None)
    with pytest.raises(PluginError) as caught:
        harness.run(DockerExecutor(), Docker("a"))
    assert str(caught.value) == "'docker' needs the package docker: pip install \"dkronpy[docker]\""
