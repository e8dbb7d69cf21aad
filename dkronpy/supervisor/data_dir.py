"""The folder that one `up` owns: its lock, the address of its store, and where the store's socket can be."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from dkronpy.errors import ConfigError, ConflictError

LOCK_FILE = "up.lock"
URL_FILE = "store.url"
SOCKET_FILE = "store.sock"
LONGEST_SOCKET_PATH = 100
"""Bytes. The kernel takes 107; the rest is left to names that a server may add for a moment."""
_SHORT_PREFIX = "dkronpy-"


def read_store_url(data_dir: str | Path) -> str:
    """The URL of the store that an `up` on *data_dir* started; empty where none has."""
    try:
        return (Path(data_dir) / URL_FILE).read_text("utf-8").strip()
    except OSError:
        return ""


class DataDir:
    """The folder, locked by this process for as long as ``close`` was not called.

    Raises ConflictError, naming the process, when another `up` holds it, and ConfigError when it cannot be used.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().resolve()
        self._short: Path | None = None
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"data_dir: cannot use {self.path}: {error.strerror}", hint="name a folder of yours with --data-dir"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._lock, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            raise ConflictError(
                f"another `dkronpy up` (pid {holder}) holds {self.path}",
                hint=f"stop it with `kill {holder}`, or give this one a folder of its own with --data-dir",
            ) from None
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        self._remove_short_folder()

    @property
    def url_file(self) -> Path:
        """Where programs on this machine find the store's URL."""
        return self.path / URL_FILE

    def private_folder(self, name: str) -> Path:
        """A folder in it that nobody else may enter."""
        folder = self.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        return folder

    def socket_path(self) -> Path:
        """Where the socket goes: here, or in a short folder of its own where this path is too long for a socket."""
        usual = self.path / SOCKET_FILE
        if len(os.fsencode(usual)) <= LONGEST_SOCKET_PATH:
            return usual
        for place in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes a folder that only we may enter
            short = Path(tempfile.mkdtemp(prefix=_SHORT_PREFIX, dir=place))
            if len(os.fsencode(short / SOCKET_FILE)) <= LONGEST_SOCKET_PATH:
                self._short = short
                return short / SOCKET_FILE
            short.rmdir()
        raise ConfigError(f"data_dir: {usual} is too long for a socket, and so is the folder for temporary files")

    def write_url(self, url: str) -> None:
        """Tell programs on this machine, those of this user, where the store is."""
        fresh = self.url_file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(url + "\n")
        fresh.replace(self.url_file)

    def close(self) -> None:
        """Withdraw the URL and let the folder go; what is stored stays."""
        self._remove_short_folder()
        self.url_file.unlink(missing_ok=True)
        os.close(self._lock)

    def _remove_short_folder(self) -> None:
        """Remove the short folder of this `up`, or the one that a killed `up` left behind."""
        left = self._short or socket_of(read_store_url(self.path)).parent
        if self._short or (left.name.startswith(_SHORT_PREFIX) and left.is_dir() and left.stat().st_uid == os.getuid()):
            shutil.rmtree(left, ignore_errors=True)
        self._short = None


def socket_url(path: Path) -> str:
    """The ``unix://`` URL of a socket."""
    return f"unix://{quote(str(path))}?db=0"


def socket_of(url: str) -> Path:
    """The socket of a ``unix://`` URL; an empty path for anything else."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "unix" else Path()
