"""`dkronpy why`: what became of a due time, in a sentence."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

import click

from dkronpy.cli.names import complete_job
from dkronpy.cli.output import write, write_json
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import local_zone, read_moment, rfc3339, zone_named
from dkronpy.errors import NotFoundError

if TYPE_CHECKING:
    from dkronpy.client import Client


@command(
    name="why",
    short_help="Say what became of a due time, and why.",
    example="""
    dkronpy why backup
    dkronpy why backup --at 2026-11-23T02:30:00Z
    dkronpy why backup --at "2026-11-23 02:30" --timezone Europe/Berlin
    dkronpy why backup --at -5m
    """,
)
@click.argument("job", shell_complete=complete_job)
@click.option(
    "--at",
    metavar="TIME",
    default="last",
    show_default=True,
    help="The due time, or 'last' for the latest run; -5m: the last due time before that.",
)
@click.option(
    "--timezone", "zone_name", metavar="TZ", help="The zone to read and show times in. [default: this machine's]"
)
@click.option("-o", "--output", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@pass_session
def why(session: Session, job: str, at: str, zone_name: str | None, form: str) -> None:
    """Say what became of a due time: when it was fired, by whom, where it ran and how it ended, or why it did not."""
    zone = zone_named(zone_name) or local_zone()
    client = session.client
    moment: datetime | None = None
    if at == "last":
        sentence = _last(client, job, zone)
    else:
        moment = read_moment(at, zone, option="--at")
        if at[:1] in ("-", "+"):
            moment = _due_before(client, job, moment)
        sentence = client.why(job, moment, zone)
    if form == "json":
        write_json({"job": job, "at": rfc3339(moment) if moment else "last", "why": sentence})
    else:
        write(sentence + "\n")


def _last(client: Client, job: str, zone: tzinfo) -> str:
    from dkronpy.why import why_run

    recent = client.runs(job=job, limit=1)
    if recent:
        return why_run(recent[0], client.run(recent[0].id).executions, zone)
    client.job(job)
    raise NotFoundError(f"{job} has no run yet", hint=f"`dkronpy next {job}` says when it is due")


def _due_before(client: Client, job: str, moment: datetime) -> datetime:
    """The last due time of the job up to *moment*; *moment* itself where there is none."""
    schedule = client.job(job).stored.schedule()
    return schedule.prev(moment) or moment
