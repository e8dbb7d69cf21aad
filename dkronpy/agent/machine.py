"""How busy this machine is, for targets that ask for it."""

from __future__ import annotations

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")


def load_for_each_cpu() -> float:
    """The load average of the last minute, divided by the number of CPUs; 0 where the system does not say."""
    try:
        return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)
    except OSError:
        return 0.0


def memory_in_use(meminfo: Path = MEMINFO) -> float:
    """The share of memory that is in use, 0 to 1; 0 where the system does not say."""
    try:
        lines = meminfo.read_text().splitlines()
        sizes = {
            name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if rest.strip()
        }
        return round(1 - sizes["MemAvailable"] / sizes["MemTotal"], 3)
    except (OSError, KeyError, ValueError, ZeroDivisionError):
        return 0.0
