"""`dkronpy job history`, `diff` and `rollback`: what a definition was, who changed it, and back to it."""

from __future__ import annotations

import click

from dkronpy.cli.failure import say
from dkronpy.cli.names import complete_job
from dkronpy.cli.output import Column, Printer, data_options, write, write_json
from dkronpy.cli.session import Session, command, pass_session

COLUMNS = (
    Column(name="revision", title="REV"),
    Column(name="at", kind="time"),
    Column(name="who"),
    Column(name="what"),
    Column(name="changed", kind="list"),
    Column(name="why"),
)


@command(
    name="history",
    short_help="List the revisions of a job.",
    example="""
    dkronpy job history backup
    dkronpy job history backup -o json
    """,
)
@click.argument("name", shell_complete=complete_job)
@data_options()
@pass_session
def history(session: Session, name: str, printer: Printer) -> None:
    """List the revisions of a job that are kept, the newest first: who made each, when, why, and what it changed.

    A job that was deleted is remembered for 30 days.
    """
    from dkronpy.job.diff import differences

    found = session.client.job_history(name)
    rows = []
    for revision, before in zip(found, (*found[1:], None), strict=True):
        old = before.job if before else None
        changes = differences(old, revision.job) if old and revision.job else ()
        if revision.job is None:
            what = "deleted"
        elif before is None:  # the oldest that is kept
            what = "created" if revision.number == 1 else ""
        else:
            what = "changed" if old else "created"
        rows.append(
            {
                "revision": revision.number,
                "at": revision.at_ms,
                "who": revision.who,
                "what": what,
                "changed": [change.field for change in changes],
                "why": revision.why,
            }
        )
    printer.rows(COLUMNS, rows)


@command(
    name="diff",
    short_help="Show what a revision of a job changed.",
    example="""
    dkronpy job diff backup
    dkronpy job diff backup 3
    dkronpy job diff backup 3 7 -o json
    """,
)
@click.argument("name", shell_complete=complete_job)
@click.argument("old", type=int, required=False)
@click.argument("new", type=int, required=False)
@click.option("-o", "--output", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@pass_session
def diff(session: Session, name: str, old: int | None, new: int | None, form: str) -> None:
    """Show field by field what differs between two revisions of a job.

    By default between the newest and the one before it; with one number between that one and the newest. What is
    called a password, a token or the like is shown as asterisks.
    """
    from dkronpy.fleet.report import change_lines

    changes = session.client.job_diff(name, old, new)
    if form == "json":
        write_json([{"field": one.field, "old": one.old, "new": one.new} for one in changes])
        return
    for line in change_lines(changes):
        write(line + "\n")
    if not changes:
        say("there is no difference")


@command(
    name="rollback",
    short_help="Make an earlier revision of a job the newest.",
    example="""
    dkronpy job rollback backup
    dkronpy job rollback backup 3 --why "the new schedule collides with the import"
    """,
)
@click.argument("name", shell_complete=complete_job)
@click.argument("revision", type=int, required=False)
@click.option("--why", metavar="TEXT", default="", help="The reason, for the history.")
@pass_session
def rollback(session: Session, name: str, revision: int | None, why: str) -> None:
    """Make an earlier revision of a job (by default the one before the newest) the newest again.

    That is a change like any other: it is a revision more, and can be taken back. A job that was deleted is made anew
    as it was. A job of a configuration has to be changed there as well, or the next apply changes it back.
    """
    saved = session.client.rollback_job(name, revision, why=why)
    write(f"{name} {saved.what}, revision {saved.revision}\n")
    view = session.client.job(name)
    if view.stored.applied:
        say(f"{name} comes from {view.stored.source!r}: change it there too, or the next apply undoes this")
