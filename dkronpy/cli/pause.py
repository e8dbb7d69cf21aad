"""`dkronpy pause`, `resume` and `pauses`: maintenance windows, and jobs that shall not run for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.names import complete_job
from dkronpy.cli.output import Column, Printer, data_options, write
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import local_zone, read_moment

if TYPE_CHECKING:
    from dkronpy.pause import Pause

COLUMNS = (
    Column(name="id"),
    Column(name="job"),
    Column(name="tag"),
    Column(name="state"),
    Column(name="from", kind="time"),
    Column(name="until", kind="time"),
    Column(name="by"),
    Column(name="reason"),
    Column(name="resumed_by", wide=True),
)


@command(
    name="pause",
    short_help="Pause a job, a tag or everything.",
    example="""
    dkronpy pause backup --reason "disk is full"
    dkronpy pause --tag role=web --until 2h --reason "kernel update"
    dkronpy pause --all --from "2026-11-28 22:00" --until "2026-11-29 02:00" --reason "data centre move"
    """,
)
@click.argument("job", required=False, shell_complete=complete_job)
@click.option("--tag", metavar="TAG=VALUE", help="Every job whose target or metadata has this tag.")
@click.option("--all", "everything", is_flag=True, help="Every job.")
@click.option("--reason", metavar="TEXT", default="", help="Why: others see it.")
@click.option("--from", "start", metavar="TIME", help="When it begins. [default: now]")
@click.option("--until", metavar="TIME|DURATION", help="When it ends by itself. [default: when somebody resumes]")
@pass_session
def pause(
    session: Session, job: str | None, tag: str | None, everything: bool, reason: str, start: str | None,
    until: str | None,
) -> None:  # fmt: skip
    """Pause a job, every job with a tag, or everything, from now or a moment on.

    What is due meanwhile is recorded as skipped (paused), and nobody makes up for it. What runs goes on, and
    `dkronpy run` runs.
    """
    _one_scope(job, tag, everything=everything)
    begins = None if start is None else read_moment(start, local_zone(), option="--from")
    made = session.client.maintenance.pause(
        job=job or "", tag=tag or "", reason=reason, start=begins, until=None if until is None else _end(until)
    )
    write(f"{made.id}  {made.sentence()}\n")


@command(
    name="resume",
    short_help="End a pause.",
    example="""
    dkronpy resume backup
    dkronpy resume --tag role=web
    dkronpy resume --all
    dkronpy resume --id 5f3a9c1d
    """,
)
@click.argument("job", required=False, shell_complete=complete_job)
@click.option("--tag", metavar="TAG=VALUE", help="The pauses of this tag.")
@click.option("--all", "everything", is_flag=True, help="The pauses of everything; those of single jobs stay.")
@click.option("--id", "one", metavar="ID", help="The pause of this id, as `dkronpy pauses` shows it.")
@pass_session
def resume(session: Session, job: str | None, tag: str | None, everything: bool, one: str | None) -> None:
    """End the pauses of a job, of a tag, or of everything."""
    if one is None:
        _one_scope(job, tag, everything=everything)
    elif job or tag or everything:
        raise click.UsageError("--id names a pause by itself; leave the others out")
    for ended in session.client.maintenance.resume(job=job or "", tag=tag or "", id=one or ""):
        write(f"{ended.id}  {ended.scope} runs again\n")


@command(
    name="pauses",
    short_help="List what is paused, and why.",
    example="""
    dkronpy pauses
    dkronpy pauses --ended -o json
    """,
)
@click.option("--ended", is_flag=True, help="Those of the last week that are over, too.")
@data_options()
@pass_session
def pauses(session: Session, ended: bool, printer: Printer) -> None:
    """List the pauses that hold or will hold."""
    client = session.client
    now_ms = client.status().now_ms
    rows = [_row(one, now_ms) for one in client.maintenance.pauses(ended=ended)]
    printer.rows(COLUMNS, rows, nothing="nothing is paused")


def _one_scope(job: str | None, tag: str | None, *, everything: bool) -> None:
    if [bool(job), bool(tag), everything].count(True) != 1:
        raise click.UsageError("name a job, or give --tag TAG=VALUE, or --all: one of them")


def _end(text: str) -> datetime | timedelta:
    """A moment, or a duration from the beginning on."""
    from dkronpy.schedule.durations import DurationError, parse_duration

    try:
        return parse_duration(text.removeprefix("+"), field="--until")
    except DurationError:
        return read_moment(text, local_zone(), option="--until")


def _row(one: Pause, now_ms: int) -> dict[str, Any]:
    state = "ended" if one.over(now_ms) else "in force" if one.holds(now_ms) else "ahead"
    return {
        "id": one.id, "job": one.job, "tag": one.tag or ("" if one.job else "everything"), "state": state,
        "from": one.from_ms, "until": one.until_ms, "by": one.by, "reason": one.reason, "resumed_by": one.resumed_by,
    }  # fmt: skip
