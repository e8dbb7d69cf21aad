"""Tokens by way of a server."""

from __future__ import annotations

from collections.abc import Sequence

from dkronpy.remote.connection import Connection, segment
from dkronpy.wire.tokens import TokenAsked, TokenList, TokenMade, TokenOut

_PATH = "/api/v1/tokens"


class RemoteTokens:
    """The tokens of the deployment behind a server."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def create(
        self, name: str, *, role: str = "", jobs: Sequence[str] = (), policies: Sequence[str] = (), expires: str = ""
    ) -> TokenMade:
        """A new token and its secret, which nobody can read again. Raises InvalidError, ConflictError."""
        asked = TokenAsked(name=name, role=role, jobs=list(jobs), policies=list(policies), expires=expires)
        return self.connection.decode(TokenMade, self.connection.call("POST", _PATH, body=asked))

    def all(self) -> list[TokenOut]:
        """Every token that was ever made, the newest first."""
        return [one for page in self.connection.pages(TokenList, _PATH, all="true") for one in page.items]

    def revoke(self, name: str) -> TokenOut:
        """Take a token out of use, by its name or id. Raises NotFoundError."""
        return self.connection.decode(TokenOut, self.connection.call("DELETE", f"{_PATH}/{segment(name)}"))
