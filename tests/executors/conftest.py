"""A helper process that the tests of a run share, a harness for each test, and the table of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from dkronpy.agent.launcher import Launcher
from dkronpy.executors.http import Http, HttpExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.contract_table import SHOWN, note_case, write_table
from tests.executors.servers import Authority, HttpServer

MakeHarness = Callable[..., ExecutorHarness]
Send = Callable[[Http], tuple[Outcome, bytes]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"shows(case): on a real server this test shows one of {', '.join(SHOWN)}")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests of the contract, and those that show a case, bear it and the executor, which their reports take along."""
    note_case(item)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Every executor beside every case, if any was run."""
    write_table(terminalreporter)


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


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """An HTTP server of the test's own."""
    with HttpServer() as running:
        yield running


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private certificate authority."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def ping() -> ExecutorHarness:
    """A harness for the job ``ping`` that knows two secrets."""
    secrets = {"crm/token": "s3cr3t-value", "crm/password": "pä:ss"}
    return ExecutorHarness(job="ping", token=7, secrets=secrets)


@pytest.fixture
def executor() -> Iterator[HttpExecutor]:
    """An executor with connections of its own."""
    running = HttpExecutor()
    yield running
    running.close()


@pytest.fixture
def send(ping: ExecutorHarness, executor: HttpExecutor) -> Send:
    """Runs an attempt of the job ``ping``."""
    return lambda options: ping.run(executor, options)
