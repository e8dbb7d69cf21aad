"""A real PostgreSQL for tests: in its own folder, on a unix socket and a loopback port, as an ordinary user."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, final

import psycopg

from tests.support import free_port, wait_until

_USER, _PASSWORD = "dkronpy", "s3cret-of-postgres"


def postgres_binary(name: str) -> Path:
    """``initdb`` or ``postgres``, from PATH or from where Debian puts it (the newest version).

    A machine without it fails the test: run ``scripts/test``, which installs it.
    """
    found = shutil.which(name)
    if found:
        return Path(found)
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    if not versions:
        raise AssertionError(
            f"no {name} on PATH or in /usr/lib/postgresql/*/bin; ./scripts/test installs it (Debian package postgresql)"
        )
    return versions[-1]


@final
class PostgresServer:
    """A PostgreSQL that keeps port and data through ``terminate``/``kill`` and ``start``. A context manager.

    PostgreSQL refuses to run as root; root starts it as ``postgres`` or else as ``nobody``.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.port = 0
        self.password = _PASSWORD
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user = _ordinary_user()
        try:
            if self._as_user:
                shutil.chown(self.folder, self._as_user["user"], self._as_user["group"])
            self._create_cluster()
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def __enter__(self) -> PostgresServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What the server has said so far."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def url(self, database: str = "postgres", *, driver: str = "postgresql+psycopg") -> str:
        """A URL by loopback port, with the password in it."""
        return f"{driver}://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection in autocommit mode that the caller closes."""
        return psycopg.connect(
            host=str(self.folder),
            port=self.port,
            dbname=database,
            user=_USER,
            password=self.password,
            autocommit=True,
            connect_timeout=15,
        )

    def new_database(self) -> str:
        """Create an empty database and return its name. Its texts do not sort by their bytes (if it can ICU)."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            icu = "LOCALE_PROVIDER icu ICU_LOCALE 'und'" if connection.info.server_version >= 150_000 else ""
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 {icu}")
        return name

    def start(self) -> None:
        """Start the stopped or killed server and wait until it answers; nothing if it is running."""
        if self._process is not None:
            return
        attempts = 1 if self.port else 5  # another process may take a free port before the server does
        for _ in range(attempts):
            port = self.port or free_port()
            if self._launch(port):
                return
        raise AssertionError(f"PostgreSQL did not start:\n{self.log}")

    def terminate(self) -> None:
        """End the server in good order, sessions included; its data stay for ``start``."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server without order (its own SIGQUIT, which ends its children too); it recovers at ``start``."""
        self._end(signal.SIGQUIT)

    def freeze(self) -> None:
        """Let all of it stand still: it takes connections, and answers nothing until ``thaw``."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def stop(self) -> None:
        """End the server and remove its data."""
        self.terminate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal_all(self, number: int) -> None:
        """Send a signal to the server and to those that it has started, one for each session."""
        assert self._process is not None
        pid = self._process.pid
        for one in (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())):
            os.kill(one, number)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _create_cluster(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o644)  # the folder is closed to everybody else
        done = subprocess.run(
            [
                postgres_binary("initdb"), "--pgdata", self.folder / "data", "--username", _USER, "--no-sync",
                "--auth", "scram-sha-256", "--pwfile", password_file, "--encoding", "UTF8", "--no-locale",
            ],
            capture_output=True, cwd=self.folder, **self._as_user,
        )  # fmt: skip
        assert done.returncode == 0, f"initdb failed:\n{done.stdout.decode()}{done.stderr.decode()}"

    def _launch(self, port: int) -> bool:
        """Start the process on ``port``; True once it answers, False if it ended."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "max_connections": "60",
        }
        settings = [text for name, value in options.items() for text in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [postgres_binary("postgres"), "-D", self.folder / "data", *settings],
                stdout=log, stderr=log, cwd=self.folder, **self._as_user,
            )  # fmt: skip
        fixed, self.port, self._process = self.port, port, process
        try:
            wait_until(
                lambda: process.poll() is not None or self._answers(), timeout=30, description="PostgreSQL answers"
            )
        except BaseException:
            self.kill()
            raise
        if process.poll() is None:
            return True
        self.port, self._process = fixed, None
        return False

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _ordinary_user() -> dict[str, Any]:
    """What to give ``subprocess`` so that it does not run as root; nothing for everybody else."""
    if os.geteuid() != 0:
        return {}
    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
