"""A store whose steps read a virtual clock: the same Lua in a real server, but for the line that asks for the time."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import redis

from dkronpy.errors import StoreUnavailableError
from dkronpy.store.connection import SHARED, Scripts, Store
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
READS_VARIABLE = """\
  return clock
"""
MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=60000:glibc.malloc.mxfast=0"
    ":glibc.malloc.trim_threshold=1000000000:glibc.malloc.top_pad=16000000"
}
"""As the embedded store's, and more: a server that lives for seconds need give nothing back to the system."""
PATIENCE_SECONDS = 20.0
TOGETHER = ("claim", "finish")
"""The steps that agents take, of which many are sent as one."""
CALLS = f"""\
local answers = {{}}
clock = tonumber(redis.call('GET', '{CLOCK}'))
for i, call in ipairs(cmsgpack.unpack(ARGV[3])) do
  if call[1] > 0 then clock = call[1] end
  local answer = steps[call[2]](call[3])[1]
  if answer.err then error(answer.err) end
  answers[i] = {{ answer[1], answer[2] }}
end
redis.call('SET', '{CLOCK}', ARGV[4])
local function first(key) return redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] or false end
return {{ answers, first(R .. ':schedule'), first(P .. 'open') }}
"""
_pack = msgspec.msgpack.Encoder().encode


def clocked(text: str, reads: str = READS_KEY) -> str:
    """The shared part of the steps, on the virtual clock."""
    if text.count(READS_CLOCK) != 1:
        raise AssertionError("record.lua reads the server's clock in another way than the simulation expects")
    return text.replace(READS_CLOCK, reads)


class Calls:
    """Steps that are sent as one; then ``answers`` has the first two parts of what each answered.

    ``due`` and ``look`` are the first scores of the schedule and of what is open, afterwards; None where that is empty.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[int, str, list[str]]] = []
        self.answers: list[list[Any]] = []
        self.due: float | None = None
        self.look: float | None = None
        self._moment = 0

    def at(self, moment_ms: int) -> None:
        """What follows happens at that moment."""
        self._moment = moment_ms

    def add(self, step: str, args: Iterable[Any]) -> None:
        """One more."""
        self.waiting.append((self._moment, step, [arg if type(arg) is str else str(arg) for arg in args]))


class VirtualScripts(Scripts):
    """The steps on the virtual clock, and many of them in a single call."""

    def __init__(self, client: Any, keys: Keys) -> None:
        super().__init__(client, keys)
        folder, prelude = files("dkronpy.store.lua"), ""
        for name in SHARED:
            prelude += (folder / f"{name}.lua").read_text()
        steps = [f"{name} = function(ARGV)\n{(folder / f'{name}.lua').read_text()}end,\n" for name in TOGETHER]
        self._together = client.register_script(
            "local clock\n" + clocked(prelude, READS_VARIABLE) + "local steps = {\n" + "".join(steps) + "}\n" + CALLS
        )
        self._calls: Calls | None = None

    def shared(self, text: str) -> str:
        return clocked(text)

    @contextmanager
    def together(self, now_ms: int) -> Iterator[Calls]:
        """Calls inside are sent as one at its end, and each answers nothing; the clock stands at *now_ms* then."""
        calls = self._calls = Calls()
        try:
            yield calls
        finally:
            self._calls = None
        args = (*self._prefixes, _pack(calls.waiting), now_ms)
        calls.answers, due, look = self._together(keys=self._prefixes[:1], args=args)
        calls.due = None if due is None else float(due)
        calls.look = None if look is None else float(look)

    def call(self, step: str, *args: Any, client: Any = None) -> Any:
        if self._calls is None or client is not None:
            return super().call(step, *args, client=client)
        self._calls.add(step, (*self._prefixes, *args))
        return [[b"", b"", 0]]


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
    def together(self, now_ms: int) -> Iterator[Calls]:
        """Steps that are sent as one; it is *now_ms* then."""
        with self.scripts.together(now_ms) as calls:
            yield calls
        self._now = now_ms


@contextmanager
def virtual_store() -> Iterator[VirtualStore]:
    """A server of its own in memory alone, ended and forgotten afterwards. Raises ConfigError where there is none."""
    with tempfile.TemporaryDirectory(prefix="dkronpy-") as folder:
        socket = Path(folder) / "s"
        command = [
            str(find_server()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no",
            "--dir", folder, "--loglevel", "warning",
        ]  # fmt: skip
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, env={**os.environ, **MEMORY}
        )
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
