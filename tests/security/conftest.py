"""A deployment that trusts one key, and an attacker who may write whatever he likes into its store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.acceptance.fleet import Fleet
from tests.support import StoreServer


def key_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """The files of a new private key and of its public half."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pem.pub"
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A beat and the node ``n1``, which offers ``shell`` and ``http`` and runs only what the deployment has signed."""
    folder = tmp_path_factory.mktemp("guarded")
    private, public = key_pair(folder, "deployment")
    settings = {
        "DKRONPY_SIGNING_KEY": str(private),
        "DKRONPY_TRUSTED_KEYS": str(public),
        "DKRONPY_EXECUTORS": "shell,http",
        "DKRONPY_RUN_AS": "daemon",
        "DKRONPY_NO_NEW_PRIVS": "true",
        "DKRONPY_SECRETS_DIR": str(folder / "secrets"),
        "DKRONPY_LOG_LEVEL": "debug",
    }
    with StoreServer(kind="valkey") as server, Fleet(server, folder, settings) as fleet:
        fleet.beat()
        fleet.agent("n1", role="web")
        fleet.leader_pid()
        yield fleet
