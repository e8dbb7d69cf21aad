"""The settings that say where HashiCorp Vault is, and how a machine signs in there."""

from __future__ import annotations

import msgspec


class VaultSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where secrets are looked up that are neither in the environment nor in a file."""

    vault_url: str = ""
    """The HashiCorp Vault, or OpenBao, that secrets are looked up in, such as ``https://vault:8200``. Empty: none."""

    vault_mount: str = "secret"
    """Where its key-value store (version 2) is mounted."""

    vault_prefix: str = "dkronpy"
    """What the paths of our secrets begin with: ``crm/token`` is the key ``token`` of ``dkronpy/crm``."""

    vault_namespace: str = ""
    """The namespace, where Vault has several."""

    vault_ca: str = ""
    """PEM file with the authorities to trust, instead of the system's."""

    vault_token_file: str = "~/.vault-token"  # noqa: S105 - where it is, not what
    """The file with the token, where ``$VAULT_TOKEN`` has none."""

    vault_role_id: str = ""
    """The AppRole to sign in as, instead of a token."""

    vault_secret_id_file: str = ""
    """The file with the AppRole's secret id."""
