"""A wall clock that a test can move for the processes it starts, without touching the machine's."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path
from typing import final

_SOURCE = Path(__file__).with_name("clock_shift.c")


@final
class ShiftedClock:
    """Processes started with ``environment`` read their wall clock moved by ``shift``. Needs a C compiler."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        assert compiler, "no C compiler on PATH; Debian's package gcc has one"
        self._library = folder / "clock_shift.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", self._library, _SOURCE], check=True)
        self._path = folder / "clock_shift"
        self._path.write_bytes(struct.pack("q", 0))

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to be started with."""
        return {"LD_PRELOAD": str(self._library), "CLOCK_SHIFT_FILE": str(self._path)}

    def shift(self, seconds: float) -> None:
        """Let their clock be so many seconds ahead of the machine's (or behind, below 0), from now on."""
        with self._path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as memory:
            memory[:] = struct.pack("q", int(seconds * 1_000_000_000))
