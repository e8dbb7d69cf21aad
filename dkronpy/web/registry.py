"""What the pages for admins ask of the server: its tokens, and its audit log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import msgspec

from dkronpy.errors import NotFoundError


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token; its secret is not. Times are ms (0: never)."""

    id: str
    name: str
    state: str
    role: str = ""
    jobs: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    created_ms: int = 0
    created_by: str = ""
    expires_ms: int = 0
    used_ms: int = 0


class LogRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the audit log; ``outcome`` is ``done`` or ``denied``."""

    id: str
    at_ms: int
    outcome: str
    who: str
    address: str = ""
    method: str = ""
    path: str = ""
    job: str = ""
    status: int = 0
    detail: str = ""


class Registry(Protocol):
    """Answers for one server. Every method raises StoreUnavailableError while the store is away."""

    roles: Sequence[str]

    def tokens(self) -> Sequence[TokenRow]:
        """Every token that was ever made, the newest first."""
        ...

    def create(self, name: str, *, role: str, jobs: Sequence[str], lifetime: timedelta | None, by: str) -> str:
        """Make a token; its secret. Raises InvalidError, and ConflictError where an active one has the name."""
        ...

    def revoke(self, token: str) -> str:
        """Take the token of this id out of use; its name. Raises NotFoundError."""
        ...

    def log(self, *, outcome: str, limit: int, before: str) -> Sequence[LogRow]:
        """Entries, the newest first; *before* is the id of the last one of the page before, or ''."""
        ...


class NoRegistry:
    """For pages without a server's guard: there is nothing to administer."""

    roles: Sequence[str] = ()

    def tokens(self) -> Sequence[TokenRow]:
        """None."""
        return ()

    def create(self, name: str, *, role: str, jobs: Sequence[str], lifetime: timedelta | None, by: str) -> str:
        """Nobody asks for tokens here."""
        raise NotFoundError("this server knows no tokens")

    def revoke(self, token: str) -> str:
        """Nobody asks for tokens here."""
        raise NotFoundError("this server knows no tokens")

    def log(self, *, outcome: str, limit: int, before: str) -> Sequence[LogRow]:
        """Nobody keeps one."""
        return ()
