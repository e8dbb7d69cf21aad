"""The contract of executors over every one of ours, on its real server; a table of it ends the test run.

One more takes a few lines: what is good, what fails, what lasts.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dkronpy.agent.launcher import Launcher
from dkronpy.executors.celery import CeleryExecutor, CeleryTask
from dkronpy.executors.docker import Docker, DockerExecutor
from dkronpy.executors.ecs import Ecs, EcsExecutor
from dkronpy.executors.gcppubsub import PubSub, PubSubExecutor
from dkronpy.executors.grpc import Grpc, GrpcExecutor
from dkronpy.executors.http import Http, HttpExecutor
from dkronpy.executors.kafka import Kafka, KafkaExecutor
from dkronpy.executors.nats import Nats, NatsExecutor
from dkronpy.executors.python import Python, PythonExecutor
from dkronpy.executors.rabbitmq import RabbitMQ, RabbitMQExecutor
from dkronpy.executors.shell import Shell, ShellExecutor
from dkronpy.plugins.executor import Executor
from dkronpy.plugins.options import Options
from dkronpy.plugins.registry import executor_names
from dkronpy.secret import Secret
from dkronpy.testing.contract import ExecutorContract, check_failure
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.contract_table import SHOWN
from tests.executors.servers import HttpServer
from tests.executors.services.dockerd import IMAGE, DockerEngine
from tests.executors.services.ecs import REGION, EcsServer
from tests.executors.services.grpc_server import GrpcServer
from tests.executors.services.kafka import KafkaServer
from tests.executors.services.nats import NatsServer
from tests.executors.services.pubsub import PROJECT, Emulator, FakePubSub, PubSubServer, emulator_jar
from tests.executors.services.rabbitmq import RabbitServer
from tests.support import StoreServer, free_port


def test_every_executor_is_under_the_contract() -> None:
    assert sorted(kind.executor.options.plugin for kind in Ours.__subclasses__()) == list(executor_names())


def test_every_case_is_shown_of_every_executor_with_a_server() -> None:
    marked: dict[str, set[str]] = {}
    for path in Path(__file__).parent.glob("test_*.py"):
        cases = re.findall(r"^@pytest\.mark\.shows\(\"(.*)\"\)$", path.read_text(), re.MULTILINE)
        marked.setdefault(path.stem.split("_")[1], set()).update(cases)
    served = {kind.executor.options.plugin for kind in Ours.__subclasses__() if "with_server" in vars(kind)}
    assert {name: cases for name, cases in marked.items() if cases} == {name: set(SHOWN) for name in served}


def nobody() -> str:
    """An address where nobody listens."""
    return f"127.0.0.1:{free_port()}"


class Ours(ExecutorContract):
    """With one server for the tests of a class, and an address that takes connections and never says a word."""

    server: ClassVar[Any] = None
    silent: ClassVar[str]
    stopped: ClassVar[timedelta] = timedelta(seconds=5)
    """How long an attempt has with its server stopped."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def serve(cls) -> Iterator[None]:
        """The server of the class."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            cls.silent = f"127.0.0.1:{listener.getsockname()[1]}"
            yield from cls.with_server()

    @classmethod
    def with_server(cls) -> Iterator[None]:
        """Start the server, if there is one."""
        yield

    def test_nothing_succeeds_once_its_server_is_stopped(self, launcher: Launcher) -> None:
        """Dkron's own tests of its executors pass with no broker at all; so may no good attempt of ours."""
        if self.server is None:
            return
        self.down()
        try:
            with ExecutorHarness(job="stopped", timeout=self.stopped, launcher=launcher) as harness:
                made = self.make()
                outcome, _ = harness.run(made, self.good())
                made.close()
        finally:
            self.up()
        check_failure(outcome)

    def down(self) -> None:
        """Stop the server of the class."""
        self.server.kill()

    def up(self) -> None:
        """Start it again, for the tests that follow."""
        self.server.start()


class TestShell(Ours):
    executor = ShellExecutor

    def good(self) -> Options:
        return Shell("echo good")

    def failing(self) -> Options:
        return Shell("exit 3")

    def slow(self) -> Options:
        return Shell("echo started; sleep 600")

    def with_secret(self, reference: Secret) -> Options:
        return Shell('echo "$VALUE"', env={"VALUE": reference})


class TestHttp(Ours):
    executor = HttpExecutor

    @classmethod
    def with_server(cls) -> Iterator[None]:
        cls.server = HttpServer().__enter__()
        yield
        cls.server.__exit__()

    def down(self) -> None:
        self.server.__exit__()

    def up(self) -> None:
        type(self).server = HttpServer().__enter__()

    def good(self) -> Options:
        return Http(f"{self.server.url}/echo")

    def failing(self) -> Options:
        return Http(f"http://{nobody()}/")

    def slow(self) -> Options:
        return Http(f"{self.server.url}/drip", timeout="10m")

    def with_secret(self, reference: Secret) -> Options:
        return Http(f"{self.server.url}/echo", "POST", body=reference)


class TestPython(Ours):
    executor = PythonExecutor
    repeats = 40

    def good(self) -> Options:
        return Python("math:sqrt", 2)

    def failing(self) -> Options:
        return Python("math:sqrt", -1)

    def slow(self) -> Options:
        return Python("time:sleep", 600)

    def with_secret(self, reference: Secret) -> Options:
        return Python("builtins:print", reference)


