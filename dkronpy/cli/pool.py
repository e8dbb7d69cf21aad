"""`dkronpy pool`: slots that runs of several jobs share."""

from __future__ import annotations

import click

from dkronpy.cli.failure import say
from dkronpy.cli.output import Column, Printer, data_options
from dkronpy.cli.session import Session, command, group, pass_session

COLUMNS = (
    Column(name="pool"),
    Column(name="slots"),
    Column(name="used"),
    Column(name="waiting"),
    Column(name="runs", kind="list"),
    Column(name="queue", kind="list", wide=True),
)


@group()
def pool() -> None:
    """List, set, delete pools of slots."""


@command(name="list", short_help="List the pools, with who is in and who waits.", example="dkronpy pool list -o wide")
@data_options()
@pass_session
def list_command(session: Session, printer: Printer) -> None:
    """List the pools: their slots, the runs that hold some, and how many wait, in the order of their turns."""
    rows = [
        {
            "pool": one.name, "slots": one.slots, "used": one.used, "waiting": len(one.waiting),
            "runs": list(one.runs), "queue": list(one.waiting),
        }
        for one in session.client.pools.all()
    ]  # fmt: skip
    printer.rows(COLUMNS, rows, nothing="no pool; `dkronpy pool set NAME SLOTS` makes one")


@command(name="set", short_help="Make a pool, or change its size.", example="dkronpy pool set db 3")
@click.argument("name")
@click.argument("slots", type=click.IntRange(1, 1_000_000))
@pass_session
def set_command(session: Session, name: str, slots: int) -> None:
    """Make a pool, or change its size. One that is made smaller empties as runs end; nothing is stopped."""
    session.client.pools.set(name, slots)
    say(f"pool {name} has {slots} {'slot' if slots == 1 else 'slots'}")


@command(name="delete", short_help="Delete a pool.", example="dkronpy pool delete db")
@click.argument("name")
@pass_session
def delete(session: Session, name: str) -> None:
    """Delete a pool. Refused while a job needs it."""
    session.client.pools.delete(name)
    say(f"pool {name} is gone")


for verb in (list_command, set_command, delete):
    pool.add_command(verb)
