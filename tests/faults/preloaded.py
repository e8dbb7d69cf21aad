"""What one process believes of its machine, changed by a library loaded before it; the machine is left alone."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path
from typing import final

_HERE = Path(__file__).parent


class Preloaded:
    """Processes that are started with ``environment`` look at a number in a file. Needs a C compiler."""

    source: str
    variable: str

    def __init__(self, folder: Path, name: str = "") -> None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        assert compiler, "no C compiler on PATH; Debian's package gcc has one"
        stem = f"{Path(self.source).stem}{name}"
        self.library, self._path = folder / f"{stem}.so", folder / stem
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", self.library, _HERE / self.source], check=True)
        self._path.write_bytes(struct.pack("q", 0))

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to be started with."""
        return {"LD_PRELOAD": str(self.library), self.variable: str(self._path)}

    def _tell(self, number: int) -> None:
        with self._path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as memory:
            memory[:] = struct.pack("q", number)


@final
class ShiftedClock(Preloaded):
    """A wall clock that is moved by ``shift``; the monotonic one stays."""

    source = "clock_shift.c"
    variable = "CLOCK_SHIFT_FILE"

    def shift(self, seconds: float) -> None:
        """Let their clock be so many seconds ahead of the machine's (or behind, below 0), from now on."""
        self._tell(int(seconds * 1_000_000_000))


@final
class SlowDisk(Preloaded):
    """A disk on which every sync takes as much longer as ``slow`` says."""

    source = "slow_disk.c"
    variable = "SLOW_DISK_FILE"

    def slow(self, seconds: float) -> None:
        """Let every sync take so much longer, from now on."""
        self._tell(int(seconds * 1000))


def together(*libraries: Preloaded) -> dict[str, str]:
    """The environment of a process that several of them are loaded into."""
    environment: dict[str, str] = {}
    for library in libraries:
        environment.update(library.environment)
    return {**environment, "LD_PRELOAD": ":".join(str(library.library) for library in libraries)}
