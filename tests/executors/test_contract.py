"""The contract of executors over ours. One more takes a few lines: what is good, what fails, what lasts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dkronpy.executors.http import Http, HttpExecutor
from dkronpy.executors.python import Python, PythonExecutor
from dkronpy.executors.shell import Shell, ShellExecutor
from dkronpy.plugins.options import Options
from dkronpy.secret import Secret
from dkronpy.testing.contract import ExecutorContract
from tests.executors.servers import HttpServer
from tests.support import free_port


class TestShell(ExecutorContract):
    executor = ShellExecutor

    def good(self) -> Options:
        return Shell("echo good")

    def failing(self) -> Options:
        return Shell("exit 3")

    def slow(self) -> Options:
        return Shell("echo started; sleep 600")

    def with_secret(self, reference: Secret) -> Options:
        return Shell('echo "$VALUE"', env={"VALUE": reference})


class TestHttp(ExecutorContract):
    executor = HttpExecutor

    @pytest.fixture(autouse=True)
    def serve(self) -> Iterator[None]:
        with HttpServer() as self.server:
            yield

    def good(self) -> Options:
        return Http(f"{self.server.url}/echo")

    def failing(self) -> Options:
        return Http(f"http://127.0.0.1:{free_port()}/")

    def slow(self) -> Options:
        return Http(f"{self.server.url}/drip", timeout="10m")

    def with_secret(self, reference: Secret) -> Options:
        return Http(f"{self.server.url}/echo", "POST", body=reference)


class TestPython(ExecutorContract):
    executor = PythonExecutor

    def good(self) -> Options:
        return Python("math:sqrt", 2)

    def failing(self) -> Options:
        return Python("math:sqrt", -1)

    def slow(self) -> Options:
        return Python("time:sleep", 600)

    def with_secret(self, reference: Secret) -> Options:
        return Python("builtins:print", reference)
