"""Who may use Flower: whoever has a token of this deployment, as on the pages and over the API."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

import msgspec

from dkronpy.api.access import Asked, Identity, decide
from dkronpy.api.peer import Ends, is_ours
from dkronpy.api.policies import Policies
from dkronpy.api.rate import FailureLimit
from dkronpy.api.secrets_given import secret_of
from dkronpy.api.sessions import Sessions
from dkronpy.api.tokens import Tokens, digest
from dkronpy.clock import Clock
from dkronpy.errors import DkronpyError
from dkronpy.store.connection import Store
from dkronpy.web.places import TOKEN_COOKIE

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a request goes on: an answer instead of what was asked for, or 200 and whether somebody signed in."""

    status: int = 200
    text: str = ""
    signed_in: bool = False

    @property
    def good(self) -> bool:
        """Whether it goes on."""
        return self.status == 200


class FlowerDoor:
    """Decides about each request; *public* is open to all, *provided* says whether a provider vouches for people.

    Flower shows every job, so that a token for some jobs does not open it.
    """

    def __init__(
        self, store: Store, clock: Clock, *, exposed: bool, provided: bool = False, public: str = "/healthcheck"
    ) -> None:
        self._store, self._exposed, self.provided, self._public = store, exposed, provided, public
        self._sessions = Sessions(store)
        self._tokens, self._policies, self._limit = Tokens(store), Policies(store), FailureLimit(clock)

    def judge(self, method: str, path: str, headers: Mapping[str, str], address: str, ends: Ends) -> Verdict:
        """What becomes of a request; *address* is whose failures are counted, *ends* are those of its connection."""
        if path == self._public:
            return Verdict()
        if method not in _SAFE and not _from_here(headers):
            return Verdict(status=403, text="another site's page sent this, so nothing was done")
        try:
            with self._store.errors():
                return self._decide(method, path, headers, address, ends)
        except DkronpyError as error:
            return Verdict(status=503, text=str(error))

    def _decide(self, method: str, path: str, headers: Mapping[str, str], address: str, ends: Ends) -> Verdict:
        if not self._exposed and not self.provided and not self._tokens.any() and is_ours(ends):
            return Verdict()
        secret = secret_of(headers.get("Authorization", "")) or _cookie(headers.get("Cookie", ""))
        if not secret:
            return Verdict(status=401, text="Sign in with a token of dkronpy as the password; any name will do.")
        hashed = digest(secret)
        if self._limit.wait(address, hashed):
            return Verdict(status=429, text="too many failures from this address")
        identity = self._sessions.find(secret) or self._owner(secret)
        if identity is None:
            self._limit.failed(address)
            return Verdict(status=401, text="This token is unknown, expired or revoked.")
        self._limit.succeeded(hashed)
        action = "read" if method in _SAFE else "administer"
        if not decide(identity, Asked(action=action, method=method, path=path, whole=True)):
            return Verdict(status=403, text=f"{identity.name} may not do this")
        return Verdict(signed_in=True)

    def _owner(self, secret: str) -> Identity | None:
        token = self._tokens.find(secret)
        if token is None:
            return None
        rules = self._policies.rules(token.policies)
        return Identity(id=token.id, name=token.name, role=token.role, jobs=token.jobs, rules=rules)


def _from_here(headers: Mapping[str, str]) -> bool:
    """Whether a page of this very server sent it, or no browser did."""
    site = headers.get("Sec-Fetch-Site")
    if site:
        return site in {"same-origin", "none"}
    origin = headers.get("Origin")
    return not origin or urlsplit(origin).netloc == headers.get("Host")


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(TOKEN_COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
