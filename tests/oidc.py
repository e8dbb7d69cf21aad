"""A provider of logins in a process of its own, and a browser's way there and back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.support import free_port, wait_until


class Browser(requests.Session):
    """Keeps cookies, follows redirects, and fills in the provider's form."""

    def sign_in(self, url: str, who: str) -> requests.Response:
        """From the login page of the server at *url* to the answer of its callback."""
        form = self.get(f"{url}/oidc/login?next=/ui/jobs", timeout=20)
        return self.post(form.url, data={"sub": who, "action": "authorize"}, timeout=20)


@contextmanager
def oidc_provider(folder: Path) -> Iterator[str]:
    """The address of a provider that knows Ann of ops, Bob of dev, and Eve of nothing; its log is in *folder*."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    with (folder / "log").open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink)
    try:
        wait_until(lambda: _answers(url), timeout=40, description="the provider answers")
        for who, groups in (("ann", ["ops", "dev"]), ("bob", "dev"), ("eve", [])):
            claims = {"email": f"{who}@example.org", "groups": groups}
            assert requests.put(f"{url}/users/{who}", json=claims, timeout=10).status_code < 300
        yield url
    finally:
        process.terminate()
        process.wait(10)


def settings_of(provider: str) -> dict[str, str]:
    """What a deployment is told of the provider: ops are admins, dev are operators."""
    return {
        "DKRONPY_OIDC_ISSUER": provider,
        "DKRONPY_OIDC_CLIENT_ID": "dkronpy",
        "DKRONPY_OIDC_CLIENT_SECRET": "between-us",
        "DKRONPY_OIDC_ROLES": "ops=admin,dev=operator",
    }


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/.well-known/openid-configuration", timeout=2).status_code == 200
    except requests.RequestException:
        return False
