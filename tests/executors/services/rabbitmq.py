"""A real RabbitMQ for tests: in its own folder, on loopback, as an ordinary user, with a client to read with."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from tests.executors.services.process import ServerProcess, listening, stands_still
from tests.support import free_port, wait_until

_PROGRAMS = Path("/usr/lib/rabbitmq/bin")


class RabbitServer(ServerProcess):
    """A node that keeps its port and its data through ``kill`` and ``start``; as ``nobody`` when root starts it.

    With *tls*, a PEM file with certificate and key and one with the authority, it listens on ``tls_port``
    too, for clients with a certificate and without.
    """

    start_timeout = 60.0

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        assert _PROGRAMS.exists(), "no rabbitmq-server; ./scripts/test installs it (Debian package rabbitmq-server)"
        self._tls = tls
        self.tls_port, self._node_port, self._epmd_port = free_port(), free_port(), free_port()
        super().__init__()

    def start(self) -> None:
        if self.user():
            shutil.chown(self.folder, "nobody")
        super().start()

    def command(self) -> list[str | Path]:
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
            "disk_free_limit.absolute = 50MB",
            "num_acceptors.tcp = 2",
        ]
        if self._tls:
            pair, authority = (self._copied(path) for path in self._tls)
            lines += [
                f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
                f"ssl_options.cacertfile = {authority}",
                f"ssl_options.certfile = {pair}",
                f"ssl_options.keyfile = {pair}",
                "ssl_options.verify = verify_peer",
                "ssl_options.fail_if_no_peer_cert = false",
            ]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "enabled_plugins").write_text("[].\n")
        # The program in /usr/sbin insists on being root or rabbitmq, and on /var.
        return [_PROGRAMS / "rabbitmq-server"]

    def environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_DIST_PORT": str(self._node_port),
            # The start script leaves an epmd behind, by default on all interfaces.
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"-start_epmd false -erl_epmd_port {self._node_port} "
                "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
            ),
            "RABBITMQ_CTL_ERL_ARGS": f"-start_epmd false -erl_epmd_port {self._node_port} -dist_listen false +S 1:1",
        }

    def user(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        nobody = pwd.getpwnam("nobody")
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def ready(self) -> bool:
        if not listening(self.port):
            return False
        try:
            with self.channel():
                return True
        except pika.exceptions.AMQPError:
            return False

    def control(self, *arguments: str) -> str:
        """What ``rabbitmqctl`` says."""
        done = subprocess.run(
            [_PROGRAMS / "rabbitmqctl", *arguments],
            env={**os.environ, **self.environment()}, cwd=self.folder, capture_output=True, text=True, timeout=60,
            **self.user(),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def url(self, user: str = "guest:guest", vhost: str = "") -> str:
        """``amqp://`` with credentials."""
        return f"amqp://{user}@{self.address}/{vhost}"

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        """A channel of a client of our own."""
        connection = pika.BlockingConnection(
            pika.ConnectionParameters("127.0.0.1", self.port, socket_timeout=5, stack_timeout=5)
        )
        try:
            yield connection.channel()
        finally:
            with suppress(pika.exceptions.AMQPError):
                connection.close()

    def taken(self, queue: str) -> tuple[Any, bytes]:
        """The properties and the bytes of the next message of a queue."""
        with self.channel() as channel:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            assert method is not None, f"there is no message in {queue}"
            assert body is not None
            return properties, body

    def kill(self) -> None:
        """End the node as a crash would."""
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        super().kill()
        wait_until(lambda: not listening(self.port), description="the port is free again")

    def stop(self) -> None:
        self.kill()
        super().stop()

    def freeze(self) -> None:
        pids = self._pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: all(stands_still(pid) for pid in pids), description="all of RabbitMQ stands still")

    def thaw(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """Every process of the node, epmd too: all that have our folder as their home."""
        mark = f"HOME={self.folder}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found

    def _copied(self, path: Path) -> Path:
        """A copy that the node's user can read."""
        copy = self.folder / path.name
        shutil.copy(path, copy)
        copy.chmod(0o644)
        return copy
