"""Brings back what a backup holds, into an empty deployment as well as beside what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from dkronpy.backup.lines import (
    BackedCalendar,
    BackedJob,
    BackedPause,
    BackedPool,
    BackedRun,
    Report,
    Summary,
    no_report,
    read_backup,
    summary_of,
)
from dkronpy.client import Client
from dkronpy.errors import ConflictError
from dkronpy.job import Job
from dkronpy.job.json import decode_definition, encode_definition
from dkronpy.store.counts import prepare
from dkronpy.store.pauses import Pauses

Differing = Literal["refuse", "keep", "replace"]
"""What is done with a job that exists and differs. A pool or a calendar that exists stays, but for ``replace``."""


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
    _surroundings(client, path, replace=differing == "replace")
    done = runs = 0
    why = f"restored from {path.name}"
    for name, (job, backed) in jobs.items():
        if name not in kept:
            with client.deployment.store.errors():
                prepare(client.deployment.store, name, backed.anchor_ms, backed.counts, last_due_ms=backed.last_due_ms)
                client.deployment.jobs.save(job, source=backed.source, who=client.who, why=why)
        done += 1
        report(done, 0)
    for line in read_backup(path) if history else ():
        if isinstance(line, BackedRun):
            for execution in line.executions:
                client.deployment.results.save_execution(execution)
            client.deployment.results.save_run(line.run)
            runs += 1
            report(done, runs)
    return msgspec.structs.replace(summary, jobs=done - len(kept), runs=runs, kept=tuple(kept))


def _surroundings(client: Client, path: Path, *, replace: bool) -> None:
    """What jobs need to be there, and what holds them back: before the jobs, so that none starts that was paused."""
    pools = {pool.name for pool in client.pools.all()}
    calendars = {calendar.name for calendar in client.calendars.all()}
    pauses = {pause.id for pause in client.maintenance.pauses(ended=True)}
    for line in read_backup(path):
        if isinstance(line, BackedPool) and (replace or line.name not in pools):
            client.pools.set(line.name, line.slots)
        elif isinstance(line, BackedCalendar) and (replace or line.calendar.name not in calendars):
            client.calendars.save(line.calendar)
        elif isinstance(line, BackedPause) and line.pause.id not in pauses:
            with client.deployment.store.errors():
                Pauses(client.deployment.store).put(line.pause)
        elif isinstance(line, BackedJob):
            return


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
