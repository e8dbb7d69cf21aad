"""The files of the repository, as git has them; what the tests of the project itself look at."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

from tests.support import ROOT

PACKAGES = ("dkronpy", "executors", "tasks")
"""The top-level folders that are installed."""


def git(*arguments: str) -> str:
    """The output of a git command on this checkout, whoever owns its files."""
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@cache
def tracked_modes() -> dict[str, str]:
    """Path → git's mode (100644, 100755 for executable, 120000 for a symlink) of every tracked file that exists."""
    modes = {}
    for record in git("ls-files", "--stage", "-z").split("\0")[:-1]:
        mode_and_hash, path = record.split("\t", 1)
        if (ROOT / path).is_symlink() or (ROOT / path).exists():
            modes[path] = mode_and_hash.split()[0]
    return modes


def tracked(*suffixes: str, under: tuple[str, ...] = ()) -> list[Path]:
    """Tracked regular files by suffix and by top-level folder, relative to the checkout, sorted."""
    return [
        Path(path)
        for path, mode in sorted(tracked_modes().items())
        if mode != "120000" and path.endswith(suffixes or "") and (not under or Path(path).parts[0] in under)
    ]


@cache
def syntax(path: Path) -> ast.Module:
    """The syntax tree of a tracked Python file."""
    return ast.parse((ROOT / path).read_text(), str(path))
