"""Who may do what: every route for every role against one table, and what each refusal leaves behind."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dkronpy.api.access import GRANTS, Asked, Identity, decide
from dkronpy.api.app import make_litestar
from dkronpy.api.services import Services
from dkronpy.api.traffic import Traffic
from dkronpy.client import Client
from dkronpy.settings import Settings
from tests.api.site import Api, Site, definition, restore_file, site_on
from tests.support import Spawned, StoreServer

READ, OPERATE, EDIT, ADMIN = "viewer operator editor admin", "operator editor admin", "editor admin", "admin"
PUBLIC = "nobody viewer operator editor admin"
TABLE = {
    "GET /": PUBLIC,
    "GET /health": PUBLIC,
    "GET /dkron.js": PUBLIC,
    "GET /oidc/login": PUBLIC,
    "GET /oidc/callback": PUBLIC,
    "GET /metrics": READ,
    "GET /debug/vars": READ,
    "GET /v1": READ,
    "GET /v1/members": READ,
    "GET /v1/leader": READ,
    "GET /v1/isleader": READ,
    "POST /v1/leave": ADMIN,
    "GET /v1/busy": READ,
    "GET /v1/pause": READ,
    "POST /v1/pause": ADMIN,
    "POST /v1/unpause": ADMIN,
    "GET /v1/stats": READ,
    "GET /v1/jobs": READ,
    "POST /v1/jobs": EDIT,
    "PATCH /v1/jobs": EDIT,
    "GET /v1/jobs/{job}": READ,
    "PUT /v1/jobs/{job}": EDIT,
    "DELETE /v1/jobs/{job}": EDIT,
    "POST /v1/jobs/{job}": OPERATE,
    "POST /v1/jobs/{job}/run": OPERATE,
    "POST /v1/jobs/{job}/toggle": OPERATE,
    "GET /v1/jobs/{job}/executions": READ,
    "DELETE /v1/jobs/{job}/executions": EDIT,
    "GET /v1/jobs/{job}/executions/{execution_id}": READ,
    "POST /v1/restore": EDIT,
    "GET /v1/acl/policies": ADMIN,
    "GET /v1/acl/policies/{name}": ADMIN,
    "POST /v1/acl/policies/{name}": ADMIN,
    "DELETE /v1/acl/policies/{name}": ADMIN,
    "GET /api/v1/jobs": READ,
    "GET /api/v1/jobs/{job}": READ,
    "PUT /api/v1/jobs/{job}": EDIT,
    "DELETE /api/v1/jobs/{job}": EDIT,
    "GET /ping/{job}": OPERATE,
    "POST /ping/{job}": OPERATE,
    "GET /ping/{job}/{said}": OPERATE,
    "POST /ping/{job}/{said}": OPERATE,
    "POST /api/v1/jobs/{job}/run": OPERATE,
    "POST /api/v1/jobs/{job}/begin": OPERATE,
    "POST /api/v1/executions/{execution}/renew": OPERATE,
    "POST /api/v1/executions/{execution}/end": OPERATE,
    "GET /api/v1/jobs/{job}/next": READ,
    "GET /api/v1/jobs/{job}/why": READ,
    "POST /api/v1/validate": READ,
    "GET /api/v1/runs": READ,
    "GET /api/v1/runs/{run}": READ,
    "POST /api/v1/runs/{run}/cancel": OPERATE,
    "GET /api/v1/jobs/{job}/runs": READ,
    "GET /api/v1/jobs/{job}/revisions": READ,
    "GET /api/v1/jobs/{job}/diff": READ,
    "POST /api/v1/jobs/{job}/rollback": EDIT,
    "GET /api/v1/executions": READ,
    "GET /api/v1/executions/{execution}": READ,
    "GET /api/v1/executions/{execution}/bytes": READ,
    "GET /api/v1/executions/{execution}/output": READ,
    "GET /api/v1/executions/{execution}/follow": READ,
    "GET /api/v1/status": READ,
    "GET /api/v1/nodes": READ,
    "DELETE /api/v1/nodes/{node}": ADMIN,
    "POST /api/v1/nodes/{node}/drain": ADMIN,
    "POST /api/v1/nodes/{node}/undrain": ADMIN,
    "POST /api/v1/nodes/{node}/rename": ADMIN,
    "GET /api/v1/events": READ,
    "GET /api/v1/runs/{run}/tree": READ,
    "POST /api/v1/runs/{run}/rerun": OPERATE,
    "GET /api/v1/pauses": READ,
    "POST /api/v1/pauses": OPERATE,
    "DELETE /api/v1/pauses": OPERATE,
    "POST /api/v1/plan": EDIT,
    "POST /api/v1/apply": EDIT,
    "GET /api/v1/forecast": READ,
    "GET /api/v1/pools": READ,
    "PUT /api/v1/pools/{name}": ADMIN,
    "DELETE /api/v1/pools/{name}": ADMIN,
    "GET /api/v1/jobs/{job}/audit": READ,
    "POST /api/v1/jobs/{job}/backfill": OPERATE,
    "GET /api/v1/events/follow": READ,
    "GET /api/v1/tokens": ADMIN,
    "POST /api/v1/tokens": ADMIN,
    "DELETE /api/v1/tokens/{name}": ADMIN,
    "GET /api/v1/calendars": READ,
    "GET /api/v1/calendars/{name}": READ,
    "PUT /api/v1/calendars/{name}": EDIT,
    "DELETE /api/v1/calendars/{name}": EDIT,
    "GET /api/v1/channels": READ,
    "POST /api/v1/channels/{name}/test": ADMIN,
    "GET /api/v1/notices": READ,
    "GET /api/v1/backup": ADMIN,
    "GET /api/v1/quarantine": READ,
    "GET /api/v1/audit": ADMIN,
    "GET /api/v1/openapi.json": READ,
    "GET /api/v1/closed": "",
    "GET /api/v1/closed/openapi.json": "",
    "GET /api/v1/closed/{path}": "",
}
ROLES = ("nobody", *GRANTS)
PATHS = {
    "said": "0",
    "job": "nothing",
    "run": "nothing@x",
    "execution": "nothing@x.0",
    "name": "nothing",
    "node": "nothing",
}


def declared() -> list[str]:
    """Every method and path that the application has, the framework's own answer to OPTIONS left out."""
    app = make_litestar(Services(Client(Settings(store_url="redis://127.0.0.1:1"))), Traffic())
    found = set()
    for route in app.routes:
        methods: set[str] = getattr(route, "methods", set())
        found |= {f"{method} {route.path_format}" for method in methods - {"OPTIONS"}}
    return sorted(found)


