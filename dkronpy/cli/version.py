"""`dkronpy version`."""

from __future__ import annotations

import platform

import click

from dkronpy.cli.output import write, write_json
from dkronpy.cli.session import command
from dkronpy.version import VERSION


@command(
    name="version",
    short_help="Print the version.",
    example="""
    dkronpy version
    dkronpy version -o json
    """,
)
@click.option("-o", "--output", "form", type=click.Choice(("text", "json")), default="text")
def version(form: str) -> None:
    """Print the version; with -o json also those of Python and of what dkronpy stands on."""
    if form == "text":
        write(f"dkronpy {VERSION}\n")
        return
    from importlib.metadata import version as installed

    parts = ("celery", "kombu", "redis", "celery-redbeat", "msgspec", "click")
    write_json({"dkronpy": VERSION, "python": platform.python_version(), **{name: installed(name) for name in parts}})
