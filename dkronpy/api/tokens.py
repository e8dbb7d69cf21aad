"""Tokens: 256 random bits that are shown once, and kept as their SHA-256 with role, jobs, policies and expiry."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import get_args

import msgspec

from dkronpy.api.access import Role
from dkronpy.api.keys import keys_of
from dkronpy.errors import ConflictError, InvalidError, NotFoundError, Problem
from dkronpy.store.connection import Store

PREFIX = "dkronpy_"
"""What a secret begins with, so that scanners of repositories and logs find one that leaked."""
USED_EVERY_MS = 60_000
_NAME = re.compile(r"[\w.@-]{1,100}")


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token; the secret is not. Times are milliseconds since the epoch (0: never)."""

    id: str
    name: str
    role: str = ""
    jobs: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    created_ms: int
    created_by: str = ""
    expires_ms: int = 0
    revoked_ms: int = 0
    used_ms: int = 0

    def state(self, now_ms: int) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_ms:
            return "revoked"
        return "expired" if self.expires_ms and now_ms >= self.expires_ms else "active"


class Tokens:
    """The tokens of a deployment. redis-py's errors pass through."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.keys = keys_of(store)
        self._noted: dict[str, int] = {}
        self._lock = threading.Lock()

    def create(
        self,
        name: str,
        *,
        role: str = "",
        jobs: Sequence[str] = (),
        policies: Sequence[str] = (),
        lifetime: timedelta | None = None,
        by: str = "",
    ) -> tuple[Token, str]:
        """A new token and its secret, which nobody can read again.

        Raises InvalidError with every problem, ConflictError when an active one has the name.
        """
        problems = self._problems(name, role, policies)
        if problems:
            raise InvalidError("token", problems)
        now_ms = self.store.now_ms()
        if any(token.name == name and token.state(now_ms) == "active" for token in self.all()):
            raise ConflictError(f"there is an active token named {name!r}", hint="revoke it, or take another name")
        token = Token(
            id=secrets.token_hex(8),
            name=name,
            role=role,
            jobs=tuple(jobs),
            policies=tuple(policies),
            created_ms=now_ms,
            created_by=by,
            expires_ms=now_ms + lifetime // timedelta(milliseconds=1) if lifetime else 0,
        )
        secret = PREFIX + secrets.token_urlsafe(32)
        self.store.client.hset(self.keys.tokens, digest(secret), msgspec.json.encode(token))
        return token, secret

    def find(self, secret: str) -> Token | None:
        """The active token of a secret; None for any other. Notes that it was used, at most once a minute."""
        row = self.store.client.hget(self.keys.tokens, digest(secret))
        if row is None:
            return None
        token = msgspec.json.decode(row, type=Token)
        now_ms = self.store.now_ms()
        if token.state(now_ms) != "active":
            return None
        with self._lock:
            due = now_ms - self._noted.get(token.id, 0) >= USED_EVERY_MS
            if due:
                self._noted[token.id] = now_ms
        if due:
            self.store.client.hset(self.keys.used, token.id, now_ms)
        return token

    def all(self) -> list[Token]:
        """Every token that was ever made, the newest first."""
        used = self.store.client.hgetall(self.keys.used)
        rows = self.store.client.hvals(self.keys.tokens)
        tokens = [msgspec.json.decode(row, type=Token) for row in rows]
        known = [
            msgspec.structs.replace(token, used_ms=int(used.get(token.id.encode(), 0))) if used else token
            for token in tokens
        ]
        return sorted(known, key=lambda token: (token.created_ms, token.id), reverse=True)

    def any(self) -> bool:
        """Whether one was ever made; from then on a server asks for one, also after it expired or was revoked."""
        return bool(self.store.client.exists(self.keys.tokens))

    def revoke(self, name: str) -> Token:
        """Take the active token of this name, or any of this id, out of use at once. Raises NotFoundError."""
        now_ms = self.store.now_ms()
        for field, row in self.store.client.hgetall(self.keys.tokens).items():
            token = msgspec.json.decode(row, type=Token)
            if not token.revoked_ms and (token.id == name or (token.name == name and token.state(now_ms) == "active")):
                token = msgspec.structs.replace(token, revoked_ms=now_ms)
                self.store.client.hset(self.keys.tokens, field, msgspec.json.encode(token))
                return token
        raise NotFoundError(f"there is no active token {name!r}", hint="`dkronpy token list` names them all")

    def _problems(self, name: str, role: str, policies: Sequence[str]) -> list[Problem]:
        problems = []
        if not _NAME.fullmatch(name):
            message = f"{name!r} is no name for a token"
            problems.append(Problem("name", name, message, "1 to 100 letters, digits, '_', '-', '.' and '@'"))
        if bool(role) == bool(policies):
            problems.append(Problem("role", role, "a token has either a role or policies", "--role viewer, for one"))
        elif role and role not in get_args(Role):
            problems.append(Problem("role", role, f"there is no role {role!r}", f"one of {', '.join(get_args(Role))}"))
        known = {name.decode() for name in self.store.client.hkeys(self.keys.policies)} if policies else set()
        gone = [policy for policy in policies if policy not in known]
        hint = "POST /v1/acl/policies/NAME makes one"
        return problems + [Problem("policy", one, f"there is no policy {one!r}", hint) for one in gone]


def digest(secret: str) -> str:
    """What is kept of a secret. It is random, so that one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
