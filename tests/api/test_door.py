"""A server at its door: who guesses, comes from a strange page, comes before there is a token, or sends nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest

from dkronpy.api.rate import FAILURES
from dkronpy.api.services import Services
from tests.api.site import Api, Site, definition
from tests.support import spawn


def test_guessing_is_slowed_down_for_those_who_guess_only(empty: Site) -> None:
    _, api = empty.serve()
    services = Services(empty.client)
    known, fresh = (services.tokens.create(name, role="viewer")[1] for name in ("known", "fresh"))
    assert Api(api.url, known).get("/v1/jobs").status_code == 200
    statuses = [Api(api.url, f"guess-{number}").get("/v1/jobs").status_code for number in range(FAILURES + 3)]
    assert statuses == [401] * FAILURES + [429] * 3
    limited = Api(api.url, fresh).get("/v1/jobs")
    assert (limited.status_code, 0 < int(limited.headers["Retry-After"]) <= 60) == (429, True)
    assert Api(api.url, known).get("/v1/jobs").status_code == 200
    denied = services.audit.entries(outcome="denied", limit=100)
    assert len(denied) == FAILURES


def test_strange_hosts_and_strange_pages_stay_out(empty: Site) -> None:
    settings = {"DKRONPY_HTTP_HOSTS": "jobs.example.org", "DKRONPY_HTTP_ORIGINS": "https://ops.example.org"}
    _, api = empty.serve(**settings)
    port = api.url.rpartition(":")[2]
    for host, status in {
        "localhost": 200, f"127.0.0.1:{port}": 200, "[::1]:1": 200, "jobs.example.org:80": 200,
        "JOBS.example.org.": 200, "evil.example.org": 400, "10.0.0.1": 400, "127.0.0.1.evil.org": 400, "": 400,
    }.items():  # fmt: skip
        assert api.get("/v1/jobs", headers={"Host": host}).status_code == status, host
    for origin, status in {
        f"http://127.0.0.1:{port}": 201, "https://ops.example.org": 201, "https://evil.example.org": 403, "null": 403,
    }.items():  # fmt: skip
        answer = api.post("/v1/jobs", json=definition("page"), headers={"Origin": origin})
        assert answer.status_code == status, origin
        allowed = origin == "https://ops.example.org"
        assert (answer.headers.get("Access-Control-Allow-Origin") == origin) is allowed
    ask = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}
    good = api.call("OPTIONS", "/v1/jobs/x", headers={"Origin": "https://ops.example.org", **ask})
    assert (good.status_code, good.headers["Access-Control-Allow-Headers"]) == (204, "authorization")
    bad = api.call("OPTIONS", "/v1/jobs/x", headers={"Origin": "https://evil.example.org", **ask})
    assert (bad.status_code, "Access-Control-Allow-Origin" in bad.headers) == (404, False)
    assert api.get("/v1/jobs").headers["X-Content-Type-Options"] == "nosniff"


def test_an_image_of_another_site_pings_no_job(empty: Site) -> None:
    _, api = empty.serve()
    api.create("backup")
    for site, status in {"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200, "": 200}.items():
        headers = {"Sec-Fetch-Site": site} if site else {}
        assert api.get("/ping/backup", headers=headers).status_code == status, site


def test_an_open_server_says_so_and_closes_with_the_first_token_for_good(empty: Site) -> None:
    process, api = empty.serve()
    assert "NO TOKEN WAS MADE YET" in process.output
    assert [api.get(path).status_code for path in ("/v1/jobs", "/ui/jobs")] == [200, 200]
    assert Api(api.url, "of another time").get("/v1/jobs").status_code == 200
    tokens = Services(empty.client).tokens
    _, secret = tokens.create("first", role="viewer")
    assert [api.get(path).status_code for path in ("/v1/jobs", "/ui/jobs")] == [401, 303]
    assert Api(api.url, secret).get("/v1/jobs").status_code == 200
    tokens.revoke("first")
    assert Api(api.url, secret).get("/v1/jobs").status_code == 401
    assert api.get("/v1/jobs").status_code == 401


def test_a_server_that_others_reach_does_not_start_without_a_token(empty: Site, tmp_path: Path) -> None:
    arguments = ("server", "--address", "0.0.0.0", "--port", "0")
    with spawn(*arguments, log=tmp_path / "open.log", env=empty.environment) as process:
        assert process.wait() == 3
    assert "there is no token" in process.output
    assert "dkronpy token create" in process.output
    secret = Services(empty.client).tokens.create("a", role="admin")[1]
    _, api = empty.serve("--address", "0.0.0.0")
    url = api.url.replace("0.0.0.0", "127.0.0.1")
    assert Api(url, secret).get("/v1/jobs").status_code == 200
    assert Api(url).get("/v1/jobs").status_code == 401


def test_without_its_store_it_says_503_and_comes_back(empty: Site) -> None:
    _, api = empty.serve()
    api.create("kept")
    empty.server.kill()
    for path in ("/v1/jobs", "/api/v1/jobs", "/health"):
        assert api.get(path).status_code == 503, path
    assert "127.0.0.1" not in api.get("/health").text
    empty.server.start()
    assert api.names() == ["kept"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/jobs", b"{" * 100_000),
        ("POST", "/v1/jobs", b'{"name":' + b"[" * 100_000),
        ("POST", "/v1/acl/policies/x", b"[" * 100_000),
        ("PUT", "/api/v1/jobs/x", b"\xff" * 1000),
        ("POST", "/api/v1/validate", b"9" * 100_000),
        ("POST", "/v1/jobs", b"x" * 5_000_000),
        ("POST", "/v1/restore", b"x" * 1000),
    ],
)
def test_malformed_and_oversized_bodies_are_the_caller_s_mistake(api: Api, method: str, path: str, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data"} if path == "/v1/restore" else {}
    assert 400 <= api.call(method, path, data=body, headers=headers).status_code < 500