def test_the_table_has_every_route_and_no_other() -> None:
    assert declared() == sorted(TABLE)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Api, dict[str, str], Spawned]]:
    """A server with a token for each role."""
    with StoreServer() as server, site_on(server, tmp_path_factory.mktemp("guarded")) as site:
        process, api = site.serve()
        services = Services(site.client)
        secrets = {role: services.tokens.create(role, role=role)[1] for role in GRANTS}
        yield site, api, secrets, process


@pytest.mark.parametrize("route", sorted(set(TABLE) - {"POST /v1/leave"}))
def test_each_role_may_do_what_the_table_says_and_nothing_else(
    guarded: tuple[Site, Api, dict[str, str], Spawned], route: str
) -> None:
    _, api, secrets, _ = guarded
    method, path = route.split()
    for name, value in PATHS.items():
        path = path.replace("{" + name + "}", value)
    path = path.replace("{execution_id}", "1-x")
    for role in ROLES:
        refused = 401 if role == "nobody" else 403
        allowed = role in TABLE[route].split()
        with Api(api.url, secrets.get(role, "")).call(method, path, stream=True) as answer:  # some never end
            assert (role, answer.status_code == refused) == (role, not allowed), answer.text
            assert answer.status_code != 500 or path == "/v1/leader"


def test_only_an_admin_stops_a_server(empty: Site) -> None:
    process, api = empty.serve()
    services = Services(empty.client)
    editor, admin = (services.tokens.create(role, role=role)[1] for role in ("editor", "admin"))
    assert Api(api.url, editor).post("/v1/leave").status_code == 403
    assert Api(api.url, admin).post("/v1/leave").status_code == 200
    assert process.wait() == 0


def test_a_refusal_names_the_scheme_and_tokens_come_as_bearer_or_basic(
    guarded: tuple[Site, Api, dict[str, str], Spawned],
) -> None:
    _, api, secrets, _ = guarded
    assert api.get("/v1/jobs").headers["WWW-Authenticate"].startswith("Bearer")
    basic = base64.b64encode(f"anybody:{secrets['viewer']}".encode()).decode()
    assert api.get("/v1/jobs", headers={"Authorization": f"Basic {basic}"}).status_code == 200
    for wrong in ("Bearer", "Basic !!", "Digest x", f"Bearer {secrets['viewer']}x", "Bearer \xe9"):
        assert api.get("/v1/jobs", headers={"Authorization": wrong}).status_code == 401, wrong
    assert api.get(f"/v1/jobs?token={secrets['viewer']}").status_code == 401


