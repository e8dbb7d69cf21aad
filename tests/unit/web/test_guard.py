"""The pages behind the API's guard: who is asked for a token, and what it lets them do."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from dkronpy.api.app import make_api
from dkronpy.api.peer import SOCKET, inode_of
from dkronpy.api.services import Services
from dkronpy.cli.pages import pages_of
from dkronpy.client import Client
from tests.unit.web.conftest import Browser, save, visible


@pytest.fixture
def services(client: Client) -> Services:
    return Services(client)


@pytest.fixture
def guarded(services: Services) -> Iterator[Browser]:
    """The whole server, as a browser of this machine and user sees it: what asks has a socket of ours."""
    served: Any = make_api(services, hosts=["dkronpy.local"], pages=pages_of(services))
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as peer:
        answering, _ = listening.accept()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope |= {"client": peer.getsockname(), "server": peer.getpeername()}
            scope["state"] = {**scope.get("state", {}), SOCKET: inode_of(answering)}
            await served(scope, receive, send)

        with answering, TestClient(app, base_url="http://dkronpy.local") as test_client:
            yield Browser(test_client)


def sign_in(browser: Browser, services: Services, role: str, jobs: tuple[str, ...] = ()) -> None:
    _, secret = services.tokens.create(role, role=role, jobs=jobs)
    browser.get("/sign-in")
    browser.send("/sign-in", token=secret, next="/ui/")


def test_nobody_is_asked_until_there_is_a_token(guarded: Browser, services: Services) -> None:
    guarded.get("/jobs")
    services.tokens.create("first", role="admin")
    answer = guarded.client.get("/ui/jobs", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/sign-in?next=/ui/jobs")
    assert "Sign in" in guarded.get("/jobs")


def test_a_wrong_token_is_said_to_be_wrong(guarded: Browser, services: Services) -> None:
    services.tokens.create("first", role="admin")
    guarded.get("/sign-in")
    guarded.send("/sign-in", token="dkronpy_wrong")
    assert "unknown, expired or revoked" in guarded.get("/jobs")


@pytest.mark.parametrize(
    ("role", "run", "edit", "forget"),
    [("viewer", 403, 403, 403), ("operator", 303, 403, 403), ("editor", 303, 200, 403), ("admin", 303, 200, 404)],
)
def test_a_role_may_what_it_may(
    guarded: Browser, services: Services, client: Client, role: str, run: int, edit: int, forget: int
) -> None:
    save(client, "backup")
    sign_in(guarded, services, role)
    page = guarded.get("/jobs/backup")
    assert ("Run now" in page) == (run == 303)
    assert ("Edit" in page) == (edit == 200)
    assert role in page
    guarded.send("/jobs/backup/run", status=run)
    assert len(client.runs()) == (run == 303)
    guarded.get("/jobs/backup/edit", edit)
    guarded.send("/nodes/gone/forget", status=forget)


def test_a_token_of_some_jobs_sees_those(guarded: Browser, services: Services, client: Client) -> None:
    for name in ("web-1", "db-1"):
        save(client, name)
    client.run_job("db-1")
    sign_in(guarded, services, "operator", ("web-*",))
    assert re.findall(r'<tr id="job-([^"]+)"', guarded.get("/jobs")) == ["web-1"]
    assert "db-1" not in guarded.get("/runs")
    guarded.get("/jobs/db-1", 403)
    guarded.send("/jobs/db-1/run", status=403)
    guarded.send("/jobs/bulk", status=404, what="run", job=["web-1", "db-1"])
    assert len(client.runs()) == 1


def test_signing_out_and_revoking_end_it(guarded: Browser, services: Services) -> None:
    sign_in(guarded, services, "viewer")
    assert "sign out" in guarded.get("/")
    guarded.send("/sign-out")
    assert "Sign in" in guarded.get("/")
    services.tokens.create("other", role="viewer")
    sign_in(guarded, services, "editor")
    services.tokens.revoke("editor")
    assert "unknown, expired or revoked" in guarded.get("/")


def test_the_api_takes_no_cookie(guarded: Browser, services: Services) -> None:
    sign_in(guarded, services, "admin")
    secret = guarded.client.cookies.get("dkronpy_token", path="/ui")
    answer = guarded.client.get("/v1/jobs", headers={"cookie": f"dkronpy_token={secret}"})
    assert answer.status_code == 401


def test_a_page_elsewhere_cannot_send_forms(guarded: Browser, client: Client) -> None:
    save(client, "backup")
    guarded.get("/")
    csrf = guarded.client.cookies["dkronpy_csrf"]
    answer = guarded.client.post(
        "/ui/jobs/backup/run", data={"csrf": csrf}, headers={"origin": "https://evil.example"}, follow_redirects=False
    )
    assert answer.status_code == 403
    assert not client.runs()


def test_what_is_done_here_is_in_the_audit_log(guarded: Browser, services: Services, client: Client) -> None:
    save(client, "backup")
    sign_in(guarded, services, "operator")
    guarded.send("/jobs/backup/toggle", to="off")
    entry = services.audit.entries()[0]
    assert (entry.who, entry.job, entry.path) == ("operator", "backup", "/ui/jobs/backup/toggle")


def test_dkrons_addresses_lead_here(guarded: Browser) -> None:
    answer = guarded.client.get("/", headers={"accept": "text/html"}, follow_redirects=True)
    assert answer.url.path.rstrip("/") == "/ui"
    assert "Welcome" in answer.text


def test_the_first_token_is_an_admins_and_signs_its_maker_in(guarded: Browser, services: Services) -> None:
    assert "Nobody is asked for a token" in guarded.get("/tokens")
    refused = guarded.send("/tokens", status=422, name="me", role="viewer").text
    assert "it has to be an admin" in refused
    assert not services.tokens.any()
    made = guarded.send("/tokens", status=200, name="me", role="admin").text
    secret = re.search(r'class="secret">(dkronpy_[^<]+)<', made)
    assert secret
    token = services.tokens.find(secret[1])
    assert token
    assert (token.name, token.role) == ("me", "admin")
    again = guarded.get("/tokens")
    assert "me" in again
    assert secret[1] not in again


def test_an_admin_makes_and_revokes_tokens(guarded: Browser, services: Services) -> None:
    sign_in(guarded, services, "admin")
    made = guarded.send("/tokens", status=200, name="bi", role="operator", jobs="load-* report", expires="720h").text
    secret = re.search(r'class="secret">(dkronpy_[^<]+)<', made)
    assert secret
    token = services.tokens.find(secret[1])
    assert token
    assert (token.jobs, token.created_by) == (("load-*", "report"), "admin")
    assert token.expires_ms - token.created_ms == 30 * 24 * 3_600_000
    assert "there is an active token named" in guarded.send("/tokens", status=422, name="bi", role="viewer").text
    assert "no name for a token" in guarded.send("/tokens", status=422, name="<b>", role="viewer").text
    assert "nothing was revoked" in guarded.send("/tokens/revoke", status=400, id=token.id, name="b").text
    guarded.send("/tokens/revoke", status=404, id="nothing", name="bi")
    guarded.send("/tokens/revoke", id=token.id, name="bi")
    assert services.tokens.find(secret[1]) is None
    log = guarded.get("/audit")
    assert "token bi, role operator" in log
    assert secret[1] not in log


@pytest.mark.parametrize("role", ["viewer", "operator", "editor"])
def test_tokens_and_audit_log_are_the_admins_alone(guarded: Browser, services: Services, role: str) -> None:
    sign_in(guarded, services, role)
    for path in ("/tokens", "/audit"):
        guarded.get(path, 403)
        assert path not in guarded.get("/settings")
    guarded.send("/tokens", status=403, name="more", role="admin")
    guarded.send("/tokens/revoke", status=403, id=services.tokens.all()[0].id, name=role)
    assert len(services.tokens.all()) == 1


def test_an_admin_of_some_jobs_makes_no_tokens(guarded: Browser, services: Services) -> None:
    sign_in(guarded, services, "admin", jobs=("backup",))
    guarded.send("/tokens", status=403, name="more", role="admin")
    assert len(services.tokens.all()) == 1


def test_the_audit_log_says_who_did_what_and_who_was_denied(
    guarded: Browser, services: Services, client: Client
) -> None:
    save(client, "backup")
    save(client, "report")
    sign_in(guarded, services, "admin")
    assert "Nothing was denied yet" in guarded.get("/audit?outcome=denied")
    guarded.send("/jobs/backup/run")
    guarded.send("/jobs/report/toggle", to="off")
    guarded.client.get("/v1/jobs", headers={"Authorization": "Bearer wrong"})
    log = visible(guarded.get("/audit"))
    assert re.search(r"admin ran backup POST /ui/jobs/backup/run", log), log
    assert "switched report" in log
    assert "backup" not in visible(guarded.get("/audit?text=report"))
    assert "No entry fits" in guarded.get("/audit?who=somebody-else")
    assert "GET /v1/jobs" in guarded.get("/audit?outcome=denied")
