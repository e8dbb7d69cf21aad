"""`dkronpy config acl`: the rules of Redis's ACL that a role's user needs, and no more."""

from __future__ import annotations

import click

from dkronpy.cli.output import write
from dkronpy.cli.session import Session, command, pass_session


@command(
    name="acl",
    short_help="Print the store's ACL rules for a role.",
    example="""
    dkronpy config acl beat
    dkronpy config acl agent --node web1
    dkronpy config acl server --user api --database 2 | sed "s/>PASSWORD/>$(cat password)/" >> /etc/redis/users.acl
    """,
)
@click.argument("role", type=click.Choice(("beat", "agent", "server")))
@click.option("--node", default="", metavar="NAME", help="The node whose agent it is.")
@click.option("--user", metavar="NAME", help="The user's name. [default: dkronpy-ROLE, dkronpy-agent-NODE]")
@click.option("--database", type=click.IntRange(0), default=0, show_default=True, help="The database of the store.")
@pass_session
def acl(session: Session, role: str, node: str, user: str | None, database: int) -> None:
    """Print the line of an ACL file that lets a beat, an agent or a server do its work, and nothing else.

    Put a password in the place of PASSWORD. The same words after `ACL SETUSER` make the user at once.
    Needs Redis 7 or Valkey.
    """
    from dkronpy.store.acl import rules
    from dkronpy.store.keys import Keys

    settings, _ = session.loaded  # nothing is asked of the store
    keys = Keys(prefix=settings.key_prefix, redbeat=settings.redbeat_key_prefix, broker=settings.broker_key_prefix)
    granted = rules(role, keys, node=node, database=database)  # type: ignore[arg-type]  # click has checked it
    name = user or f"dkronpy-{role}" + (f"-{node}" if role == "agent" else "")
    write(f"user {name} reset on >PASSWORD {' '.join(granted)}\n")