def test_a_token_of_some_jobs_reaches_no_others(guarded: tuple[Site, Api, dict[str, str], Spawned]) -> None:
    site, api, secrets, _ = guarded
    admin = Api(api.url, secrets["admin"])
    for name in ("team-a", "other"):
        admin.create(name)
    tokens = Services(site.client).tokens
    limited = Api(api.url, tokens.create("limited", role="editor", jobs=["team-*"])[1])
    assert limited.names() == [row["name"] for row in limited.get("/api/v1/jobs").json()["items"]] == ["team-a"]
    assert limited.get("/v1/jobs").headers["X-Total-Count"] == "1"
    run = admin.post("/api/v1/jobs/other/run").json()
    execution = f"/api/v1/executions/{run['id']}.0"
    for method, path, body in [
        ("GET", "/v1/jobs/other", None), ("DELETE", "/v1/jobs/other", None), ("POST", "/v1/jobs/other", None),
        ("POST", "/v1/jobs", definition("other")), ("PUT", "/v1/jobs/team-a", definition("other")),
        ("PUT", "/v1/jobs/other", definition("team-a")), ("PUT", "/api/v1/jobs/other", definition("other")),
        ("GET", "/v1/jobs/other/executions", None), ("DELETE", "/v1/jobs/other/executions", None),
        ("GET", f"/api/v1/runs/{run['id']}", None), ("POST", f"/api/v1/runs/{run['id']}/cancel", None),
        ("GET", execution, None), ("GET", f"{execution}/output", None), ("GET", f"{execution}/follow", None),
        ("GET", "/api/v1/runs?job=other", None), ("GET", "/metrics", None), ("GET", "/v1/stats", None),
    ]:  # fmt: skip
        assert limited.call(method, path, json=body).status_code == 403, (method, path)
    files = restore_file([definition("team-b"), definition("other")])
    assert limited.post("/v1/restore", files=files).status_code == 403
    assert limited.get("/v1/jobs/team-b").status_code == 404
    assert limited.create("team-c")["id"] == "team-c"
    assert limited.get("/api/v1/runs").json()["items"] == []
    assert list(limited.get("/debug/vars").json()["cron_entries"]) == ["team-a", "team-c"]
    boss = Api(api.url, tokens.create("limited-admin", role="admin", jobs=["team-*"])[1])
    assert {boss.post("/v1/pause").status_code, boss.get("/api/v1/audit").status_code} == {403}


def test_policies_grant_paths_as_dkron_pro_s(guarded: tuple[Site, Api, dict[str, str], Spawned]) -> None:
    site, api, secrets, _ = guarded
    admin = Api(api.url, secrets["admin"])
    admin.create("by-policy")
    rules = {"path": {"/v1/jobs": {"capabilities": ["list"]}, "/v1/jobs/*": {"capabilities": ["read"]}}}
    rules["path"]["/v1/jobs/*/run"] = {"capabilities": ["create"]}
    saved = admin.post("/v1/acl/policies/runners", data=json.dumps(rules))
    assert (saved.status_code, json.loads(saved.json()["Rules"])) == (200, rules)
    assert admin.get("/v1/acl/policies/runners").json()["Name"] == "runners"
    runner = Api(api.url, Services(site.client).tokens.create("runner", policies=["runners"])[1])
    expected = {
        "GET /v1/jobs": 200, "GET /v1/jobs/by-policy": 200, "POST /v1/jobs/by-policy/run": 200,
        "POST /v1/jobs/by-policy": 403, "DELETE /v1/jobs/by-policy": 403, "GET /v1/jobs/by-policy/executions": 403,
        "POST /v1/jobs": 403, "GET /v1/members": 403, "GET /api/v1/jobs": 403, "GET /v1/acl/policies/runners": 403,
    }  # fmt: skip
    found = {route: runner.call(*route.split()).status_code for route in expected}
    assert found == expected
    wide = {"path": {"/v1/**": {"capabilities": ["create", "read", "update", "delete", "list"]}}}
    admin.post("/v1/acl/policies/runners", json={"Name": "runners", "Rules": json.dumps(wide)})
    assert runner.get("/v1/jobs/by-policy/executions").status_code == 200
    assert runner.get("/v1/acl/policies/runners").status_code == 403
    assert admin.call("DELETE", "/v1/acl/policies/runners").status_code == 200
    assert admin.get("/v1/acl/policies/runners").status_code == 404
    assert runner.get("/v1/jobs").status_code == 403
    for bad in ("x", "[]", '{"path": {"jobs": {"capabilities": []}}}', '{"path": {"/": {"capabilities": ["all"]}}}'):
        assert admin.post("/v1/acl/policies/bad", data=bad).status_code == 422


