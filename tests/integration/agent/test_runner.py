"""Whatever happens to an attempt on its node, it ends on record, and its lease with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from dkronpy.agent.runner import Granted, Ran
from dkronpy.agent.service import Agent
from dkronpy.job import Run
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.secret import secret
from tests.integration.store.plans import Desk, backup

SECRET = "s3cr3t-v4lue"


class Strange(Executor[Any]):
    """Somebody's executor that does what the test says."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.called = 0

    def execute(self, options: Any, context: ExecutionContext) -> Outcome:
        self.called += 1
        context.write(b"at work\n")
        return self.work()  # type: ignore[no-any-return]


@pytest.fixture
def job(desk: Desk, tmp_path: Path) -> str:
    """An execution, queued, of a job that has a secret."""
    (tmp_path / "key").write_text(SECRET)
    run = Run("shell", {"command": "true", "env": {"KEY": secret("key")}})
    desk.jobs.save(backup(run=run))
    (name,) = desk.queued()
    return name


def ran(agent: Agent, job: str, work: Callable[[], Any]) -> Ran:
    """How the execution ends whose executor does *work*."""
    agent.runner._executors["shell"] = Strange(work)
    return agent.runner.run(job, 1)


def leave() -> None:
    raise SystemExit(3)


def outcome(**fields: Any) -> Callable[[], Any]:
    return lambda: Outcome(**fields)


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (outcome(success=False, message=None), "TypeError"),
        (outcome(success=True, result=(nested := [0], nested.append(nested))[0]), "RecursionError"),
        (lambda: None, "AttributeError"),
        (leave, "SystemExit"),
    ],
    ids=["a message that is none", "a result that has no end", "no outcome", "an executor that leaves"],
)
def test_what_an_executor_gets_wrong_fails_its_attempt_on_record(
    desk: Desk, agent: Agent, job: str, work: Callable[[], Any], error: str
) -> None:
    found = ran(agent, job, work)

    assert (found.state, found.reason) == ("failed", "executor_error")
    assert error in found.message
    assert desk.state(job) == ("failed", "executor_error")
    assert agent.leases.running() == 0
    execution = agent.deployment.results.execution(job)
    assert execution is not None
    assert execution.output.text() == "at work\n"


def test_a_result_with_half_a_character_is_told_of_a_job_with_a_secret(desk: Desk, agent: Agent, job: str) -> None:
    found = ran(agent, job, outcome(success=True, result=[f"a name\udcff {SECRET}"]))

    assert found.state == "success"
    assert desk.state(job) == ("success", "")
    assert desk.ledger.result(job) == '["a name? ***"]'
    assert agent.leases.running() == 0


def test_a_secret_that_is_no_text_refuses_the_attempt_and_shows_nothing_of_it(
    desk: Desk, agent: Agent, job: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")

    found = ran(agent, job, outcome(success=True))

    assert (found.reason, found.message) == ("bad_definition", f"secret 'key': {tmp_path / 'key'} is not UTF-8 text")
    assert desk.state(job) == ("failed", "bad_definition")


def test_what_cannot_be_told_of_a_failure_before_it_began_is_its_kind_alone(
    desk: Desk, agent: Agent, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(_: object) -> str:
        raise ValueError(SECRET)

    monkeypatch.setattr(agent.runner, "_secrets", resolve)

    found = ran(agent, job, outcome(success=True))

    assert found.message == "the agent could not see it through: ValueError; its log says more"
    assert desk.state(job) == ("failed", "executor_error")


def test_what_waited_for_a_thread_until_its_lease_was_over_does_not_begin(desk: Desk, agent: Agent, job: str) -> None:
    told: SimpleQueue[Ran] = SimpleQueue()
    (granted,) = agent.runner.claim([(job, 1)])
    assert isinstance(granted, Granted)
    executor = agent.runner._executors["shell"] = Strange(outcome(success=True))

    agent.runner.answer(granted._replace(asked=granted.asked - 61), told.put)

    assert told.get(timeout=30).message == "its lease was over before a thread took it up, and nothing was started"
    assert desk.state(job) == ("failed", "lease_lost_killed")
    assert executor.called == 0


def test_what_was_granted_and_finds_no_thread_ends_on_record(desk: Desk, agent: Agent, job: str) -> None:
    told: SimpleQueue[Ran] = SimpleQueue()
    (granted,) = agent.runner.claim([(job, 1)])
    assert isinstance(granted, Granted)

    agent.runner.fail(granted, RuntimeError("can't start new thread"), told.put)

    assert told.get(timeout=30).reason == "executor_error"
    assert desk.state(job) == ("failed", "executor_error")
