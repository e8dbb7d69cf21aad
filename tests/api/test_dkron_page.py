"""Dkron's own page runs against our server from elsewhere: the seven values of its window, for whom they are meant."""

from __future__ import annotations

import json
import re

from dkronpy.api.services import Services
from tests.api.site import Api, Site

ORIGIN = "https://ui.example.org"


def values(api: Api, **headers: str) -> dict[str, object]:
    """What the script sets."""
    answer = api.get("/dkron.js", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    return {name: json.loads(value) for name, value in re.findall(r"(?m)^window\.DKRON_(\w+) = (.*);$", answer.text)}


def test_its_page_finds_seven_values(api: Api) -> None:
    before = values(api)
    api.create("of-the-page")
    found = values(api)
    assert found["API_URL"] == api.url.partition(":")[2] + "/v1"
    assert (found["ACL_ENABLED"], found["LEADER"]) == (False, api.get("/v1/leader").json()["Name"])
    changed = {name for name in found if found[name] != before[name]}
    assert changed == {"TOTAL_JOBS", "UNTRIGGERED_JOBS"}
    assert set(found) - changed == {"API_URL", "LEADER", "SUCCESSFUL_JOBS", "FAILED_JOBS", "ACL_ENABLED"}
    for name, query in {"SUCCESSFUL": "?status=success", "FAILED": "?status=failed", "TOTAL": ""}.items():
        assert found[f"{name}_JOBS"] == int(api.get(f"/v1/jobs{query}").headers["X-Total-Count"])


def test_only_who_may_read_sees_how_many_and_only_pages_that_are_named_load_it(empty: Site) -> None:
    _, api = empty.serve(DKRONPY_HTTP_ORIGINS=ORIGIN)
    api.create("one")
    secret = Services(empty.client).tokens.create("vic", role="viewer")[1]
    hidden = values(api)
    assert (hidden["ACL_ENABLED"], hidden["TOTAL_JOBS"], hidden["LEADER"]) == (True, 0, "no leader")
    assert values(Api(api.url, secret))["TOTAL_JOBS"] == 1
    assert Api(api.url, "guessed").get("/dkron.js").status_code == 401
    allowed = "Access-Control-Allow-Origin"
    assert api.get("/dkron.js", headers={"Origin": ORIGIN}).headers[allowed] == ORIGIN
    other = api.get("/dkron.js", headers={"Origin": "https://evil.example.org"}).headers
    assert (allowed in other, other["Cross-Origin-Resource-Policy"]) == (False, "same-origin")
