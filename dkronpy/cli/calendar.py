"""`dkronpy calendar`: holidays and working days that jobs share."""

from __future__ import annotations

from pathlib import Path

import click

from dkronpy.cli.job import confirm
from dkronpy.cli.output import Column, Printer, data_options, write
from dkronpy.cli.session import Session, command, group, pass_session

COLUMNS = (
    Column(name="name"),
    Column(name="revision", title="REV"),
    Column(name="days"),
    Column(name="weekend", kind="list"),
    Column(name="jobs"),
    Column(name="doc", wide=True),
)
DETAILS = (
    Column(name="name"),
    Column(name="revision"),
    Column(name="weekend", kind="list"),
    Column(name="off", kind="list"),
    Column(name="working", kind="list"),
    Column(name="jobs", kind="list"),
    Column(name="doc"),
)


@group()
def calendar() -> None:
    """List, show, save, delete the calendars that jobs share."""


@command(name="list", short_help="List the calendars.", example="dkronpy calendar list")
@data_options()
@pass_session
def list_command(session: Session, printer: Printer) -> None:
    """List the calendars, and how many jobs use each."""
    shared = session.client.calendars
    users = shared.all_users()
    rows = [
        {
            "name": one.name, "revision": one.revision, "days": len(one.off or ()), "weekend": list(one.weekend),
            "jobs": len(users.get(one.name, ())), "doc": one.doc,
        }
        for one in shared.all()
    ]  # fmt: skip
    printer.rows(COLUMNS, rows, nothing="no calendars; `dkronpy calendar save NAME FILE` stores one")


@command(
    name="show",
    short_help="Show one calendar.",
    example="""
    dkronpy calendar show de
    dkronpy calendar show de -o json
    """,
)
@click.argument("name")
@data_options()
@pass_session
def show(session: Session, name: str, printer: Printer) -> None:
    """Show the days of a calendar, and the jobs that use it."""
    found = session.client.calendars.get(name)
    row = {
        "name": found.name, "revision": found.revision, "weekend": list(found.weekend), "off": list(found.off or ()),
        "working": list(found.working), "jobs": session.client.calendars.users(name), "doc": found.doc,
    }  # fmt: skip
    printer.record(DETAILS, row)


@command(
    name="save",
    short_help="Store a calendar out of a file.",
    example="""
    dkronpy calendar save de holidays.ics
    dkronpy calendar save il days.txt --weekend FRI,SAT
    """,
)
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--weekend", metavar="DAYS", default="SAT,SUN", show_default=True, help="The days of the weekend.")
@click.option("--doc", metavar="TEXT", default="", help="What it is.")
@pass_session
def save(session: Session, name: str, file: Path, weekend: str, doc: str) -> None:
    """Store a calendar out of an .ics file, or of a text with a day a line (2026-12-25, 12-25, 2026-12-24..2026-12-31).

    Every job that uses it is saved anew with it.
    """
    from dkronpy.schedule.ics import read_days

    days = tuple(day.strip().upper() for day in weekend.split(",") if day.strip())
    made = read_days(file, name, weekend=days, doc=doc)
    stored, changed = session.client.calendars.save(made)
    write(f"{name} is at revision {stored.revision}, {len(stored.off or ())} days; {len(changed)} jobs follow it\n")


@command(name="delete", short_help="Delete a calendar.", example="dkronpy calendar delete de --yes")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def delete(session: Session, name: str, yes: bool) -> None:
    """Delete a calendar that no job uses."""
    session.client.calendars.get(name)
    confirm(f"delete calendar {name}?", yes=yes)
    session.client.calendars.delete(name)
    write(f"{name} deleted\n")


for verb in (list_command, show, save, delete):
    calendar.add_command(verb)
