"""People sign in with a provider: a real one in a process of its own, and a browser's way there and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from dkronpy.api.login import local
from dkronpy.api.services import Services
from dkronpy.errors import ConfigError
from tests.api.site import Api, Site, site_on
from tests.oidc import Browser, oidc_provider, settings_of
from tests.support import StoreServer


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a provider that knows Ann of ops, Bob of dev, and Eve of nothing."""
    with oidc_provider(tmp_path_factory.mktemp("provider")) as url:
        yield url


@pytest.fixture(scope="module")
def site(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Api]]:
    """A server that sends people to the provider."""
    with StoreServer() as server, site_on(server, tmp_path_factory.mktemp("login"), settings_of(provider)) as found:
        _, api = found.serve()
        yield found, api


def test_who_signs_in_has_the_highest_role_of_their_groups_until_they_leave(site: tuple[Site, Api]) -> None:
    found, api = site
    assert api.get("/v1/jobs").status_code == 401
    ann = Browser()
    assert "Sign in with 127.0.0.1" in ann.get(f"{api.url}/ui/", timeout=20).text
    signed = ann.sign_in(api.url, "ann")
    assert (signed.status_code, 'url=/ui/jobs"' in signed.text) == (200, True), signed.text
    kept = {one.path: one for one in ann.cookies if one.name == "dkronpy_token"}
    assert set(kept) == {"/ui", "/flower"}
    for cookie in kept.values():
        assert (cookie.has_nonstandard_attr("HttpOnly"), cookie.get_nonstandard_attr("SameSite")) == (True, "strict")
    page = ann.get(f"{api.url}/ui/jobs", timeout=20)
    assert (page.status_code, "ann@example.org" in page.text) == (200, True)
    secret = str(kept["/ui"].value)
    assert kept["/flower"].value == secret
    assert Api(api.url, secret).get("/api/v1/audit").json()["items"][0]["detail"] == "signed in as admin"
    bob = Browser()
    bob.sign_in(api.url, "bob")
    session = Api(api.url, str(bob.cookies.get("dkronpy_token", path="/ui")))
    assert (session.get("/v1/jobs").status_code, session.get("/api/v1/audit").status_code) == (200, 403)
    csrf = re.search(r'name="csrf" value="([^"]+)"', ann.get(f"{api.url}/ui/settings", timeout=20).text)
    assert csrf is not None
    ann.post(f"{api.url}/ui/sign-out", data={"csrf": csrf[1]}, timeout=20)
    assert Api(api.url, secret).get("/v1/jobs").status_code == 401
    assert "dkronpy_token" not in [one.name for one in ann.cookies]
    keys = list(found.client.deployment.store.client.scan_iter("dkronpy:access:session:*"))
    assert len(keys) == 1
    assert 0 < found.client.deployment.store.client.ttl(keys[0]) <= 8 * 3600
    assert secret.encode() not in keys[0]


def test_who_has_no_role_gets_in_nowhere_and_is_in_the_audit_log(site: tuple[Site, Api]) -> None:
    found, api = site
    refused = Browser().sign_in(api.url, "eve")
    assert (refused.status_code, "has no role here" in refused.text) == (403, True)
    assert "dkronpy_token" not in refused.headers.get("Set-Cookie", "")
    denied = Services(found.client).audit.entries(outcome="denied", limit=1)[0]
    assert (denied.who, denied.path) == ("eve@example.org", "/oidc/callback")


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(site: tuple[Site, Api]) -> None:
    _, api = site
    ann, eve = Browser(), Browser()
    start = ann.get(f"{api.url}/oidc/login", allow_redirects=False, timeout=20)
    asked = parse_qs(urlsplit(start.headers["Location"]).query)
    assert (asked["code_challenge_method"], "nonce" in asked) == (["S256"], True)
    back = f"{api.url}/oidc/callback?code=x&state={asked['state'][0]}"
    assert eve.get(back, timeout=20).status_code == 403  # another browser: the state is not in its cookie
    assert ann.get(back, timeout=20).status_code == 403  # a code that the provider did not give
    assert ann.get(back, timeout=20).status_code == 403  # and a state is taken once
    assert ann.get(f"{api.url}/oidc/callback", timeout=20).status_code == 403


def test_a_server_without_a_provider_has_no_login(empty: Site) -> None:
    _, api = empty.serve()
    assert api.get("/oidc/login").status_code == 404


@pytest.mark.parametrize("path", ["", "//evil.example.org", "https://evil.example.org", "/ui/\\evil", "/v1/jobs"])
def test_the_way_back_leads_to_our_pages_only(path: str) -> None:
    assert local(path) == "/ui/"


def test_settings_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    from dkronpy.api.provider import open_provider
    from dkronpy.settings import Settings

    issuer = {"oidc_issuer": "https://login.example.org"}
    for given, wrong in (
        (issuer, "oidc_client_id"),
        ({**issuer, "oidc_client_id": "x"}, "oidc_roles"),
        ({**issuer, "oidc_client_id": "x", "oidc_roles": {"ops": "boss"}}, "there is no role 'boss'"),
    ):
        with pytest.raises(ConfigError, match=wrong):
            open_provider(Settings(**given))  # type: ignore[arg-type]
    assert open_provider(Settings()) is None
