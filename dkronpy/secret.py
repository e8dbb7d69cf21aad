"""A secret is named in a definition and resolved on the node, at the last moment; this is the name."""

from __future__ import annotations

import msgspec


class Secret(msgspec.Struct, frozen=True):
    """A reference to a secret: ``{"secret": "crm/token"}`` in JSON. It never holds the value."""

    secret: str

    def __str__(self) -> str:
        return f"secret({self.secret!r})"


def secret(name: str) -> Secret:
    """Refer to the secret called *name* (letters, digits, ``_ - . /``)."""
    return Secret(secret=name)
