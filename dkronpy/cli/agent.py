"""`dkronpy agent`: the process that executes on a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dkronpy.cli.node import read_tags
from dkronpy.cli.session import Session, command, pass_session, service_options

if TYPE_CHECKING:
    from dkronpy.settings import Settings

ROLE = "agent"


@command(
    name="agent",
    short_help="Run an agent, which executes on this node.",
    example="""
    dkronpy agent --name web1 --tag role=web --tag dc=fra
    dkronpy agent --capacity 4 --stop-grace 2m
    """,
)
@click.option("--name", metavar="NAME", help="The node's name. [default: the host's]")
@click.option("--tag", "tags", multiple=True, metavar="TAG=VALUE", help="A tag that jobs choose nodes by; repeatable.")
@click.option("--capacity", metavar="N", help="How many executions run at a time.")
@click.option("--stop-grace", metavar="DURATION", help="How long running executions may go on after a stop.")
@click.option("--data-dir", metavar="PATH", help="Where results are kept until the store has them.")
@click.option("--allow-root", is_flag=True, default=None, help="Run as root, and let jobs do so.")
@service_options
@pass_session
def agent(
    session: Session,
    name: str | None,
    tags: tuple[str, ...],
    capacity: str | None,
    stop_grace: str | None,
    data_dir: str | None,
    allow_root: bool | None,
) -> int:
    """Register this node and execute what its queue brings, until told to stop.

    On SIGTERM it takes no more work, lets what runs go on for --stop-grace, then ends it and records that.
    """
    session.flags.update(
        node_name=name,
        node_tags=read_tags(tags) or None,
        capacity=capacity,
        stop_grace=stop_grace,
        data_dir=data_dir,
        allow_root=allow_root,
    )
    return start_agent(session.settings, session.config_path)


def start_agent(settings: Settings, config: str | None) -> int:
    """Run an agent in this process until it is told to stop; the exit status."""
    from dkronpy.log import set_up_logging

    set_up_logging(f"{ROLE} {settings.node}", level=settings.log_level, form=settings.log_format)
    from dkronpy.agent.service import run_agent
    from dkronpy.app import make_app
    from dkronpy.deployment import deployment_of

    app = make_app(settings)
    return run_agent(app, deployment_of(app), config)
