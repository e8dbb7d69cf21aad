"""What the routes of one server share, and how a handler gets at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from litestar import Request
from litestar.connection import ASGIConnection

from dkronpy.api.access import Identity
from dkronpy.api.audit_log import AuditLog, Note
from dkronpy.api.catalogue import Catalogue
from dkronpy.api.peer import Ends, is_ours
from dkronpy.api.policies import Policies
from dkronpy.api.provider import Provider, open_provider
from dkronpy.api.rate import FailureLimit
from dkronpy.api.sessions import Sessions
from dkronpy.api.tokens import Tokens
from dkronpy.api.works import Works
from dkronpy.client import Client
from dkronpy.clock import Clock, SystemClock
from dkronpy.store.connection import Store

NOTE = "dkronpy.note"
IDENTITY = "dkronpy.identity"


def _nothing() -> None:
    """Who stops a server that nobody runs."""


@dataclass
class Services:
    """One server's. ``exposed`` says whether other machines reach it; then nobody gets in without a token."""

    client: Client
    exposed: bool = False
    clock: Clock = field(default_factory=SystemClock)
    stop: Callable[[], None] = _nothing
    tokens: Tokens = field(init=False)
    policies: Policies = field(init=False)
    audit: AuditLog = field(init=False)
    limit: FailureLimit = field(init=False)
    sessions: Sessions = field(init=False)
    provider: Provider | None = field(init=False)
    catalogue: Catalogue = field(init=False)
    works: Works = field(default_factory=Works)

    def __post_init__(self) -> None:
        self.tokens, self.policies = Tokens(self.store), Policies(self.store)
        self.audit, self.limit = AuditLog(self.store), FailureLimit(self.clock)
        self.sessions = Sessions(self.store)
        self.provider = open_provider(self.client.deployment.settings)
        self.catalogue = Catalogue(self.client, self.clock)

    def asks(self, ends: Ends) -> bool:
        """Whether whoever is at the other end has to say who they are. redis-py's errors pass through."""
        return self.guarded() or not is_ours(ends)

    def guarded(self) -> bool:
        """Whether everybody has to. redis-py's errors pass through."""
        return self.exposed or self.provider is not None or self.tokens.any()

    @property
    def store(self) -> Store:
        """The Redis behind everything."""
        return self.client.deployment.store

    @property
    def node(self) -> str:
        """The name of the machine that serves."""
        return self.client.deployment.settings.node


def services_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Services:
    """The services of the server that serves this connection."""
    return cast("Services", connection.app.state.services)


def identity_of(request: Request[Any, Any, Any]) -> Identity:
    """Who asks; the guard has found out."""
    return cast("Identity", request.scope[IDENTITY])  # type: ignore[literal-required]


def note_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Note:
    """What the audit log will say about this request."""
    return cast("Note", connection.scope.get(NOTE) or Note())
