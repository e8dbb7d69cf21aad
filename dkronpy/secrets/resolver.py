"""Resolves a secret's name on the node, at the last moment: from the environment, or from a folder of files."""

from __future__ import annotations

import os
from pathlib import Path

from dkronpy.errors import NotFoundError
from dkronpy.secret import Secret
from dkronpy.settings import Settings

PREFIX = "DKRONPY_SECRET_"


def variable(name: str) -> str:
    """The environment variable of a secret: ``crm/token`` is ``DKRONPY_SECRET_CRM_TOKEN``."""
    return PREFIX + "".join(c if c.isalnum() else "_" for c in name).upper()


def folders(configured: str) -> list[Path]:
    """The folders that are searched: the setting alone, or systemd's and Docker's."""
    if configured:
        return [Path(configured)]
    found = [os.environ.get("CREDENTIALS_DIRECTORY", ""), "/run/secrets"]
    return [Path(folder) for folder in found if folder]


class SecretResolver:
    """The values that secrets stand for on this node. Raises NotFoundError, naming where it looked, never a value."""

    def __init__(self, secrets_dir: str = "") -> None:
        self._folders = folders(secrets_dir)

    @classmethod
    def of(cls, settings: Settings) -> SecretResolver:
        """The resolver that a deployment's settings stand for."""
        return cls(settings.secrets_dir)

    def __call__(self, secret: Secret) -> str:
        value = os.environ.get(variable(secret.secret))
        if value is not None:
            return value
        for folder in self._folders:
            path = folder / secret.secret
            if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                return path.read_text(encoding="utf-8").rstrip("\n")
        places = ", ".join([f"${variable(secret.secret)}", *(str(folder / secret.secret) for folder in self._folders)])
        raise NotFoundError(f"secret {secret.secret!r} is not on this node; looked at {places}")
