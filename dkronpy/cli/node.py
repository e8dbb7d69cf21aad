"""`dkronpy node`: the machines that execute."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.job import confirm
from dkronpy.cli.names import complete_node
from dkronpy.cli.output import Column, Printer, data_options, write
from dkronpy.cli.session import Session, command, group, pass_session
from dkronpy.errors import ConflictError

if TYPE_CHECKING:
    from dkronpy.client import Client
    from dkronpy.node import Node

LOOK_SECONDS = 1.0
COLUMNS = (
    Column(name="name"),
    Column(name="state", kind="state"),
    Column(name="tags", kind="tags"),
    Column(name="running"),
    Column(name="capacity"),
    Column(name="seen", kind="time"),
    Column(name="address", wide=True),
    Column(name="version", wide=True),
    Column(name="python", wide=True),
    Column(name="pid", wide=True),
    Column(name="started", kind="time", wide=True),
    Column(name="executors", kind="list", wide=True),
)


@group()
def node() -> None:
    """List, drain, rename and forget nodes."""


@command(
    name="list",
    short_help="List the nodes.",
    example="""
    dkronpy node list
    dkronpy node list -o wide
    dkronpy node list --tag role=web -o name
    """,
)
@click.option("--tag", "tags", multiple=True, metavar="TAG=VALUE", help="Only nodes with this tag; may be repeated.")
@data_options()
@pass_session
def list_command(session: Session, tags: tuple[str, ...], printer: Printer) -> None:
    """List every node that is known, alive or not."""
    wanted = read_tags(tags)
    rows = [node_row(one) for one in session.client.nodes() if wanted.items() <= one.tags.items()]
    printer.rows(COLUMNS, rows, nothing="no such node; `dkronpy agent` starts one" if not wanted else "no such node")


@command(
    name="forget",
    short_help="Drop a node that is gone for good.",
    example="""
    dkronpy node forget web3
    dkronpy node forget web3 --yes
    """,
)
@click.argument("name", shell_complete=complete_node)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def forget(session: Session, name: str, yes: bool) -> None:
    """Drop a node from the register, with the messages that wait in its queue. One that is alive is refused."""
    client = session.client
    found = next((one for one in client.nodes() if one.name == name), None)
    if found is not None and found.alive:
        message = f"node {name!r} is alive: it would be back with its next heartbeat"
        raise ConflictError(message, hint="stop its agent first")
    if found is not None:
        confirm(f"forget node {name}?", yes=yes)
    client.forget_node(name)
    write(f"{name} forgotten\n")


@command(
    name="drain",
    short_help="Let a node take nothing new.",
    example="""
    dkronpy node drain web3
    dkronpy node drain web3 --wait && reboot
    """,
)
@click.argument("name", shell_complete=complete_node)
@click.option("-w", "--wait", is_flag=True, help="End when nothing runs there any more.")
@pass_session
def drain(session: Session, name: str, wait: bool) -> None:
    """Let a node finish what it has and take nothing new, until `undrain`, through restarts of its agent.

    What waits for it goes to another node that may have it; what is bound to it waits for its start deadline.
    """
    client = session.client
    client.drain_node(name)
    if wait:
        await_idle(client, name)
    write(f"{name} drained\n")


@command(
    name="undrain",
    short_help="Let a drained node take executions again.",
    example="dkronpy node undrain web3",
)
@click.argument("name", shell_complete=complete_node)
@pass_session
def undrain(session: Session, name: str) -> None:
    """Let a node that was drained take executions again."""
    session.client.undrain_node(name)
    write(f"{name} undrained\n")


@command(
    name="rename",
    short_help="Give what a node was meant to do to its new name.",
    example="""
    dkronpy node rename web3 web3-new
    """,
)
@click.argument("old", shell_complete=complete_node)
@click.argument("new", shell_complete=complete_node)
@pass_session
def rename(session: Session, old: str, new: str) -> None:
    """Follow a machine that has another name now: its agent has to be there under the new one, and gone under the old.

    Jobs that name the old one name the new one, executions that wait for it go along, and the old one is forgotten.
    """
    done = session.client.rename_node(old, new)
    changed = f"; changed: {', '.join(done.jobs)}" if done.jobs else ""
    write(f"{old} is {new} now, with {done.executions} waiting executions{changed}\n")


for verb in (list_command, drain, undrain, rename, forget):
    node.add_command(verb)


def await_idle(client: Client, name: str) -> None:
    """Return when a node runs nothing by two reports of its own, or is down."""
    pause = threading.Event()
    idle: set[int] = set()
    while len(idle) < 2:
        found = next((one for one in client.nodes() if one.name == name and one.alive), None)
        if found is None:
            return
        idle = idle | {found.seen_ms} if not found.running else set()
        pause.wait(LOOK_SECONDS)


def read_tags(texts: tuple[str, ...]) -> dict[str, str]:
    """``role=web`` texts as tags. Raises click.UsageError."""
    tags = {}
    for text in texts:
        tag, equals, value = text.partition("=")
        if not (tag and equals):
            raise click.UsageError(f"--tag: {text!r} is not TAG=VALUE, such as role=web")
        tags[tag.strip()] = value.strip()
    return tags


def node_state(found: Node) -> str:
    """``up``, ``drained`` (up, and takes nothing new) or ``down``."""
    return "down" if not found.alive else "drained" if found.drained else "up"


def node_row(found: Node) -> dict[str, Any]:
    """A node as a row of a list."""
    return {
        "name": found.name,
        "state": node_state(found),
        "tags": found.tags,
        "running": found.running if found.alive else 0,
        "capacity": found.capacity,
        "seen": found.seen_ms,
        "address": found.address,
        "version": found.version,
        "python": found.python,
        "pid": found.pid,
        "started": found.started_ms,
        "executors": list(found.executors),
    }
