"""A folder of outcomes on their way: written and fsynced before the ledger is told, so that none is lost."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
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

    @property
    def key(self) -> str:
        """Which attempt it is of."""
        return f"{self.execution_id}#{self.token}"


_FILE: msgspec.msgpack.Decoder[Report | list[Report]] = msgspec.msgpack.Decoder(Report | list[Report])


class Spool:
    """The folder. Files are complete or not there: each is written aside, synced, and renamed.

    What is put down together shares a file, which goes with the last of it: syncing is what takes time. After a crash
    all of the file is reported again, which does no harm.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._left: dict[str, dict[str, Report]] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, *reports: Report) -> list[str]:
        """Write reports down for good; the file of each. Raises OSError when the disk is full or gone."""
        # What processors leave is put down again without its plan: the file that has the plan must be its own.
        shared = [report for report in reports if report.plan is None]
        name = self._write(shared) if shared else ""
        names = [name if report.plan is None else self._write([report]) for report in reports]
        self._sync_folder()
        return names

    def _write(self, reports: Sequence[Report]) -> str:
        left = {report.key: report for report in reports}
        stem = hashlib.sha256("\n".join(left).encode()).hexdigest()[:32]
        name, aside = f"{stem}.report", f"{self.folder}/{stem}.tmp"
        with open(aside, "wb", buffering=0) as file:  # noqa: PTH123 - here and below: each report passes here
            file.write(msgspec.msgpack.encode(reports if len(reports) > 1 else reports[0]))
            os.fsync(file.fileno())
        os.rename(aside, f"{self.folder}/{name}")  # noqa: PTH104
        with self._lock:
            self._left[name] = left
        return name

    def remove(self, name: str, report: Report) -> None:
        """The report has arrived."""
        with self._lock:
            left = self._left.get(name, {})
            left.pop(report.key, None)
            if left:
                return
            self._left.pop(name, None)
        with suppress(FileNotFoundError):
            os.unlink(f"{self.folder}/{name}")  # noqa: PTH108

    def waiting(self) -> Iterator[tuple[str, Report]]:
        """Every report that has not arrived yet with its file, oldest first. One that cannot be read is set aside."""
        for path in sorted(self.folder.glob("*.report"), key=_age):
            try:
                found = _FILE.decode(path.read_bytes())
            except FileNotFoundError:
                continue
            except msgspec.DecodeError as error:
                log.error("report %s cannot be read and is set aside: %s", path, error)
                path.rename(path.with_suffix(".unreadable"))
                continue
            reports = [found] if isinstance(found, Report) else found
            with self._lock:
                left = list(self._left.setdefault(path.name, {report.key: report for report in reports}).values())
            for report in left:
                yield path.name, report

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
