"""Writes the starting project of an executor: a module, its registration, its test, a page to read first."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from dkronpy.errors import ConfigError, ConflictError

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def write_executor(name: str, folder: Path) -> list[Path]:
    """Write the project of the executor *name* into *folder*, which must be new or empty; the files.

    Raises ConfigError for a name that cannot be one, ConflictError where something is in the way.
    """
    from dkronpy.plugins.registry import executor_names

    module = f"dkronpy_{name.replace('-', '_')}"
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError(
            f"{name!r} cannot be the name of an executor", hint="small letters and digits: s3, ftp-upload"
        )
    if name in executor_names():
        raise ConflictError(f"there is an executor {name!r} already", hint="give yours another name")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"{folder} is there already, and not empty", hint="name another folder with --to")
    words = {"name": name, "module": module, "Class": "".join(part.title() for part in re.split("[-_]", name))}
    written = []
    for part in sorted(files("dkronpy.cli").joinpath("new_executor").iterdir(), key=lambda part: part.name):
        target = folder / part.name.removesuffix(".tmpl").replace("module", module)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(part.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
        written.append(target)
    return written
