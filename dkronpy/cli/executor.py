"""`dkronpy executor`: what can do the work, and what each needs to be told."""

from __future__ import annotations

import json
from typing import Any

import click

from dkronpy.cli.output import Column, Printer, data_options, write
from dkronpy.cli.session import command, group
from dkronpy.errors import DkronpyError

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
    """List executors and show their options."""


@command(
    name="list",
    short_help="List the executors that are installed.",
    example="""
    dkronpy executor list
    dkronpy executor list -o json
    """,
)
@data_options()
def list_command(printer: Printer) -> None:
    """List the executors that are installed here, and whether each can be used."""
    from dkronpy.plugins.registry import executor_names

    printer.rows(COLUMNS, [_row(name) for name in executor_names()], nothing="no executor is installed")


@command(
    name="show",
    short_help="Show an executor's options.",
    example="""
    dkronpy executor show shell
    dkronpy executor show http -o json
    """,
)
@click.argument("name")
@data_options()
def show(name: str, printer: Printer) -> None:
    """Show what an executor does and every option that it takes."""
    from dkronpy.errors import NotFoundError
    from dkronpy.plugins.options import describe
    from dkronpy.plugins.registry import executor_class, executor_names, options_type
    from dkronpy.schedule.problems import did_you_mean

    if name not in executor_names():
        hint = did_you_mean(name, executor_names()) or "`dkronpy executor list` names those that are installed"
        raise NotFoundError(f"there is no executor {name!r}", hint=hint)
    if printer.for_people:
        write(_first_line(executor_class(name)) + "\n\n")
    rows = [
        {
            "option": entry.name,
            "type": entry.kind,
            "required": entry.required,
            "default": _default(entry.default, printer) if not entry.required else None,
            "dkron": entry.dkron,
            "description": entry.description,
        }
        for entry in describe(options_type(name))
    ]
    printer.rows(OPTION_COLUMNS, rows, nothing="it takes no options")


for verb in (list_command, show):
    executor.add_command(verb)


def _row(name: str) -> dict[str, Any]:
    from dkronpy.plugins.registry import executor_class

    try:
        found = executor_class(name)
    except DkronpyError as error:
        return {"name": name, "usable": False, "does": "", "problem": str(error)}
    return {"name": name, "usable": True, "does": _first_line(found), "problem": ""}


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


def _default(value: Any, printer: Printer) -> Any:
    """A default as a person reads it; programs get the value itself."""
    if not printer.for_people or isinstance(value, str):
        return value
    return "" if value in (None, {}, []) else json.dumps(value)
