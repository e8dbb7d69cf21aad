"""Writes the output of each attempt to a file of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar

from dkronpy.plugins.options import doc
from dkronpy.plugins.processor import ExecutionInfo, Processor, ProcessorError, ProcessorOptions

DEFAULT = "/var/log/dkron"
MODE = 0o644


class Files(ProcessorOptions, frozen=True, kw_only=True):
    """A folder of logs: ``Files(log_dir="/srv/joblogs")``."""

    plugin: ClassVar[str] = "files"

    log_dir: Annotated[str, doc("The folder on the node. Only the default one is made where it is missing.")] = DEFAULT


class FilesProcessor(Processor[Files]):
    """Writes the output of each attempt to ``<folder>/<execution id>.<attempt>.log``."""

    options = Files

    def process(self, output: bytes, options: Files, info: ExecutionInfo) -> bytes | None:
        """Write the file aside and rename it, so that whoever reads the folder finds whole files only."""
        path = Path(options.log_dir) / f"{info.id.replace('/', '_')}.log"
        aside = path.with_name(f".{path.name}.part")
        try:
            if options.log_dir == DEFAULT:
                path.parent.mkdir(parents=True, exist_ok=True)
            with open(aside, "wb", opener=_opener) as file:
                file.write(output)
            aside.rename(path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise ProcessorError(f"cannot write {path}: {error.strerror}") from None
        return options.instead(str(path))


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, MODE)