class TestKafka(Ours):
    executor = KafkaExecutor
    repeats = 30

    @classmethod
    def with_server(cls) -> Iterator[None]:
        with KafkaServer() as cls.server:
            cls.server.create("contract")
            yield

    def up(self) -> None:
        super().up()
        self.server.create("contract")

    def good(self) -> Options:
        return Kafka(self.server.address, "contract", "good")

    def failing(self) -> Options:
        return Kafka(self.server.address, "contract", "lost", partition=99)

    def slow(self) -> Options:
        return Kafka(self.silent, "contract", "lost", timeout="10m")

    def with_secret(self, reference: Secret) -> Options:
        return Kafka(self.server.address, "contract", reference, debug=True)


class TestNats(Ours):
    executor = NatsExecutor
    repeats = 40

    @classmethod
    def with_server(cls) -> Iterator[None]:
        with NatsServer() as cls.server:
            yield

    def good(self) -> Options:
        return Nats(self.server.url, "contract", "good")

    def failing(self) -> Options:
        return Nats(f"nats://{nobody()}", "contract", "lost")

    def slow(self) -> Options:
        return Nats(f"nats://{self.silent}", "contract", "lost", timeout="10m")

    def with_secret(self, reference: Secret) -> Options:
        return Nats(self.server.url, "contract", reference, debug=True)


class TestRabbitMQ(Ours):
    executor = RabbitMQExecutor

    @classmethod
    def with_server(cls) -> Iterator[None]:
        with RabbitServer() as cls.server:
            yield

    def good(self) -> Options:
        return RabbitMQ(self.server.url(), "contract", "good", queue_create=True)

    def failing(self) -> Options:
        return RabbitMQ(self.server.url(), "no-such-queue", "lost")

    def slow(self) -> Options:
        return RabbitMQ(f"amqp://{self.silent}/", "contract", "lost", timeout="10m")

    def with_secret(self, reference: Secret) -> Options:
        return RabbitMQ(self.server.url(), "contract", reference, queue_create=True, debug=True)


class TestGrpc(Ours):
    executor = GrpcExecutor

    @classmethod
    def with_server(cls) -> Iterator[None]:
        with GrpcServer() as cls.server:
            yield

    def good(self) -> Options:
        return Grpc(self.server.url(), json={"day": "today"})

    def failing(self) -> Options:
        return Grpc(self.server.url(), json={"day": "doom", "status": 5})

    def slow(self) -> Options:
        return Grpc(self.server.url(), json={"day": "never"}, timeout="10m")

    def with_secret(self, reference: Secret) -> Options:
        return Grpc(self.server.url(), json={"day": reference})


class TestPubSub(Ours):
    executor = PubSubExecutor

    @classmethod
    def with_server(cls) -> Iterator[None]:
        kind: type[PubSubServer] = Emulator if emulator_jar() else FakePubSub
        with kind() as cls.server:
            cls.server.create("contract")
            yield

    def up(self) -> None:
        super().up()
        self.server.create("contract")

    def good(self) -> Options:
        return PubSub(PROJECT, "contract", text="good", emulator=self.server.address)

    def failing(self) -> Options:
        return PubSub(PROJECT, "no-such-topic", text="lost", emulator=self.server.address)

    def slow(self) -> Options:
        return PubSub(PROJECT, "contract", text="lost", emulator=self.silent, timeout="10m")

    def with_secret(self, reference: Secret) -> Options:
        return PubSub(PROJECT, "contract", text=reference, emulator=self.server.address)


class TestDocker(Ours):
    executor = DockerExecutor
    repeats = 5

    @classmethod
    def with_server(cls) -> Iterator[None]:
        with DockerEngine() as cls.server:
            yield

    def good(self) -> Options:
        return self._script("echo good")

    def failing(self) -> Options:
        return self._script("exit 3")

    def slow(self) -> Options:
        return self._script("echo started; sleep 600")

    def with_secret(self, reference: Secret) -> Options:
        return self._script('echo "$VALUE"', env={"VALUE": reference})

    def _script(self, script: str, **options: Any) -> Docker:
        return Docker(IMAGE, ["/bin/sh", "-c", script], host=self.server.host, grace="0s", **options)


class TestEcs(Ours):
    executor = EcsExecutor
    repeats = 5

    def make(self) -> Executor[Any]:
        return EcsExecutor(timedelta(seconds=0.05), timedelta(seconds=0.1), timedelta(seconds=5))

    @classmethod
    def with_server(cls) -> Iterator[None]:
        with EcsServer() as cls.server:
            cls.register()
            yield

    @classmethod
    def register(cls) -> None:
        """The definitions of the tasks."""
        scripts = {"good": "echo good", "failing": "exit 3", "slow": "sleep 600", "secret": 'echo "$VALUE"'}
        for family, script in scripts.items():
            cls.server.register(script, family=family)

    def up(self) -> None:
        super().up()
        self.register()

    def good(self) -> Options:
        return self._task("good")

    def failing(self) -> Options:
        return self._task("failing")

    def slow(self) -> Options:
        return self._task("slow")

    def with_secret(self, reference: Secret) -> Options:
        return self._task("secret", env={"VALUE": reference})

    def _task(self, family: str, **options: Any) -> Ecs:
        return Ecs(family, cluster="jobs", region=REGION, endpoint=self.server.url, **self.server.keys(), **options)


class TestCelery(Ours):
    executor = CeleryExecutor

    @classmethod
    def with_server(cls) -> Iterator[None]:
        with StoreServer() as cls.server:
            yield

    def good(self) -> Options:
        return CeleryTask(self.server.url, "shop.close", ["today"])

    def failing(self) -> Options:
        return CeleryTask(f"redis://{nobody()}/0", "shop.close", ["today"])

    def slow(self) -> Options:
        url = self.server.url
        return CeleryTask(url, "shop.close", ["today"], queue="idle", wait=True, result_backend=url, timeout="10m")

    def with_secret(self, reference: Secret) -> Options:
        return CeleryTask(self.server.url, "shop.close", kwargs={"word": reference})
