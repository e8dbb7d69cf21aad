"""Secrets in HashiCorp Vault, or OpenBao: version 2 of its key-value store, by token or by AppRole.

Needs ``pip install "dkronpy[vault]"``. A secret ``crm/token`` is the key ``token`` of what lies at ``<prefix>/crm``;
one without a slash is the key ``value`` of what lies at ``<prefix>/<name>``.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from dkronpy.clock import Clock, SystemClock
from dkronpy.errors import ConfigError, NotFoundError, StoreUnavailableError
from dkronpy.settings import Settings

KEPT_SECONDS = 10.0
"""How long what Vault said is good for: many attempts may begin at once."""
TIMEOUT_SECONDS = 5.0


class Vault:
    """A client of one Vault; it signs in when it first needs to, and anew when its token has run out."""

    def __init__(self, settings: Settings, *, token: str = "", clock: Clock | None = None) -> None:
        self.url = settings.vault_url
        self.mount = settings.vault_mount.strip("/")
        self.prefix = settings.vault_prefix.strip("/")
        self._settings = settings
        self._token = token
        self._clock = clock or SystemClock()
        self._client: Any = None
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def where(self, name: str) -> str:
        """The place of a secret, as it is shown."""
        path, key = self._place(name)
        return f"{self.url} {self.mount}/{path} key {key}"

    def __call__(self, name: str) -> str | None:
        """The value of the secret called *name*; None where Vault has none.

        Raises StoreUnavailableError when Vault cannot be reached, ConfigError when it does not let us.
        """
        path, key = self._place(name)
        with self._lock:
            found = self._read(path)
        value = found.get(key)
        if value is None:
            return None
        return value if isinstance(value, str) else str(value)

    def _place(self, name: str) -> tuple[str, str]:
        folder, slash, key = name.rpartition("/")
        path, key = (folder, key) if slash else (name, "value")
        return (f"{self.prefix}/{path}" if self.prefix else path), key

    def _read(self, path: str) -> dict[str, Any]:
        now = self._clock.monotonic()
        kept = self._kept.get(path)
        if kept is not None and now - kept[0] < KEPT_SECONDS:
            return kept[1]
        found = self._asked(path)
        self._kept[path] = (now, found)
        return found

    def _asked(self, path: str) -> dict[str, Any]:
        import requests
        from hvac.exceptions import Forbidden, InvalidPath, VaultError

        try:
            try:
                return self._secret(path)
            except Forbidden:  # a token that has run out, as far as we can mend that
                if not self._settings.vault_role_id:
                    raise
                self._client = None
                return self._secret(path)
        except InvalidPath:
            return {}
        except Forbidden:
            self._client = None
            raise ConfigError(
                f"Vault at {self.url} does not let us read {self.mount}/{path}", hint="see the policy of its token"
            ) from None
        except (requests.RequestException, OSError) as error:
            self._client = None
            raise StoreUnavailableError(f"cannot reach Vault at {self.url}: {type(error).__name__}") from None
        except VaultError as error:
            raise StoreUnavailableError(
                f"Vault at {self.url} answered {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            ) from None

    def _secret(self, path: str) -> dict[str, Any]:
        if self._client is None:
            self._client = self._signed_in()
        answer = self._client.secrets.kv.v2.read_secret_version(
            path=path, mount_point=self.mount, raise_on_deleted_version=True
        )
        return dict(answer["data"]["data"])

    def _signed_in(self) -> Any:
        from dkronpy.plugins.registry import import_extra

        hvac = import_extra("hvac", extra="vault", plugin="vault")
        settings = self._settings
        client = hvac.Client(
            url=self.url, namespace=settings.vault_namespace or None, timeout=TIMEOUT_SECONDS,
            verify=settings.vault_ca or True, allow_redirects=False,
        )  # fmt: skip
        if settings.vault_role_id:
            client.auth.approle.login(role_id=settings.vault_role_id, secret_id=self._of_file("vault_secret_id_file"))
        else:
            client.token = self._token or self._of_file("vault_token_file")
        return client

    def _of_file(self, setting: str) -> str:
        path = Path(getattr(self._settings, setting)).expanduser()
        with suppress(OSError, UnicodeDecodeError):
            return path.read_text("utf-8").strip()
        raise NotFoundError(f"{setting}: {path} cannot be read, so that we cannot sign in at Vault")
