"""A folder of outcomes on their way: written and fsynced before the ledger is told, so that none is lost."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from dkronpy.agent.plan import Plan
from dkronpy.execution import Output
from dkronpy.results.backend import storable

log = logging.getLogger(__name__)


_INTEGERS = range(-(2**63), 2**64)
"""Those that a file of the spool can hold."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, as it goes into the ledger and the results backend.

    What its work or a plugin said and no store can keep is replaced: bytes of no text by U+FFFD, and in the result
    what has no form in JSON by text.
    """

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

    def __post_init__(self) -> None:
        for name in ("reason", "message"):
            said = getattr(self, name)
            if (kept := storable(said)) is not said:
                msgspec.structs.force_setattr(self, name, kept)
        if self.result is not None:
            msgspec.structs.force_setattr(self, "result", _plain_result(self.result))

    @property
    def key(self) -> str:
        """Which attempt it is of."""
        return f"{self.execution_id}#{self.token}"


def _plain_result(value: Any) -> Any:
    try:
        return _plain(value)
    except Exception as error:  # noqa: BLE001 - a plugin's value may do anything when it is looked at
        return f"a result that cannot be kept ({type(value).__name__}: {type(error).__name__})"


def _plain(value: Any) -> Any:
    """*value* as JSON and a file of the spool can have it: what they cannot becomes text."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return int(value) if value in _INTEGERS else str(int(value))
    if isinstance(value, str):
        return storable(str.__str__(value))  # an enumeration's own __str__ says something else
    if isinstance(value, dict):
        return {storable(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return storable(str(value))


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
        content = msgspec.msgpack.encode(reports if len(reports) > 1 else reports[0])
        try:
            with open(aside, "wb", buffering=0) as file:  # noqa: PTH123 - here and below: each report passes here
                while content:  # a disk that has room for a part takes that
                    content = content[file.write(content) :]
                os.fsync(file.fileno())
            os.rename(aside, f"{self.folder}/{name}")  # noqa: PTH104
        except OSError:
            with suppress(OSError):  # a disk that is full needs the room
                os.unlink(aside)  # noqa: PTH108
            raise
        with self._lock:
            self._left[name] = left
        return name

    def replace(self, name: str, report: Report) -> None:
        """Write *report* down anew, in the place of all that its file has.

        Where that raises OSError, it is still what waits from now on, but for the next life of this agent.
        """
        with self._lock:
            self._left[name] = {report.key: report}
        self.put(report)

    def remove(self, name: str, report: Report) -> None:
        """The report has arrived. Raises OSError where its file cannot go; ``waiting`` tries that again."""
        with self._lock:
            left = self._left.setdefault(name, {})
            left.pop(report.key, None)
            if left:
                return
        self._unlink(name)

    def _unlink(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(f"{self.folder}/{name}")  # noqa: PTH108
        with self._lock:
            self._left.pop(name, None)

    def waiting(self, failed: Callable[[OSError], object] | None = None) -> Iterator[tuple[str, Report]]:
        """Every report that has not arrived yet with its file, oldest first. One that cannot be read is set aside.

        A file that the system does not let us read or move keeps none behind it from its turn: *failed* is told.
        """
        for path in sorted(self.folder.glob("*.report"), key=_age):
            try:
                reports = self._left_of(path)
                if not reports:
                    self._unlink(path.name)
            except FileNotFoundError:
                continue
            except OSError as error:
                log.warning("%s in the spool is tried again later: %s", path.name, error)
                if failed is not None:
                    failed(error)
                continue
            for report in reports:
                yield path.name, report

    def _left_of(self, path: Path) -> list[Report]:
        """What has not arrived of a file."""
        with self._lock:
            if path.name in self._left:
                return list(self._left[path.name].values())
        try:
            found = _FILE.decode(path.read_bytes())
        except msgspec.DecodeError as error:
            log.error("report %s cannot be read and is set aside: %s", path, error)
            path.rename(path.with_suffix(".unreadable"))
            return []
        reports = [found] if isinstance(found, Report) else found
        with self._lock:
            return list(self._left.setdefault(path.name, {report.key: report for report in reports}).values())

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
