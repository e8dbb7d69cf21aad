"""`dkronpy lint`: what is right and will still surprise somebody."""

from __future__ import annotations

import re
from typing import Any

import click

from dkronpy.cli.output import Column, Printer, data_options
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import now

COLUMNS = (Column(name="job"), Column(name="date"), Column(name="note"))
_MONTHS = re.compile(r"(\d{1,3})\s*(m|mo|months?|y|years?)?")


@command(
    name="lint",
    short_help="Name what will surprise: the dates on which clock changes matter.",
    example="""
    dkronpy lint
    dkronpy lint config/jobs.py --dst 24m
    dkronpy lint --stored --dst 2y -o json
    """,
)
@click.argument("place", metavar="[CONFIG]", required=False)
@click.option("--dst", metavar="MONTHS", default="12m", show_default=True, help="How far to look: 24m, 2y.")
@click.option("--stored", is_flag=True, help="The jobs of the store instead of those of the configuration.")
@data_options()
@pass_session
def lint(session: Session, place: str | None, dst: str, stored: bool, printer: Printer) -> None:
    """Name each date on which a clock change skips, repeats or shifts a due time, job by job, with what happens then.

    `gap` and `overlap` of a job say what shall.
    """
    from dkronpy.schedule import dst_notes

    months, start = _months(dst), now()
    rows: list[dict[str, Any]] = []
    for name, schedule in _schedules(session, place, stored=stored):
        for day, note in dst_notes(schedule, start, months):
            rows.append({"job": name, "date": day.isoformat(), "note": note})
    nothing = f"no clock change of the next {months} months touches a due time"
    printer.rows(COLUMNS, sorted(rows, key=lambda row: (row["date"], row["job"])), nothing=nothing)


def _schedules(session: Session, place: str | None, *, stored: bool) -> list[tuple[str, Any]]:
    if stored:
        views = session.client.jobs()
        return [(view.job.name, view.stored.schedule()) for view in views if view.job.schedule and view.job.enabled]
    from dkronpy.config import load_jobs

    jobs = load_jobs(session.require_config(place)).require()
    return [(job.name, job.parsed_schedule()) for job in jobs if job.schedule and job.enabled]


def _months(text: str) -> int:
    found = _MONTHS.fullmatch(text.strip().lower())
    months = int(found[1]) * (12 if (found[2] or "m").startswith("y") else 1) if found else 0
    if not 1 <= months <= 1200:
        raise click.UsageError(f"--dst: {text!r} is no number of months; write 24m or 2y")
    return months
