"""Writes a backup: everything that a deployment would have to be told again, and the history that it keeps."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from dkronpy.backup.lines import (
    FORMAT,
    BackedCalendar,
    BackedJob,
    BackedPause,
    BackedPool,
    BackedRun,
    End,
    Header,
    Line,
    Report,
    Summary,
    no_report,
    summary_of,
)
from dkronpy.client import Client
from dkronpy.execution import Execution, Run
from dkronpy.job.json import encode_definition
from dkronpy.store.counts import Counts, read_counts, read_last_due
from dkronpy.store.jobs import StoredJob
from dkronpy.version import VERSION

EVERY = 10_000_000
_encode = msgspec.json.Encoder().encode


def encoded(line: Line) -> bytes:
    """One line of a file, unpacked."""
    return _encode(line) + b"\n"


def write_backup(client: Client, path: Path, *, history: bool = True, report: Report = no_report) -> Summary:
    """Write everything to *path*; see ``write_lines``."""
    return write_lines(map(encoded, lines_of(client, history=history, report=report)), path)


def write_lines(lines: Iterable[bytes], path: Path) -> Summary:
    """Write *lines* to *path*: aside first, then renamed, readable for its owner only.

    Raises OSError, and BackupError where the end of them is missing.
    """
    aside = path.with_name(path.name + ".part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
                for line in lines:
                    packed.write(line)
            file.flush()
            os.fsync(file.fileno())
        summary = summary_of(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return summary


def lines_of(client: Client, *, history: bool = True, report: Report = no_report) -> Iterator[Line]:
    """Everything that a backup holds, in order."""
    now_ms = client.status().now_ms
    yield Header(format=FORMAT, version=VERSION, made_ms=now_ms)
    for pool in client.pools.all():
        yield BackedPool(name=pool.name, slots=pool.slots)
    for calendar in client.calendars.all():
        yield BackedCalendar(calendar=calendar)
    for pause in client.maintenance.pauses():
        yield BackedPause(pause=pause)
    views = client.jobs()
    with client.deployment.store.errors():
        names = [view.job.name for view in views]
        counts = read_counts(client.deployment.store, names)
        last_due = read_last_due(client.deployment.store, names)
    for view in views:
        yield _backed(view.stored, counts[view.job.name], last_due[view.job.name])
    report(len(views), 0)
    runs = 0
    for view in views if history else ():
        for run in reversed(client.deployment.results.runs(job=view.job.name, limit=EVERY)):
            yield BackedRun(run=run, executions=tuple(_executions(client, run)))
            runs += 1
        report(len(views), runs)
    yield End(jobs=len(views), runs=runs)


def _backed(stored: StoredJob, counts: Counts, last_due_ms: int) -> BackedJob:
    return BackedJob(
        definition=msgspec.Raw(encode_definition(stored.job)), source=stored.source, anchor_ms=stored.anchor_ms,
        counts=counts, last_due_ms=last_due_ms,
    )  # fmt: skip


def _executions(client: Client, run: Run) -> Iterator[Execution]:
    results = client.deployment.results
    for listed in results.executions(run.id):
        whole = results.execution(listed.id)
        if whole is not None:
            yield whole
