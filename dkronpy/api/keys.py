"""Every Redis key that the API adds, and for each family what bounds it."""

from __future__ import annotations

from dataclasses import dataclass

from dkronpy.store.connection import Store


@dataclass(frozen=True)
class ApiKeys:
    """The names below the deployment's prefix. None of them is read by beat or agents."""

    prefix: str

    @property
    def tokens(self) -> str:
        """Hash: SHA-256 of a secret → token; as many as were ever made."""
        return self.prefix + "access:tokens"

    @property
    def used(self) -> str:
        """Hash: token id → last used in ms; one a token."""
        return self.prefix + "access:used"

    @property
    def policies(self) -> str:
        """Hash: name → rules; as many as were made."""
        return self.prefix + "access:policies"

    @property
    def changes(self) -> str:
        """Stream: who changed what; trimmed."""
        return self.prefix + "access:changes"

    @property
    def denials(self) -> str:
        """Stream: who was denied what; trimmed. Apart, so that a flood of it pushes no change out."""
        return self.prefix + "access:denials"

    def repeat(self, digest: str) -> str:
        """String with expiry: the run that an idempotency key stands for."""
        return f"{self.prefix}access:repeat:{digest}"

    def session(self, digest: str) -> str:
        """String with expiry: somebody who signed in."""
        return f"{self.prefix}access:session:{digest}"

    def login(self, digest: str) -> str:
        """String with expiry: a login that is under way."""
        return f"{self.prefix}access:login:{digest}"

    @property
    def paused(self) -> str:
        """String: who paused submissions; there only while they are paused."""
        return self.prefix + "paused"

    @property
    def cursor(self) -> str:
        """String: the last event that was counted."""
        return self.prefix + "stats:cursor"

    @property
    def days(self) -> str:
        """Hash: ``day:outcome`` → attempts; a year of days."""
        return self.prefix + "stats:days"

    @property
    def totals(self) -> str:
        """Hash: outcome → executions."""
        return self.prefix + "stats:totals"

    @property
    def due_times(self) -> str:
        """Hash: outcome → due times; ``late``: those that beat came to late."""
        return self.prefix + "stats:due"

    def histogram(self, name: str) -> str:
        """Hash: ``job|bound`` → how many; at most so many jobs have a series of their own."""
        return f"{self.prefix}stats:{name}"


def keys_of(store: Store) -> ApiKeys:
    """The keys of a deployment."""
    return ApiKeys(store.keys.prefix)
