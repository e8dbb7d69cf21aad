"""`dkronpy token`: who may use the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.failure import say
from dkronpy.cli.job import confirm
from dkronpy.cli.output import Column, Printer, data_options, write
from dkronpy.cli.session import Session, command, group, pass_session

if TYPE_CHECKING:
    from dkronpy.api.tokens import Token, Tokens
    from dkronpy.client import Client
    from dkronpy.remote.tokens import RemoteTokens
    from dkronpy.wire.tokens import TokenOut

ROLES = ("viewer", "operator", "editor", "admin")
COLUMNS = (
    Column(name="name"),
    Column(name="state", kind="state"),
    Column(name="role"),
    Column(name="jobs", kind="list"),
    Column(name="policies", kind="list"),
    Column(name="used", kind="time"),
    Column(name="expires", kind="time"),
    Column(name="created", kind="time", wide=True),
    Column(name="created_by", wide=True),
    Column(name="id", wide=True),
)


@group(short_help="Create, list, revoke tokens of the API.")
def token() -> None:
    """Who may use the API. The first token that is made closes it to everybody without one."""


@command(
    name="create",
    short_help="Create a token, and print it once.",
    example="""
    dkronpy token create alice --role admin
    dkronpy token create reports --role operator --job 'report-*' --expires 90d
    dkronpy token create terraform --policy jobs-only
    """,
)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="What it may do.")
@click.option("--job", "jobs", multiple=True, metavar="PATTERN", help="Only these jobs: 'report-*'; repeatable.")
@click.option("--policy", "policies", multiple=True, metavar="NAME", help="A policy instead of a role; repeatable.")
@click.option("--expires", metavar="DURATION", help="After how long it ends. [default: never]")
@pass_session
def create(
    session: Session, name: str, role: str | None, jobs: tuple[str, ...], policies: tuple[str, ...], expires: str | None
) -> None:
    """Create a token and print it, alone, on standard output. It is not stored and cannot be shown again."""
    from dkronpy.schedule.durations import parse_duration

    lifetime = parse_duration(expires, field="--expires") if expires else None
    client = session.client
    if (tokens := _behind_server(client)) is not None:
        made = tokens.create(name, role=role or "", jobs=jobs, policies=policies, expires=expires or "")
        secret = made.secret
    else:
        with client.deployment.store.errors():
            _, secret = _tokens(session).create(
                name, role=role or "", jobs=jobs, policies=policies, lifetime=lifetime, by=client.who
            )
    write(secret + "\n")
    say(f"this is the only time that {name}'s token is shown; send it as: Authorization: Bearer TOKEN")


@command(
    name="list",
    short_help="List tokens.",
    example="""
    dkronpy token list
    dkronpy token list --all -o wide
    """,
)
@click.option("--all", "everything", is_flag=True, help="Expired and revoked ones, too.")
@data_options()
@pass_session
def list_command(session: Session, printer: Printer, everything: bool) -> None:
    """List the tokens with what each may do and when it was last used (to the minute)."""
    if (tokens := _behind_server(session.client)) is not None:
        rows = [_row_out(one) for one in tokens.all()]
    else:
        store = session.client.deployment.store
        with store.errors():
            now_ms, found = store.now_ms(), _tokens(session).all()
        rows = [_row(one, now_ms) for one in found]
    rows = [row for row in rows if everything or row["state"] == "active"]
    printer.rows(COLUMNS, rows, nothing="no tokens; `dkronpy token create NAME --role admin` makes one")


@command(
    name="revoke",
    short_help="Revoke a token.",
    example="""
    dkronpy token revoke alice
    dkronpy token revoke 3f0c8a51d2e94b67 --yes
    """,
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def revoke(session: Session, name: str, yes: bool) -> None:
    """Take a token out of use at once, by its name or its id. The API stays closed to those without one."""
    confirm(f"revoke token {name}?", yes=yes)
    if (tokens := _behind_server(session.client)) is not None:
        ended = tokens.revoke(name)
        write(f"{ended.name} ({ended.id}) revoked\n")
        return
    with session.client.deployment.store.errors():
        gone = _tokens(session).revoke(name)
    write(f"{gone.name} ({gone.id}) revoked\n")


for verb in (create, list_command, revoke):
    token.add_command(verb)


def _behind_server(client: Client) -> RemoteTokens | None:
    """The tokens behind the server that is set; None where the store itself is."""
    from dkronpy.remote.client import Client as RemoteClient

    return client.tokens if isinstance(client, RemoteClient) else None


def _tokens(session: Session) -> Tokens:
    from dkronpy.api.tokens import Tokens

    return Tokens(session.client.deployment.store)


def _row_out(one: TokenOut) -> dict[str, Any]:
    from dkronpy.wire.runs import time_in

    return {
        "name": one.name, "state": one.state, "role": one.role, "jobs": one.jobs, "policies": one.policies,
        "used": time_in(one.used_at) or None, "expires": time_in(one.expires_at) or None,
        "created": time_in(one.created_at), "created_by": one.created_by, "id": one.id,
    }  # fmt: skip


def _row(one: Token, now_ms: int) -> dict[str, Any]:
    return {
        "name": one.name,
        "state": one.state(now_ms),
        "role": one.role,
        "jobs": list(one.jobs),
        "policies": list(one.policies),
        "used": one.used_ms or None,
        "expires": one.expires_ms or None,
        "created": one.created_ms,
        "created_by": one.created_by,
        "id": one.id,
    }
