"""What this process holds, for tests that look for leaks."""

from __future__ import annotations

from pathlib import Path


def resources() -> tuple[int, int]:
    """How many threads and how many descriptors this process has."""
    return len(list(Path("/proc/self/task").iterdir())), len(list(Path("/proc/self/fd").iterdir()))


def no_more_than(before: tuple[int, int]) -> bool:
    """Whether there are now no more threads than before, and no more descriptors."""
    return all(now <= then for now, then in zip(resources(), before, strict=True))
