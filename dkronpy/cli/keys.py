"""`dkronpy keys`: the key that signs definitions, and what nodes trust."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dkronpy.cli.failure import say
from dkronpy.cli.job import confirm
from dkronpy.cli.output import Column, Printer, data_options, write
from dkronpy.cli.session import Session, command, group, pass_session
from dkronpy.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COLUMNS = (Column(name="job"), Column(name="revision"), Column(name="state"), Column(name="why"))


@group(short_help="Make and change the key that signs jobs.")
def keys() -> None:
    """The key that signs definitions. A node that is given its public half runs nothing that was not signed by it."""


@command(
    name="new",
    short_help="Make a key pair.",
    example="""
    dkronpy keys new /etc/dkronpy/signing.pem
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def new(session: Session, file: Path) -> None:
    """Write a new private key to FILE (mode 600), and its public half beside it, to FILE with .pub at its end."""
    del session
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with open(file, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(private)
        beside(file).write_bytes(pem_of(key.public_key()))
    except FileExistsError:
        raise ConfigError(f"{file} is there already", hint="name another file: a key is never overwritten") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from None
    write(f"{file}\n{beside(file)}\n")
    say("DKRONPY_SIGNING_KEY where jobs are saved is the first, DKRONPY_TRUSTED_KEYS on every node the second")


@command(
    name="public",
    short_help="Print the public half of a key.",
    example="""
    dkronpy keys public /etc/dkronpy/signing.pem
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def public(session: Session, file: Path) -> None:
    """Print the public half of the private key in FILE, in PEM form."""
    del session
    from dkronpy.signing import Signer

    write(pem_of(Signer.load(file).public).decode())


@command(
    name="sign",
    short_help="Sign every job with the key of this process.",
    example="""
    dkronpy keys sign
    dkronpy keys sign --yes
    """,
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def sign(session: Session, yes: bool) -> None:
    """Sign every stored definition that the key of this process (signing_key) has not signed; each becomes a revision
    more. What it signs, nodes will run: look at `dkronpy keys check` first.
    """
    jobs = session.client.deployment.jobs
    if jobs.signer is None:
        raise ConfigError("there is no key to sign with", hint="set DKRONPY_SIGNING_KEY to the file that holds it")
    with session.client.deployment.store.errors():
        wanted = [stored for stored in jobs.all() if not jobs.signed(stored.job.name)]
        if wanted:
            names = ", ".join(stored.job.name for stored in wanted)
            confirm(f"sign {len(wanted)} as they are: {names}?", yes=yes)
        for stored in wanted:
            jobs.save(stored.job, source=stored.source, revision=stored.revision)
    write(f"{len(wanted)} signed by {jobs.signer.id}\n")


@command(
    name="check",
    short_help="Say which jobs nodes would refuse.",
    example="""
    dkronpy keys check
    dkronpy keys check -o json
    """,
)
@data_options()
@pass_session
def check(session: Session, printer: Printer) -> int:
    """List the jobs whose signatures do not fit the keys that are trusted here. Exit status 1 if there are any."""
    from dkronpy.signing import SignatureError

    deployment = session.client.deployment
    verifier = deployment.verifier
    if verifier is None:
        raise ConfigError("no key is trusted here", hint="set DKRONPY_TRUSTED_KEYS to the public keys of the nodes")
    rows = []
    with deployment.store.errors():
        for name, body, revision in deployment.jobs.bodies(deployment.jobs.names()):
            try:
                verifier.check(body, name, revision)
            except SignatureError as error:
                rows.append({"job": name, "revision": revision, "state": "refused", "why": str(error)})
    printer.rows(COLUMNS, rows, nothing="every job is signed by a key that is trusted")
    return 1 if rows else 0


for verb in (new, public, sign, check):
    keys.add_command(verb)


def beside(file: Path) -> Path:
    """Where the public half of a new key is written."""
    return file.with_name(f"{file.name}.pub")


def pem_of(key: Ed25519PublicKey) -> bytes:
    """A public key in PEM form."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
