"""`dkronpy executor`: what can do the work, what each needs to be told, and how to begin one of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.failure import say
from dkronpy.cli.output import Column, Printer, data_options, write
from dkronpy.cli.session import command, group
from dkronpy.errors import DkronpyError

if TYPE_CHECKING:
    from dkronpy.plugins.registry import Kind

COLUMNS = (
    Column(name="name"),
    Column(name="usable", kind="truth"),
    Column(name="does"),
    Column(name="problem", wide=True),
)
OPTION_COLUMNS = (
    Column(name="option"),
    Column(name="type"),
    Column(name="required", kind="truth"),
    Column(name="default"),
    Column(name="dkron", title="DKRON'S NAME"),
    Column(name="description"),
)


@group()
def executor() -> None:
    """List executors and processors, show their options, begin one of your own."""


KIND = click.option(
    "--kind",
    type=click.Choice(["executor", "processor", "notifier"]),
    default="executor",
    show_default=True,
    help="Which kind of plugin.",
)


@command(
    name="list",
    short_help="List the executors that are installed.",
    example="""
    dkronpy executor list
    dkronpy executor list --kind processor
    dkronpy executor list -o json
    """,
)
@KIND
@data_options()
def list_command(kind: Kind, printer: Printer) -> None:
    """List the executors that are installed here, and whether each can be used."""
    from dkronpy.plugins.registry import names

    printer.rows(COLUMNS, [_row(kind, name) for name in names(kind)], nothing=f"no {kind} is installed")


@command(
    name="show",
    short_help="Show an executor's options.",
    example="""
    dkronpy executor show shell
    dkronpy executor show http -o json
    dkronpy executor show --kind processor syslog
    """,
)
@click.argument("name")
@KIND
@data_options()
def show(name: str, kind: Kind, printer: Printer) -> None:
    """Show what an executor does and every option that it takes."""
    from dkronpy.errors import NotFoundError
    from dkronpy.plugins.options import describe
    from dkronpy.plugins.registry import missing_packages, names, options_type
    from dkronpy.schedule.problems import did_you_mean

    if name not in names(kind):
        listing = "executor list" if kind == "executor" else f"executor list --kind {kind}"
        hint = did_you_mean(name, names(kind)) or f"`dkronpy {listing}` names those that are installed"
        raise NotFoundError(f"there is no {kind} {name!r}", hint=hint)
    if printer.for_people:
        problem = missing_packages(kind, name)
        write(_summary(kind, name) + (f"\nHere {problem}" if problem else "") + "\n\n")
    rows = [
        {
            "option": entry.name,
            "type": entry.kind,
            "required": entry.required,
            "default": entry.default_text if printer.for_people and not entry.required else entry.default,
            "dkron": entry.dkron,
            "description": entry.description,
        }
        for entry in describe(options_type(name, kind))
    ]
    printer.rows(OPTION_COLUMNS, rows, nothing="it takes no options")


@command(
    name="new",
    short_help="Begin an executor of your own.",
    example="""
    dkronpy executor new ftp
    dkronpy executor new ftp-upload --to plugins/ftp
    """,
)
@click.argument("name")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where to write it. [default: dkronpy-executor-NAME]",
)
def new(name: str, to: Path | None) -> None:
    """Write a project with an executor that works, its registration and its tests, to be changed into your own."""
    from dkronpy.cli.new_plugin import write_executor

    folder = to or Path(f"dkronpy-executor-{name}")
    for path in write_executor(name, folder):
        say(str(path))
    say(f'next: cd {folder} && pip install --editable ".[test]" && pytest')


for verb in (list_command, show, new):
    executor.add_command(verb)


def _row(kind: Kind, name: str) -> dict[str, Any]:
    from dkronpy.plugins.registry import missing_packages

    try:
        does = _summary(kind, name)
    except DkronpyError as error:
        return {"name": name, "usable": False, "does": "", "problem": str(error)}
    problem = missing_packages(kind, name)
    return {"name": name, "usable": not problem, "does": does, "problem": problem}


def _summary(kind: Kind, name: str) -> str:
    """What it does: an executor is told by an example of its options, another plugin in its own words."""
    from dkronpy.plugins.options import summarise
    from dkronpy.plugins.registry import executor_class, options_type, plugin_class

    if kind != "executor":
        return summarise(plugin_class(kind, name))
    executor_class(name)  # raises where it cannot be loaded
    return summarise(options_type(name))
