"""The file of a backup: gzip over JSON, an object a line, so that any tool can look into it.

A header; pools, calendars and pauses; the jobs; the runs with their executions and output; and a last line that says
how many there were. A file without that line was cut short, and nothing of it is restored.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from dkronpy.errors import ConfigError
from dkronpy.execution import Execution, Run
from dkronpy.pause import Pause
from dkronpy.schedule.calendar import Calendar
from dkronpy.store.counts import Counts

FORMAT = 2
_READ = (1, FORMAT)
"""The first one had no pools, calendars and pauses."""


class BackupError(ConfigError):
    """A file that is no backup, or not a whole one."""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="dkronpy-backup", tag_field="what"):
    """The first line: which format, made by which version, when."""

    format: int
    version: str
    made_ms: int


class BackedPool(msgspec.Struct, frozen=True, kw_only=True, tag="pool", tag_field="what"):
    """A pool and its slots."""

    name: str
    slots: int


class BackedCalendar(msgspec.Struct, frozen=True, kw_only=True, tag="calendar", tag_field="what"):
    """A calendar that jobs share."""

    calendar: Calendar


class BackedPause(msgspec.Struct, frozen=True, kw_only=True, tag="pause", tag_field="what"):
    """A pause that has not ended."""

    pause: Pause


class BackedJob(msgspec.Struct, frozen=True, kw_only=True, tag="job", tag_field="what"):
    """A definition as the store keeps it, with what has to be known besides to go on with it."""

    definition: msgspec.Raw
    source: str
    anchor_ms: int
    counts: Counts
    last_due_ms: int = 0
    """The last due time that was dispatched; 0 for none, or where an earlier version wrote the file."""


class BackedRun(msgspec.Struct, frozen=True, kw_only=True, tag="run", tag_field="what"):
    """A finished run with its executions, their attempts and output."""

    run: Run
    executions: tuple[Execution, ...]


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end", tag_field="what"):
    """The last line: how much there was."""

    jobs: int
    runs: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, or restored. ``kept`` names the jobs that differed and stayed as they are."""

    jobs: int
    runs: int
    made_ms: int
    pools: int = 0
    calendars: int = 0
    pauses: int = 0
    kept: tuple[str, ...] = ()


Line = Header | BackedPool | BackedCalendar | BackedPause | BackedJob | BackedRun | End
Report = Callable[[int, int], None]
"""Is told how many jobs and runs there are so far."""
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def no_report(jobs: int, runs: int) -> None:
    """Tell nobody."""


def read_backup(path: Path) -> Iterator[Line]:
    """The lines of a file, checked: its format, every line, and that it is all there. Raises BackupError, OSError."""
    jobs = runs = 0
    ended = False
    with path.open("rb") as file, gzip.GzipFile(fileobj=file) as packed:
        for number, line in enumerate(_unpacked(packed, path), start=1):
            found = _line(line, path, number)
            if ended or isinstance(found, Header) != (number == 1):
                raise BackupError(f"{path}: line {number} does not belong there: {type(found).__name__}")
            if isinstance(found, Header) and found.format not in _READ:
                raise BackupError(f"{path}: its format is {found.format}, made by {found.version}; this reads {FORMAT}")
            jobs += isinstance(found, BackedJob)
            runs += isinstance(found, BackedRun)
            if isinstance(found, End):
                ended = True
                if (found.jobs, found.runs) != (jobs, runs):
                    raise BackupError(f"{path}: it should hold {found.jobs} jobs and {found.runs} runs; {jobs}, {runs}")
            yield found
    if not ended:
        raise BackupError(f"{path}: it ends after {jobs} jobs and {runs} runs, and is not complete")


def _unpacked(packed: gzip.GzipFile, path: Path) -> Iterator[bytes]:
    try:
        yield from packed
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupError(f"{path}: it is no backup, or was cut short: {error}") from None


def _line(line: bytes, path: Path, number: int) -> Line:
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise BackupError(f"{path}: line {number}: {error}") from None


def summary_of(path: Path) -> Summary:
    """What is in a file; reads all of it, so that a whole file is known to be whole."""
    counted: Counter[type] = Counter()
    made_ms = 0
    for line in read_backup(path):
        counted[type(line)] += 1
        if isinstance(line, Header):
            made_ms = line.made_ms
    return Summary(
        jobs=counted[BackedJob], runs=counted[BackedRun], made_ms=made_ms, pools=counted[BackedPool],
        calendars=counted[BackedCalendar], pauses=counted[BackedPause],
    )  # fmt: skip
