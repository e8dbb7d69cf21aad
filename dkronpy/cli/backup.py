"""`dkronpy backup` and `dkronpy restore`: all definitions and history in one file, and back again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from dkronpy.cli.failure import say
from dkronpy.cli.job import confirm
from dkronpy.cli.session import Session, command, pass_session

if TYPE_CHECKING:
    from dkronpy.backup import Differing, Summary

RUNS_A_REPORT = 500


@command(
    name="backup",
    short_help="Write all definitions and history to a file.",
    example="""
    dkronpy backup /var/backups/dkronpy.jsonl.gz
    dkronpy backup jobs.jsonl.gz --no-history
    """,
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--no-history", is_flag=True, help="Only definitions and counters.")
@pass_session
def backup(session: Session, file: Path, no_history: bool) -> None:
    """Write every job, its counters, and the runs that the results backend keeps to FILE.

    The file is written aside and takes its name when it is complete. It holds what jobs printed, and only you can read
    it. Work that is still running is not in it.
    """
    from dkronpy.backup import write_backup, write_lines
    from dkronpy.remote.client import Client as RemoteClient

    client = session.client
    if isinstance(client, RemoteClient):
        summary = write_lines(client.backup(history=not no_history), file)
    else:
        summary = write_backup(client, file, history=not no_history, report=_report)
    say(f"{_amount(summary)} in {file}")


@command(
    name="restore",
    short_help="Bring a backup's definitions and history back.",
    example="""
    dkronpy restore /var/backups/dkronpy.jsonl.gz
    dkronpy restore jobs.jsonl.gz --differing keep
    dkronpy restore jobs.jsonl.gz --dry-run
    """,
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--differing",
    type=click.Choice(["refuse", "keep", "replace"]),
    default="refuse",
    show_default=True,
    help="What to do with a job that exists and differs.",
)
@click.option("--no-history", is_flag=True, help="Only definitions and counters.")
@click.option("--dry-run", is_flag=True, help="Only say what is in the file, and that it is whole.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def restore(session: Session, file: Path, differing: str, no_history: bool, dry_run: bool, yes: bool) -> None:
    """Bring the jobs and the history of FILE into this deployment, into an empty one as well as beside what there is.

    All of FILE is read and checked before anything is written. Jobs are due from now on: what was due since the backup
    is not made up for (`dkronpy backfill` does that, job by job). A restore that was interrupted may be started again.
    """
    from dkronpy.backup import restore_backup, summary_of
    from dkronpy.clock import iso_ms

    found = summary_of(file)
    say(f"{file} holds {_amount(found)}, of {iso_ms(found.made_ms)}")
    if dry_run:
        return
    confirm(f"restore them into {session.client.deployment.store.where}?", yes=yes)
    summary = restore_backup(
        session.client, file, differing=cast("Differing", differing), history=not no_history, report=_report
    )
    say(f"{_amount(summary)} restored")
    if summary.kept:
        say(f"left as they are: {', '.join(summary.kept)}")


def _amount(summary: Summary) -> str:
    parts = [(summary.jobs, "job"), (summary.pools, "pool"), (summary.calendars, "calendar"), (summary.pauses, "pause")]
    told = [f"{number} {noun}{'s' * (number != 1)}" for number, noun in parts if number or noun == "job"]
    return f"{', '.join(told)} and {summary.runs} run{'s' * (summary.runs != 1)}"


def _report(jobs: int, runs: int) -> None:
    """Where it stands, on a terminal."""
    if sys.stderr.isatty() and (runs % RUNS_A_REPORT == 0 or not runs):
        click.echo(f"\r{jobs} jobs, {runs} runs\x1b[K", err=True, nl=False)
