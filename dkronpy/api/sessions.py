"""Sessions of people who signed in elsewhere: a secret for their browser, kept as its SHA-256 until it expires."""

from __future__ import annotations

import secrets
from datetime import timedelta

import msgspec

from dkronpy.api.access import Identity
from dkronpy.api.keys import keys_of
from dkronpy.api.tokens import PREFIX, digest
from dkronpy.store.connection import Store

SESSION = PREFIX + "session_"
"""What the secret of a session begins with."""
LOGIN_SECONDS = 600


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed in, and as what."""

    name: str
    role: str


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A login that is under way: what the provider's answer is checked with, and where to go then."""

    nonce: str
    verifier: str
    back: str


class Sessions:
    """Sessions and logins of a deployment; both end by themselves. redis-py's errors pass through."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.keys = keys_of(store)

    def create(self, session: Session, lifetime: timedelta) -> str:
        """Keep a session; its secret."""
        secret = SESSION + secrets.token_urlsafe(32)
        seconds = max(1, int(lifetime.total_seconds()))
        self.store.client.set(self.keys.session(digest(secret)), msgspec.json.encode(session), ex=seconds)
        return secret

    def find(self, secret: str) -> Identity | None:
        """Who has a session of this secret; None for nobody."""
        if not secret.startswith(SESSION):
            return None
        hashed = digest(secret)
        row = self.store.client.get(self.keys.session(hashed))
        if row is None:
            return None
        found = msgspec.json.decode(row, type=Session)
        return Identity(id=f"session {hashed[:8]}", name=found.name, role=found.role)

    def end(self, secret: str) -> None:
        """End a session at once."""
        self.store.client.delete(self.keys.session(digest(secret)))

    def begin_login(self, state: str, login: Login) -> None:
        """Remember a login for ten minutes."""
        self.store.client.set(self.keys.login(digest(state)), msgspec.json.encode(login), ex=LOGIN_SECONDS)

    def take_login(self, state: str) -> Login | None:
        """The login of a state; it can be taken once."""
        row = self.store.client.getdel(self.keys.login(digest(state)))
        return None if row is None else msgspec.json.decode(row, type=Login)
