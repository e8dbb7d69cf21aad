"""`dkronpy job`: the definitions as they are stored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.bulk import holds_a_fleet
from dkronpy.cli.failure import say
from dkronpy.cli.job_revisions import diff, history, rollback
from dkronpy.cli.names import complete_job
from dkronpy.cli.output import Column, Printer, data_options, write, write_json
from dkronpy.cli.session import Session, command, group, pass_session
from dkronpy.cli.times import read_moment
from dkronpy.clock import to_ms

if TYPE_CHECKING:
    from dkronpy.client import JobView
    from dkronpy.pause import Pause

COLUMNS = (
    Column(name="name"),
    Column(name="schedule"),
    Column(name="timezone", title="ZONE", wide=True),
    Column(name="executor"),
    Column(name="on", wide=True),
    Column(name="enabled", kind="truth"),
    Column(name="paused"),
    Column(name="next", kind="time"),
    Column(name="status", kind="state"),
    Column(name="successes", title="OK"),
    Column(name="errors"),
    Column(name="last_success", kind="time", wide=True),
    Column(name="last_error", kind="time", wide=True),
    Column(name="after", kind="list", wide=True),
    Column(name="source", wide=True),
    Column(name="revision", title="REV", wide=True),
)


@group()
def job() -> None:
    """List, show, delete, toggle jobs, and look at what they were."""


@command(
    name="list",
    short_help="List the jobs.",
    example="""
    dkronpy job list
    dkronpy job list -o wide --time local
    dkronpy job list --executor shell -o name
    """,
)
@click.option("--executor", metavar="NAME", help="Only jobs of this executor.")
@click.option("--failing", is_flag=True, help="Only jobs whose last run failed.")
@click.option("--disabled", is_flag=True, help="Only jobs that are disabled.")
@data_options()
@pass_session
@holds_a_fleet
def list_command(session: Session, executor: str | None, failing: bool, disabled: bool, printer: Printer) -> None:
    """List the jobs with their next due time and how they went."""
    from dkronpy.pause import covering

    views = session.client.jobs()
    pauses, now_ms = session.client.maintenance.pauses(), printer.times.now_ms
    rows = [
        row_of(view, covering(pauses, view.job, now_ms), brief=printer.brief)
        for view in views
        if (executor is None or view.job.executor == executor)
        and (not failing or is_failing(view))
        and (not disabled or not view.job.enabled)
    ]
    printer.rows(
        COLUMNS, rows, nothing="no such job" if views else "no jobs yet; `dkronpy apply` saves those of config/"
    )


@command(
    name="show",
    short_help="Show one job.",
    example="""
    dkronpy job show backup
    dkronpy job show backup -o json
    """,
)
@click.argument("name", shell_complete=complete_job)
@data_options("local")
@pass_session
def show(session: Session, name: str, printer: Printer) -> None:
    """Show one job; with -o json as Dkron writes it, so that its clients read it."""
    from dkronpy.job.json import encode_job

    view = session.client.job(name)
    definition = encode_job(view.job, view.state)
    if printer.format == "json" and not printer.chosen:
        write_json(definition)
        return
    pause = session.client.maintenance.of_job(view.job)
    more = {"config": definition["executor_config"], **_policies(definition), **_kept(session, view)}
    row = {**row_of(view, pause), **more}
    extra = tuple(Column(name=key) for key in row if key not in {column.name for column in COLUMNS})
    printer.record((*COLUMNS, *extra), row)


@command(
    name="delete",
    short_help="Delete a job.",
    example="""
    dkronpy job delete backup
    dkronpy job delete backup --yes
    """,
)
@click.argument("name", shell_complete=complete_job)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--why", metavar="TEXT", default="", help="The reason, for the history.")
@pass_session
def delete(session: Session, name: str, yes: bool, why: str) -> None:
    """Delete a job; its open runs go on, and its history stays for as long as it is kept."""
    session.client.job(name)
    confirm(f"delete job {name}?", yes=yes)
    session.client.delete_job(name, why=why)
    write(f"{name} deleted\n")


@command(name="toggle", short_help="Disable an enabled job, or the reverse.", example="dkronpy job toggle backup")
@click.argument("name", shell_complete=complete_job)
@click.option("--why", metavar="TEXT", default="", help="The reason, for the history.")
@pass_session
def toggle(session: Session, name: str, why: str) -> None:
    """Disable an enabled job, or enable a disabled one."""
    after = session.client.toggle_job(name, why=why)
    write(f"{name} {'enabled' if after.enabled else 'disabled'}\n")


for verb in (list_command, show, delete, toggle, history, diff, rollback):
    job.add_command(verb)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; without a terminal there is nobody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} nobody is there to answer; pass --yes")
    if not click.confirm(question, err=True):
        say("nothing was done")
        raise click.Abort


def is_failing(view: JobView) -> bool:
    """Whether the last settled run of a job was no success."""
    return view.state.status in ("failed", "partially_failed", "lost")


def row_of(view: JobView, pause: Pause | None = None, *, brief: bool = False) -> dict[str, Any]:
    """A job as a row of a list, with the pause that it is under; *brief* without what only ``wide`` columns show and
    what takes longer to find out.
    """
    found, state = view.job, view.state
    return {
        "name": found.name,
        "schedule": found.schedule or ("after " + ", ".join(found.after) if found.after else "@manually"),
        "timezone": found.timezone,
        "executor": found.executor,
        "on": None if brief else _target(view),
        "enabled": found.enabled,
        "paused": pause.words() if pause else None,
        "next": view.stored.due_ms,
        "status": state.status,
        "successes": state.success_count,
        "errors": state.error_count,
        "last_success": None if brief else _ms(state.last_success),
        "last_error": None if brief else _ms(state.last_error),
        "after": list(found.after),
        "source": view.stored.source,
        "revision": view.stored.revision,
    }


def _target(view: JobView) -> str:
    on = view.job.on
    tags, count = on.wanted()
    many = "every node" if count is None else "one node" if count == 1 else f"{count} nodes"
    if on.nodes:
        names = ", ".join(on.nodes)
        said = names if count is None else f"{many} of {names}"
    else:
        said = f"{many} with " + ", ".join(f"{tag}={text}" for tag, text in tags.items()) if tags else many
    said += f" but {', '.join(on.exclude)}" if on.exclude else ""
    return said + (f" where {on.where}" if on.where else "")


def _policies(definition: dict[str, Any]) -> dict[str, Any]:
    """Those fields of a definition that are set and that no column shows."""
    shown = {"id", "name", "schedule", "timezone", "executor", "executor_config", "disabled", "next", "status", "after"}
    counted = {"success_count", "error_count", "last_success", "last_error", "on", "tags"}
    return {key: value for key, value in definition.items() if value and key not in shown | counted}


def _kept(session: Session, view: JobView) -> dict[str, Any]:
    """What is kept of its history; a server has settings of its own."""
    from dkronpy.results.keep import keep_of

    return {} if session.loaded[0].api_url else {"kept": str(keep_of(view.job, session.settings))}


def _ms(text: str | None) -> int | None:
    return None if text is None else to_ms(read_moment(text, None, option="time"))
