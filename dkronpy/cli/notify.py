"""`dkronpy notify`: the channels by which people are told, and what they were told."""

from __future__ import annotations

from typing import Any

import click

from dkronpy.cli.output import Column, Printer, data_options, write
from dkronpy.cli.session import Session, command, group, pass_session

COLUMNS = (
    Column(name="name"),
    Column(name="notifier"),
    Column(name="on", kind="list"),
    Column(name="default", kind="truth"),
    Column(name="waiting"),
    Column(name="sent", kind="time"),
    Column(name="retry", kind="time", wide=True),
    Column(name="trouble"),
)
SENT = (
    Column(name="at", kind="time"),
    Column(name="channel"),
    Column(name="subject"),
    Column(name="notices", wide=True),
    Column(name="tries", wide=True),
    Column(name="trouble"),
)


@group()
def notify() -> None:
    """List and test the channels by which people are told."""


@command(
    name="list",
    short_help="List the channels.",
    example="""
    dkronpy notify list
    dkronpy notify list -o wide
    """,
)
@data_options()
@pass_session
def list_command(session: Session, printer: Printer) -> None:
    """List the channels, what waits for each, and what is wrong with those that fail."""
    rows: list[dict[str, Any]] = [
        {
            "name": view.name, "notifier": view.notifier, "on": list(view.on), "default": view.default,
            "waiting": view.waiting, "sent": view.sent_ms, "retry": view.retry_ms,
            "trouble": view.problem or view.error,
        }
        for view in session.client.notices.channels()
    ]  # fmt: skip
    printer.rows(COLUMNS, rows, nothing="no channels; the setting `channels` of config/settings.py names them")


@command(
    name="sent",
    short_help="List the last messages.",
    example="""
    dkronpy notify sent
    dkronpy notify sent --limit 5 -o json
    """,
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@data_options()
@pass_session
def sent(session: Session, limit: int, printer: Printer) -> None:
    """List the last messages, the newest first, with what went wrong."""
    rows: list[dict[str, Any]] = [
        {
            "at": one.at_ms, "channel": one.channel, "subject": one.subject, "notices": one.notices,
            "tries": one.tries, "trouble": one.error,
        }
        for one in session.client.notices.deliveries(limit)
    ]  # fmt: skip
    printer.rows(SENT, rows, nothing="nobody was told of anything yet")


@command(
    name="test",
    short_help="Send a test message to a channel.",
    example="""
    dkronpy notify test ops
    dkronpy notify test mailto:ops@example.com
    """,
)
@click.argument("channel")
@pass_session
def test(session: Session, channel: str) -> None:
    """Send a test message to a channel, with the settings and secrets of this machine, or of the server that is set."""
    session.client.notices.test(channel)
    write(f"{channel} took the message\n")


for verb in (list_command, sent, test):
    notify.add_command(verb)
