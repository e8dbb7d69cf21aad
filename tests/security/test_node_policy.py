"""What a node refuses by its own settings, which nothing in the store can change."""

from __future__ import annotations

import pytest

from dkronpy.agent.policy import Policy
from dkronpy.errors import ConfigError
from dkronpy.job import Job, Run
from dkronpy.settings import Settings, load_settings
from tests.acceptance.fleet import Fleet


def test_an_executor_that_is_not_offered_is_refused(guarded: Fleet) -> None:
    guarded.save(Job(name="code", schedule="@manually", run=Run("python", {"callable": "os:getpid"})))
    _, (execution,) = guarded.run_now("code")
    assert (execution.state, execution.reason) == ("failed", "executor_error")
    assert execution.message == "node n1 offers no python: it has shell, http"
    (node,) = [node for node in guarded.client.nodes() if node.name == "n1"]
    assert node.executors == ("shell", "http")


def test_jobs_run_as_those_users_alone_that_the_node_names(guarded: Fleet) -> None:
    for user, said in (("daemon", ""), ("root", "may not run as 'root'"), ("nobody:daemon", "may not run as 'nobody'")):
        guarded.save(
            Job(name="who", schedule="@manually", run=Run("shell", {"command": "id -un", "cwd": "/", "su": user}))
        )
        _, (execution,) = guarded.run_now("who")
        if said:
            assert said in execution.message
            assert execution.reason == "executor_error"
        else:
            assert guarded.output(execution) == "daemon\n"


def test_names_that_are_no_executor_are_said_when_the_agent_starts() -> None:
    with pytest.raises(ConfigError, match="executors: shel is not installed here"):
        Policy(Settings(executors="shel, http"), None)
    assert Policy(Settings(), None).offered()


def test_networks_that_are_none_are_named() -> None:
    with pytest.raises(ConfigError, match=r"http_allow: .*'10\.0\.0\.300'"):
        load_settings(None, {"DKRONPY_HTTP_ALLOW": "127.0.0.0/8, 10.0.0.300"})
