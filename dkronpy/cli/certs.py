"""`dkronpy certs`: a private certificate authority for TLS between the parts of a deployment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from dkronpy.cli.failure import say
from dkronpy.cli.output import write
from dkronpy.cli.session import Session, command, group, pass_session

FOLDER = click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default="certs", show_default=True,
    help="Where the authority and the certificates are kept.",
)  # fmt: skip


@group(short_help="Make certificates of an own authority.")
def certs() -> None:
    """A private certificate authority: certificates for the store, the broker, the API, and for those who sign in
    with one. All files are PEM; private keys have mode 600. Guard ca.key, and take it off the machines.
    """


@command(
    name="ca",
    short_help="Make the authority.",
    example="""
    dkronpy certs ca --dir /etc/dkronpy/certs
    """,
)
@FOLDER
@click.option("--name", default="dkronpy CA", show_default=True, help="Its common name.")
@click.option("--days", type=click.IntRange(1), default=3650, show_default=True, help="How long it is good for.")
@pass_session
def ca(session: Session, folder: Path, name: str, days: int) -> None:
    """Write ca.crt, which everybody is given, and ca.key, with which certificates are issued."""
    del session
    from dkronpy.certificates import Authority

    made = Authority.create(folder, name=name, lifetime=timedelta(days=days))
    write(f"{made.certificate_file}\n{made.key_file}\n")


@command(
    name="issue",
    short_help="Issue a certificate.",
    example="""
    dkronpy certs issue redis.internal --dir /etc/dkronpy/certs
    dkronpy certs issue node1 --san 10.0.0.7 --san node1.example.org
    """,
)
@click.argument("name")
@click.option("--san", "names", multiple=True, metavar="NAME", help="Another name or address; repeatable.")
@FOLDER
@click.option("--days", type=click.IntRange(1), default=397, show_default=True, help="How long it is good for.")
@pass_session
def issue(session: Session, name: str, names: tuple[str, ...], folder: Path, days: int) -> None:
    """Issue a certificate for a server or a client called NAME: NAME.crt and NAME.key; older ones are replaced."""
    del session
    from dkronpy.certificates import Authority

    certificate, key = Authority.load(folder).issue(name, names=names, lifetime=timedelta(days=days))
    write(f"{certificate}\n{key}\n")
    say(f"whoever talks to {name} is given {folder / 'ca.crt'} as the authority to trust")


for verb in (ca, issue):
    certs.add_command(verb)