def test_a_policy_for_some_jobs_saves_no_other_by_a_name_beside_the_path(
    guarded: tuple[Site, Api, dict[str, str], Spawned],
) -> None:
    site, api, secrets, _ = guarded
    admin = Api(api.url, secrets["admin"])
    admin.create("payroll")
    was = admin.get("/v1/jobs/payroll").json()
    admin.create("team-old")
    rules = {
        "/v1/jobs/team-*": {"capabilities": ["update"]},
        "/api/v1/jobs/team-*": {"capabilities": ["update", "delete"]},
        "/ui/**": {"capabilities": ["create", "read"]},
        "/v1/jobs/*": {"capabilities": ["create"]},  # to run it, in Dkron's words
    }
    assert admin.post("/v1/acl/policies/team", data=json.dumps({"path": rules})).status_code == 200
    team = Api(api.url, Services(site.client).tokens.create("team", policies=["team"])[1])
    for method in ("PUT", "DELETE"):
        path = "/v1/jobs/team-x" if method == "PUT" else "/api/v1/jobs/team-old?heir=payroll"
        answer = team.call(method, path, json=definition("payroll", schedule="@every 1s"))
        assert answer.status_code == 403, answer.text
    assert admin.get("/v1/jobs/payroll").json() == was
    assert team.call("PUT", "/v1/jobs/team-x", json=definition("team-y")).status_code == 201
    assert admin.get("/v1/jobs/team-old").status_code == 200
    pages = {"Cookie": f"dkronpy_token={team.token}; dkronpy_csrf={'c' * 20}"}
    form = {"csrf": "c" * 20, "revision": "1", "text": json.dumps(definition("payroll", doc="theirs"))}
    assert api.post("/ui/new", data=form, headers=pages).status_code == 403
    own = {"csrf": form["csrf"], "text": json.dumps(definition("team-z"))}
    assert api.post("/ui/new", data=own, headers=pages).status_code == 303
    assert api.post("/ui/examples", data=form, headers=pages).status_code == 403
    assert admin.get("/v1/jobs/payroll").json() == was


def test_what_no_rule_grants_is_denied() -> None:
    asked = Asked(action="read", method="GET", path="/v1/jobs")
    assert not decide(Identity(id="", name=""), asked)
    assert not decide(Identity(id="", name="", role="unheard-of"), asked)
    assert not decide(Identity(id="", name="", role="admin"), Asked(action="", method="GET", path="/x"))
    everything = {"/**": frozenset({"create", "read", "update", "delete", "list"})}
    assert not decide(Identity(id="", name="", rules=(everything,)), Asked(action="", method="GET", path="/x"))
    assert not decide(Identity(id="", name="", rules=(everything,)), Asked(action="read", method="TRACE", path="/x"))


def test_changes_and_denials_are_in_the_audit_log_and_secrets_nowhere(empty: Site, tmp_path: Path) -> None:
    process, api = empty.serve(DKRONPY_LOG_LEVEL="debug")
    services = Services(empty.client)
    token, secret = services.tokens.create("alice", role="admin")
    alice = Api(api.url, secret)
    alice.create("audited")
    alice.call("DELETE", "/v1/jobs/audited")
    guess = "dkronpy_" + "g" * 43
    assert Api(api.url, guess).call("DELETE", "/v1/jobs/audited").status_code == 401
    viewer = services.tokens.create("vic", role="viewer")[1]
    assert Api(api.url, viewer).post("/v1/jobs", json=definition("mine")).status_code == 403
    assert Api(api.url, viewer).get("/v1/jobs").status_code == 200
    entries = alice.get("/api/v1/audit").json()["items"]
    assert [(one["who"], one["method"], one["job"], one["status"]) for one in entries] == [
        ("alice", "DELETE", "audited", 200), ("alice", "POST", "audited", 201),
    ]  # fmt: skip
    assert (entries[1]["token"], entries[1]["address"], entries[1]["detail"]) == (
        token.id, "127.0.0.1", "created, revision 1",
    )  # fmt: skip
    denials = alice.get("/api/v1/audit?outcome=denied").json()["items"]
    assert [(one["who"], one["path"], one["status"]) for one in denials] == [
        ("vic", "/v1/jobs", 403), ("nobody", "/v1/jobs/audited", 401),
    ]  # fmt: skip
    with empty.server.client() as store:
        everything = [key + repr(contents(store, key)).encode() for key in store.scan_iter(count=1000)]
    for hidden in (secret, viewer, guess):
        assert hidden not in process.output
        assert not [one for one in everything if hidden.encode() in one]


def contents(store: Any, key: bytes) -> Any:
    kind = store.type(key).decode()
    readers = {
        "hash": store.hgetall, "string": store.get, "stream": store.xrange, "set": store.smembers,
        "list": lambda name: store.lrange(name, 0, -1),
    }  # fmt: skip
    return readers[kind](key) if kind in readers else store.zrange(key, 0, -1)
