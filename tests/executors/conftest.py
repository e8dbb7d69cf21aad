"""A helper process that the tests of a run share, and a harness for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from dkronpy.agent.launcher import Launcher
from dkronpy.testing.harness import ExecutorHarness

MakeHarness = Callable[..., ExecutorHarness]


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """A launcher whose helper is warm."""
    running = Launcher()
    running.start()
    yield running
    running.stop(timedelta(0))


@pytest.fixture
def make_harness(launcher: Launcher) -> MakeHarness:
    """Makes harnesses that share the launcher; arguments as ExecutorHarness's."""

    def make(**settings: Any) -> ExecutorHarness:
        return ExecutorHarness(launcher=launcher, **settings)

    return make


@pytest.fixture
def harness(make_harness: MakeHarness) -> ExecutorHarness:
    """A harness for the job ``report`` that knows one secret."""
    return make_harness(job="report", token=7, secrets={"bi/db-url": "postgres://s3cr3t"})
