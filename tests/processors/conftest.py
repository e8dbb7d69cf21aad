"""What an attempt looks like to a processor, a private authority, and servers that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from dkronpy.plugins.processor import ExecutionInfo
from dkronpy.plugins.registry import options_type, plugin_class
from tests.executors.servers import Authority, HttpServer

DUE = datetime(2026, 11, 23, 2, 30, tzinfo=timezone.utc)
INFO = ExecutionInfo(
    job="backup",
    run_id="backup@2026-11-23T02:30:00.000Z",
    execution_id="backup@2026-11-23T02:30:00.000Z.0",
    attempt=2,
    node="web1",
    due=DUE,
    started=DUE + timedelta(milliseconds=120),
    finished=DUE + timedelta(seconds=9.5),
    success=False,
    reason="exit",
    message="exit status 3",
    exit_code=3,
)
SUCCESS = msgspec.structs.replace(INFO, success=True, reason="", message="", exit_code=0)
Process = Callable[..., bytes | None]


@pytest.fixture
def process() -> Process:
    """Runs the processor of that name, registered as every plugin is, with a configuration as JSON has it."""

    def run(name: str, output: bytes, config: dict[str, Any], info: ExecutionInfo = INFO) -> bytes | None:
        options = options_type(name, "processor").from_config(config)
        left: bytes | None = plugin_class("processor", name)().process(output, options, info)
        return left

    return run


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private certificate authority."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority, which signed nothing that is used here."""
    return Authority(tmp_path_factory.mktemp("other-ca"), "Other CA")


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """An HTTP server of the test's own."""
    with HttpServer() as running:
        yield running
