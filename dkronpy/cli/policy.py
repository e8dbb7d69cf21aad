"""`dkronpy policy`: what tokens that have policies may do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

from dkronpy.cli.job import confirm
from dkronpy.cli.output import Column, Printer, data_options, write
from dkronpy.cli.session import Session, command, group, pass_session

if TYPE_CHECKING:
    from dkronpy.api.policies import Policies
    from dkronpy.remote.policies import RemotePolicies

COLUMNS = (Column(name="name"), Column(name="path"), Column(name="capabilities", kind="list"))


@group(short_help="List, show, save, delete policies of the API.")
def policy() -> None:
    """What tokens that were made with --policy may do: capabilities on globs of paths, as in Dkron Pro."""


@command(
    name="list",
    short_help="List policies with what they grant.",
    example="""
    dkronpy policy list
    dkronpy policy list -o json
    """,
)
@data_options()
@pass_session
def list_command(session: Session, printer: Printer) -> None:
    """List every policy, a line for each path that it grants something on."""
    from dkronpy.api.policies import parse_rules

    rows: list[dict[str, Any]] = []
    with _policies(session) as found:
        for name in found.names():
            rules = parse_rules(found.get(name))
            rows += [{"name": name, "path": path, "capabilities": sorted(each)} for path, each in rules.items()]
    printer.rows(COLUMNS, rows, nothing="no policies; `dkronpy policy save NAME FILE` keeps one")


@command(name="show", short_help="Print a policy.", example="dkronpy policy show runners > runners.json")
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """Print the rules of a policy as they were saved."""
    with _policies(session) as found:
        write(found.get(name).rstrip("\n") + "\n")


@command(
    name="save",
    short_help="Keep a policy.",
    example="""
    dkronpy policy save runners runners.json
    echo '{"path": {"/v1/jobs/**": {"capabilities": ["read", "list"]}}}' | dkronpy policy save readers -
    """,
)
@click.argument("name")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@pass_session
def save(session: Session, name: str, file: TextIO) -> None:
    """Keep the rules of a file ('-' for standard input) under a name, replacing those it had; they count at once."""
    with _policies(session) as found:
        found.save(name, file.read())
    write(f"{name} saved\n")


@command(
    name="delete",
    short_help="Drop a policy.",
    example="""
    dkronpy policy delete runners
    dkronpy policy delete runners --yes
    """,
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def delete(session: Session, name: str, yes: bool) -> None:
    """Drop a policy; tokens that name it lose what it granted, at once."""
    with _policies(session) as found:
        found.get(name)
        confirm(f"delete policy {name}?", yes=yes)
        found.delete(name)
    write(f"{name} deleted\n")


for verb in (list_command, show, save, delete):
    policy.add_command(verb)


@contextmanager
def _policies(session: Session) -> Iterator[Policies | RemotePolicies]:
    """The policies behind the server that is set, or on the store, whose errors are told as everywhere."""
    from dkronpy.remote.client import Client as RemoteClient
    from dkronpy.remote.policies import RemotePolicies

    client = session.client
    if isinstance(client, RemoteClient):
        yield RemotePolicies(client.connection)
        return
    from dkronpy.api.policies import Policies

    with client.deployment.store.errors():
        yield Policies(client.deployment.store)
