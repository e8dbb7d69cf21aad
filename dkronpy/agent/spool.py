"""A folder of outcomes on their way: written and fsynced before the ledger is told, so that none is lost."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from dkronpy.agent.plan import Plan
from dkronpy.execution import Output

log = logging.getLogger(__name__)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, as it goes into the ledger and the results backend."""

    execution_id: str
    token: int
    success: bool
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    began_ms: int = 0
    pause_ms: int | None = None
    result: Any = None
    output: Output = Output()
    plan: Plan | None = None
    """What processors have still to do with the output."""
    note: str = ""
    """What is to be said of the attempt besides, such as a processor that failed."""


class Spool:
    """The folder. Files are complete or not there: each is written aside, synced, and renamed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, report: Report) -> Path:
        """Write a report down for good. Raises OSError when the disk is full or gone."""
        name = hashlib.sha256(f"{report.execution_id}#{report.token}".encode()).hexdigest()[:32]
        path, aside = self.folder / f"{name}.report", self.folder / f"{name}.tmp"
        with aside.open("wb") as file:
            file.write(msgspec.msgpack.encode(report))
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        self._sync_folder()
        return path

    def remove(self, path: Path) -> None:
        """The report has arrived."""
        path.unlink(missing_ok=True)

    def waiting(self) -> Iterator[tuple[Path, Report]]:
        """Every report that has not arrived yet, oldest first. One that cannot be read is set aside."""
        for path in sorted(self.folder.glob("*.report"), key=_age):
            try:
                yield path, msgspec.msgpack.decode(path.read_bytes(), type=Report)
            except FileNotFoundError:
                continue
            except msgspec.DecodeError as error:
                log.error("report %s cannot be read and is set aside: %s", path, error)
                path.rename(path.with_suffix(".unreadable"))

    def _sync_folder(self) -> None:
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
