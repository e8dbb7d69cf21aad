"""Who may see and do what on the pages: every route of them for every role against one table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dkronpy.api.access import GRANTS
from dkronpy.api.app import make_litestar
from dkronpy.api.services import Services
from dkronpy.api.traffic import Traffic
from dkronpy.cli.pages import pages_of
from dkronpy.client import Client
from dkronpy.settings import Settings
from tests.api.site import Api, site_on
from tests.api.test_access import ADMIN, EDIT, OPERATE, PATHS, PUBLIC, READ
from tests.support import StoreServer

TABLE = {
    "GET /ui": READ,
    "GET /ui/jobs": READ,
    "POST /ui/jobs/bulk": OPERATE,
    "GET /ui/jobs/{job}": READ,
    "POST /ui/jobs/{job}/toggle": OPERATE,
    "POST /ui/jobs/{job}/delete": EDIT,
    "GET /ui/jobs/{job}/run": OPERATE,
    "POST /ui/jobs/{job}/run": OPERATE,
    "GET /ui/jobs/{job}/statistics": READ,
    "GET /ui/jobs/{job}/due": READ,
    "GET /ui/jobs/{job}/definition": READ,
    "POST /ui/jobs/{job}/rollback": EDIT,
    "GET /ui/new": EDIT,
    "POST /ui/new": EDIT,
    "GET /ui/jobs/{job}/edit": EDIT,
    "POST /ui/jobs/{job}/edit": EDIT,
    "POST /ui/check": READ,
    "GET /ui/graph": READ,
    "GET /ui/runs": READ,
    "GET /ui/runs/{run}": READ,
    "GET /ui/runs/{run}/output/{index}/{attempt}": READ,
    "GET /ui/runs/{run}/follow/{index}/{attempt}": READ,
    "POST /ui/runs/{run}/cancel": OPERATE,
    "POST /ui/runs/{run}/rerun": OPERATE,
    "GET /ui/nodes": READ,
    "GET /ui/nodes/{node}": READ,
    "POST /ui/nodes/{node}/forget": ADMIN,
    "POST /ui/nodes/{node}/drain": ADMIN,
    "POST /ui/nodes/{node}/undrain": ADMIN,
    "GET /ui/schedule": READ,
    "GET /ui/schedule/spread": EDIT,
    "POST /ui/schedule/spread": EDIT,
    "GET /ui/executors": READ,
    "GET /ui/settings": READ,
    "POST /ui/preferences": READ,
    "POST /ui/settings/channels/test": ADMIN,
    "GET /ui/pauses": READ,
    "POST /ui/pauses": OPERATE,
    "POST /ui/pauses/resume": OPERATE,
    "POST /ui/jobs/{job}/pause": OPERATE,
    "POST /ui/jobs/{job}/resume": OPERATE,
    "GET /ui/timeline": READ,
    "GET /ui/tokens": ADMIN,
    "POST /ui/tokens": ADMIN,
    "POST /ui/tokens/revoke": ADMIN,
    "GET /ui/audit": ADMIN,
    "POST /ui/examples": EDIT,
    "POST /ui/crontab": EDIT,
    "GET /ui/events": READ,
    "GET /ui/sign-in": PUBLIC,
    "POST /ui/sign-in": PUBLIC,
    "POST /ui/sign-out": PUBLIC,
    "GET /ui/static/{digest}/{name}": PUBLIC,
    "GET /ui/{rest}": READ,
    "GET /ui/jobs/{job}/{rest}": READ,
    "GET /ui/runs/{run}/{rest}": READ,
    "GET /ui/nodes/{node}/{rest}": READ,
    "GET /ui/schedule/{rest}": READ,
}
PLACES = {**PATHS, "index": "0", "attempt": "1", "digest": "x", "rest": "no/such/page"}
CSRF = "a-token-of-this-browser"


def declared() -> list[str]:
    """Every method and path of the pages."""
    services = Services(Client(Settings(store_url="redis://127.0.0.1:1")))
    app = make_litestar(services, Traffic(), pages=pages_of(services))
    found = set()
    for route in app.routes:
        methods: set[str] = getattr(route, "methods", set())
        found |= {f"{one} {route.path_format}" for one in methods - {"OPTIONS"} if route.path_format.startswith("/ui")}
    return sorted(found)


def test_the_table_has_every_page_and_no_other() -> None:
    assert declared() == sorted(TABLE)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, dict[str, str]]]:
    """A server with a token for each role."""
    with StoreServer() as server, site_on(server, tmp_path_factory.mktemp("pages")) as site:
        _, api = site.serve()
        tokens = Services(site.client).tokens
        yield api, {role: tokens.create(role, role=role)[1] for role in GRANTS}


@pytest.mark.parametrize("route", sorted(TABLE))
def test_each_role_may_do_what_the_table_says_and_nothing_else(guarded: tuple[Api, dict[str, str]], route: str) -> None:
    api, secrets = guarded
    method, path = route.split()
    for name, value in PLACES.items():
        path = path.replace("{" + name + "}", value)
    for role in ("nobody", *GRANTS):
        sent = {"data": {"csrf": CSRF}} if method == "POST" else {}
        headers = {"Cookie": f"dkronpy_csrf={CSRF}"}
        with Api(api.url, secrets.get(role, "")).call(method, path, headers=headers, stream=True, **sent) as answer:
            asked = answer.status_code == 303 and answer.headers["Location"].startswith("/ui/sign-in?")
            refused = asked if role == "nobody" else answer.status_code == 403
            assert (role, refused) == (role, role not in TABLE[route].split()), answer.status_code
            assert answer.status_code < 500, answer.text
