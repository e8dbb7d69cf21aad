"""A deployment in one file: definitions with their counters, and the history that the results backend keeps.

The file is gzip over JSON, an object a line, so that any tool can look into it: a header, the jobs, the runs with their
executions and output, and a last line that says how many there were. A file without that line was cut short, and
nothing of it is restored.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from dkronpy.client import Client
from dkronpy.errors import ConfigError, ConflictError
from dkronpy.execution import Execution, Run
from dkronpy.job import Job
from dkronpy.job.json import decode_definition, encode_definition
from dkronpy.store.counts import Counts, prepare, read_counts
from dkronpy.store.jobs import StoredJob
from dkronpy.version import VERSION

FORMAT = 1
EVERY = 10_000_000
Differing = Literal["refuse", "keep", "replace"]
"""What is done with a job that exists already and differs."""


class BackupError(ConfigError):
    """A file that is no backup, or not a whole one."""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="dkronpy-backup", tag_field="what"):
    """The first line: which format, made by which version, when."""

    format: int
    version: str
    made_ms: int


class BackedJob(msgspec.Struct, frozen=True, kw_only=True, tag="job", tag_field="what"):
    """A definition as the store keeps it, with what has to be known besides to go on with it."""

    definition: msgspec.Raw
    source: str
    anchor_ms: int
    counts: Counts


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
    kept: tuple[str, ...] = ()


Line = Header | BackedJob | BackedRun | End
Report = Callable[[int, int], None]
"""Is told how many jobs and runs there are so far."""
_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def no_report(jobs: int, runs: int) -> None:
    """Tell nobody."""


def write_backup(client: Client, path: Path, *, history: bool = True, report: Report = no_report) -> Summary:
    """Write everything to *path*: aside first, then renamed, readable for its owner only. Raises OSError."""
    aside = path.with_name(path.name + ".part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
                for line in _lines(client, history=history, report=report):
                    packed.write(_encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return summary_of(path)


def _lines(client: Client, *, history: bool, report: Report) -> Iterator[Line]:
    now_ms = client.status().now_ms
    yield Header(format=FORMAT, version=VERSION, made_ms=now_ms)
    views = client.jobs()
    with client.deployment.store.errors():
        counts = read_counts(client.deployment.store, [view.job.name for view in views])
    for view in views:
        yield _backed(view.stored, counts[view.job.name])
    report(len(views), 0)
    runs = 0
    for view in views if history else ():
        for run in reversed(client.deployment.results.runs(job=view.job.name, limit=EVERY)):
            yield BackedRun(run=run, executions=tuple(_executions(client, run)))
            runs += 1
        report(len(views), runs)
    yield End(jobs=len(views), runs=runs)


def _backed(stored: StoredJob, counts: Counts) -> BackedJob:
    definition = msgspec.Raw(encode_definition(stored.job))
    return BackedJob(definition=definition, source=stored.source, anchor_ms=stored.anchor_ms, counts=counts)


def _executions(client: Client, run: Run) -> Iterator[Execution]:
    results = client.deployment.results
    for listed in results.executions(run.id):
        whole = results.execution(listed.id)
        if whole is not None:
            yield whole


def read_backup(path: Path) -> Iterator[Line]:
    """The lines of a file, checked: its format, every line, and that it is all there. Raises BackupError, OSError."""
    jobs = runs = 0
    ended = False
    with path.open("rb") as file, gzip.GzipFile(fileobj=file) as packed:
        for number, line in enumerate(_unpacked(packed, path), start=1):
            found = _line(line, path, number)
            if ended or isinstance(found, Header) != (number == 1):
                raise BackupError(f"{path}: line {number} does not belong there: {type(found).__name__}")
            if isinstance(found, Header) and found.format != FORMAT:
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
    made_ms = jobs = runs = 0
    for line in read_backup(path):
        if isinstance(line, Header):
            made_ms = line.made_ms
        elif isinstance(line, End):
            jobs, runs = line.jobs, line.runs
    return Summary(jobs=jobs, runs=runs, made_ms=made_ms)


def restore_backup(
    client: Client, path: Path, *, differing: Differing = "refuse", history: bool = True, report: Report = no_report
) -> Summary:
    """Bring a file's jobs and history into a deployment. Nothing is written before all of the file has been read.

    Jobs are due from now on: what was due between the backup and now is not made up for. Raises ConflictError, which
    names them, when jobs exist and differ and *differing* is ``refuse``.
    """
    summary = summary_of(path)
    jobs = _readable_jobs(path)
    kept = _differing(client, jobs)
    if kept and differing == "refuse":
        shown = ", ".join(kept[:10]) + (f" and {len(kept) - 10} more" if len(kept) > 10 else "")
        raise ConflictError(
            f"{len(kept)} jobs exist and differ from the backup: {shown}",
            hint="--differing keep leaves them as they are, --differing replace takes the backup's",
        )
    kept = kept if differing == "keep" else []
    done = runs = 0
    for name, (job, backed) in jobs.items():
        if name not in kept:
            with client.deployment.store.errors():
                prepare(client.deployment.store, name, backed.anchor_ms, backed.counts)
                client.deployment.jobs.save(job, source=backed.source)
        done += 1
        report(done, 0)
    for line in read_backup(path) if history else ():
        if isinstance(line, BackedRun):
            for execution in line.executions:
                client.deployment.results.save_execution(execution)
            client.deployment.results.save_run(line.run)
            runs += 1
            report(done, runs)
    return Summary(jobs=done - len(kept), runs=runs, made_ms=summary.made_ms, kept=tuple(kept))


def _readable_jobs(path: Path) -> dict[str, tuple[Job, BackedJob]]:
    jobs = {}
    for line in read_backup(path):
        if isinstance(line, BackedJob):
            job = decode_definition(bytes(line.definition))
            jobs[job.name] = (job, line)
    return jobs


def _differing(client: Client, jobs: dict[str, tuple[Job, BackedJob]]) -> list[str]:
    there = {view.job.name: encode_definition(view.job) for view in client.some_jobs(list(jobs))}
    return [name for name, (job, _) in jobs.items() if name in there and there[name] != encode_definition(job)]
