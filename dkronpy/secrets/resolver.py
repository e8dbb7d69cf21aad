"""Resolves a secret's name on the node, at the last moment: from the environment, a folder of files, or Vault."""

from __future__ import annotations

import os
from pathlib import Path

from dkronpy.errors import ConfigError, NotFoundError
from dkronpy.secret import Secret
from dkronpy.secrets.vault import Vault
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


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except UnicodeDecodeError:  # whose text tells some of it
        raise ConfigError(f"secret {name!r}: {path} is not UTF-8 text") from None


class SecretResolver:
    """The values that secrets stand for on this node.

    Raises NotFoundError, naming where it looked, never a value, ConfigError for a file that is no text; and what Vault
    raises.
    """

    def __init__(self, secrets_dir: str = "", vault: Vault | None = None) -> None:
        self._folders = folders(secrets_dir)
        self._vault = vault

    @classmethod
    def of(cls, settings: Settings) -> SecretResolver:
        """The resolver that a deployment's settings stand for."""
        vault = Vault(settings, token=os.environ.get("VAULT_TOKEN", "")) if settings.vault_url else None
        return cls(settings.secrets_dir, vault)

    def __call__(self, secret: Secret) -> str:
        name = secret.secret
        value = os.environ.get(variable(name))
        if value is not None:
            return value
        for folder in self._folders:
            path = folder / name
            if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                return _read(path, name)
        value = self._vault(name) if self._vault is not None else None
        if value is not None:
            return value
        places = [f"${variable(name)}", *(str(folder / name) for folder in self._folders)]
        if self._vault is not None:
            places.append(self._vault.where(name))
        raise NotFoundError(f"secret {name!r} is not on this node; looked at {', '.join(places)}")
