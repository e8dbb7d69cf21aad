"""A store whose steps read a virtual clock: the same Lua in a real server, but for the line that asks for the time."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from dkronpy.errors import StoreUnavailableError
from dkronpy.store.connection import Scripts, Store
from dkronpy.store.keys import Keys
from dkronpy.supervisor.embedded import find_server

CLOCK = "dkronpy:simulation:now"
READS_CLOCK = """\
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
"""
READS_KEY = f"""\
  return tonumber(redis.call('GET', '{CLOCK}'))
"""
PATIENCE_SECONDS = 20.0


def clocked(text: str) -> str:
    """The shared part of the steps, on the virtual clock."""
    if text.count(READS_CLOCK) != 1:
        raise AssertionError("record.lua reads the server's clock in another way than the simulation expects")
    return text.replace(READS_CLOCK, READS_KEY)


class VirtualScripts(Scripts):
    """The steps on the virtual clock, and many calls in a single round trip."""

    def __init__(self, client: Any, keys: Keys) -> None:
        super().__init__(client, keys)
        self._client = client
        for script in self._scripts.values():
            client.script_load(script.script)
        self._waiting: list[tuple[int, str, tuple[Any, ...]]] | None = None

    def shared(self, text: str) -> str:
        return clocked(text)

    @contextmanager
    def together(self) -> Iterator[list[Any]]:
        """Calls inside are sent together at its end; the list has their answers then, and each call answers nothing."""
        answers: list[Any] = []
        self._waiting = []
        try:
            yield answers
        finally:
            waiting, self._waiting = self._waiting, None
        if not waiting:
            return
        with self._client.pipeline(transaction=False) as pipe:
            for moment, step, args in waiting:
                if moment:
                    pipe.set(CLOCK, moment)
                else:
                    pipe.evalsha(self._scripts[step].sha, 1, self._prefixes[0], *self._prefixes, *args)
            sent = pipe.execute()
        answers += [answer for answer, (moment, _, _) in zip(sent, waiting, strict=True) if not moment]

    def at(self, moment_ms: int) -> None:
        """The calls that follow, of those sent together, are made at that moment."""
        if self._waiting is not None:
            self._waiting.append((moment_ms, "", ()))

    def call(self, step: str, *args: Any, client: Any = None) -> Any:
        if self._waiting is None or client is not None:
            return super().call(step, *args, client=client)
        self._waiting.append((0, step, args))
        return [b"", b"", 0]


class VirtualStore(Store):
    """A store whose time is what the simulation says."""

    scripts: VirtualScripts

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=60)
        self.scripts = VirtualScripts(self.client, self.keys)
        self._now = 0

    def now_ms(self) -> int:
        return self._now

    def set_clock(self, ms: int) -> None:
        """Make it *ms*."""
        self._now = ms
        self.client.set(CLOCK, ms)


@contextmanager
def virtual_store() -> Iterator[VirtualStore]:
    """A server of its own in memory alone, ended and forgotten afterwards. Raises ConfigError where there is none."""
    with tempfile.TemporaryDirectory(prefix="dkronpy-") as folder:
        socket = Path(folder) / "s"
        command = [
            str(find_server()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no",
            "--dir", folder, "--loglevel", "warning",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        try:
            _await(process, socket)
            store = VirtualStore(f"unix://{socket}?db=0")
            try:
                yield store
            finally:
                store.close()
        finally:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], socket: Path) -> None:
    """Wait until the server answers."""
    with redis.Redis(unix_socket_path=str(socket)) as client:
        for _ in range(int(PATIENCE_SECONDS / 0.02)):
            with suppress(redis.ConnectionError):
                if client.ping():
                    return
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
                break
    raise StoreUnavailableError("the simulation's own store did not start", hint="look closer with `dkronpy doctor`")
