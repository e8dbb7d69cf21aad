"""A store whose steps read a virtual clock: the same Lua in a real server, but for the line that asks for the time."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import files
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
    """The steps on the virtual clock, and many calls of one in a single round trip."""

    def __init__(self, client: Any, keys: Keys) -> None:
        folder = files("dkronpy.store.lua")
        prelude = clocked((folder / "record.lua").read_text())
        self._client = client
        self._prefixes = (keys.prefix, keys.redbeat)
        self._scripts = {
            path.name[:-4]: client.register_script(prelude + path.read_text())
            for path in folder.iterdir()
            if path.name.endswith(".lua") and path.name != "record.lua"
        }

    def many(self, step: str, calls: Sequence[Sequence[Any]], at: Sequence[int] = ()) -> list[Any]:
        """The answers of one step to several calls in one round trip; each *at* its own moment, or all now."""
        if not calls:
            return []
        with self._client.pipeline(transaction=False) as pipe:
            for number, args in enumerate(calls):
                if at:
                    pipe.set(CLOCK, at[number])
                self._scripts[step](keys=self._prefixes[:1], args=(*self._prefixes, *args), client=pipe)
            answers = list(pipe.execute())
        return answers[1::2] if at else answers


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
