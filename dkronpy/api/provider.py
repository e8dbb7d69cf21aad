"""The provider that people sign in with: OpenID Connect, the authorization code flow with PKCE."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import requests

from dkronpy.api.access import ROLES
from dkronpy.errors import ConfigError, DeniedError, StoreUnavailableError
from dkronpy.plugins.registry import import_extra
from dkronpy.settings import Settings

SCOPE = "openid email profile"
EVERYBODY = "*"
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"]
_SECONDS = 10
_LEEWAY_SECONDS = 60


def open_provider(settings: Settings) -> Provider | None:
    """The provider that is set; None where none is.

    Raises ConfigError for settings that do not fit together, PluginError where the extra ``oidc`` is missing.
    """
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        raise ConfigError("oidc_client_id: oidc_issuer is set, and this is not", hint="the provider hands it out")
    if not settings.oidc_roles:
        hint = "group=role, several with commas: ops=admin,*=viewer"
        raise ConfigError("oidc_roles: nobody who signs in would be allowed anything", hint=hint)
    wrong = sorted(set(settings.oidc_roles.values()) - set(ROLES))
    if wrong:
        raise ConfigError(f"oidc_roles: there is no role {wrong[0]!r}", hint=f"one of {', '.join(ROLES)}")
    for module in ("authlib.integrations.requests_client", "joserfc.jwt"):
        import_extra(module, extra="oidc", plugin="oidc_issuer")
    return Provider(settings)


class Provider:
    """Talks to one provider. What it says of itself is asked for once, its keys again when one is unknown."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._facts: Mapping[str, Any] | None = None
        self._keys: Any = None

    @property
    def name(self) -> str:
        """Whom people sign in with, for a button."""
        return self.settings.oidc_issuer.partition("://")[2].partition("/")[0]

    def login_url(self, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent. Raises StoreUnavailableError when the provider does not answer."""
        with self._session(redirect) as session:
            url, _ = session.create_authorization_url(
                self._fact("authorization_endpoint"), state=state, nonce=nonce, code_verifier=verifier
            )
        return str(url)

    def claims(self, redirect: str, code: str, nonce: str, verifier: str) -> Mapping[str, Any]:
        """What the provider says of who has come back with *code*.

        Raises DeniedError for a code or an answer that is no good, StoreUnavailableError when it does not answer.
        """
        from authlib.integrations.base_client.errors import OAuthError

        try:
            with self._session(redirect) as session:
                answer = session.fetch_token(
                    self._fact("token_endpoint"), code=code, code_verifier=verifier, timeout=_SECONDS
                )
        except OAuthError as error:
            raise DeniedError(f"{self.name} does not accept the login: {error}") from None
        except requests.RequestException as error:
            raise StoreUnavailableError(f"{self.name} does not answer: {type(error).__name__}") from None
        return self._checked(str(answer.get("id_token", "")), nonce)

    def role(self, claims: Mapping[str, Any]) -> str:
        """The highest role of the groups that somebody is in; '' for none."""
        given = claims.get(self.settings.oidc_claim)
        groups = {given} if isinstance(given, str) else {str(one) for one in given or () if isinstance(given, list)}
        found = {role for group, role in self.settings.oidc_roles.items() if group in groups or group == EVERYBODY}
        return next((role for role in reversed(ROLES) if role in found), "")

    def who(self, claims: Mapping[str, Any]) -> str:
        """The name that the audit log shows: the mail address where the provider vouches for it."""
        if claims.get("email") and claims.get("email_verified", True):
            return str(claims["email"])[:100]
        return str(claims.get("preferred_username") or claims.get("sub"))[:100]

    def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError

        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._fact("issuer")},
            aud={"essential": True, "value": self.settings.oidc_client_id},
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            found = self._decoded(token)
            registry.validate(found)
        except (JoseError, ValueError) as error:
            raise DeniedError(f"the answer of {self.name} cannot be trusted: {error}") from None
        return found

    def _decoded(self, token: str) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError

        for fresh in (False, True):  # a provider that has changed its keys meanwhile is asked once more
            try:
                return dict(jwt.decode(token, self._key_set(fresh=fresh), algorithms=_ALGORITHMS).claims)
            except (JoseError, ValueError):
                if fresh:
                    raise
        raise AssertionError

    def _session(self, redirect: str) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        return OAuth2Session(
            self.settings.oidc_client_id, self.settings.oidc_client_secret or None, scope=SCOPE, redirect_uri=redirect,
            code_challenge_method="S256",
        )  # fmt: skip

    def _fact(self, name: str) -> str:
        with self._lock:
            if self._facts is None:
                issuer = self.settings.oidc_issuer.rstrip("/")
                found = self._get(f"{issuer}/.well-known/openid-configuration")
                if str(found.get("issuer", "")).rstrip("/") != issuer:
                    raise ConfigError(f"oidc_issuer: {issuer} calls itself {found.get('issuer')!r}")
                self._facts = found
            return str(self._facts[name])

    def _key_set(self, *, fresh: bool) -> Any:
        from joserfc.jwk import KeySet

        url = self._fact("jwks_uri")
        with self._lock:
            if self._keys is None or fresh:
                self._keys = KeySet.import_key_set(self._get(url))  # type: ignore[arg-type]
            return self._keys

    def _get(self, url: str) -> Mapping[str, Any]:
        try:
            answer = requests.get(url, timeout=_SECONDS, allow_redirects=False)
            answer.raise_for_status()
            found = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise StoreUnavailableError(f"{self.name} does not answer: {type(error).__name__} at {url}") from None
        if not isinstance(found, dict):
            raise StoreUnavailableError(f"{url} answers nothing that a provider would")
        return found
