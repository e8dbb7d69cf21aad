"""Dkron's routes for jobs: what goes in, what comes out, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from dkronpy.api.app import make_api
from dkronpy.api.services import Services
from dkronpy.job import Job, Run
from tests.api.site import NEVER, SHELL, Api, Site, definition, restore_file
from tests.support import wait_until

FIELDS = [
    "id", "name", "displayname", "timezone", "schedule", "owner", "owner_email", "success_count", "error_count",
    "last_success", "last_error", "disabled", "tags", "metadata", "retries", "dependent_jobs", "parent_job",
    "processors", "concurrency", "executor", "executor_config", "status", "next", "ephemeral", "starts_at",
    "expires_at",
]  # fmt: skip


def test_create_and_update_answer_201_with_what_was_posted(api: Api) -> None:
    for description in ("made", "made anew"):
        answer = api.post("/v1/jobs", json=definition("upsert", displayname=description))
        assert answer.status_code == 201
        assert answer.headers["Location"] == "/v1/jobs/upsert"
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.headers["X-Whom"]
        made = answer.json()
        assert list(made)[: len(FIELDS)] == FIELDS
        assert (made["id"], made["displayname"], made["next"], made["processors"]) == (
            "upsert", description, NEVER, None,
        )  # fmt: skip
    assert api.get("/v1/jobs/upsert").json()["displayname"] == "made anew"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_any_content_type_unknown_fields_nulls_and_case_are_taken(api: Api, method: str) -> None:
    body = b'{"NAME": "odd", "schedule": "@manually", "executor": "shell", "executor_config": {"command": "x"},'
    body += b'"timezone": null, "retries": null, "nonsense": [1], "starts_at": null, "next": "0001-01-01T00:00:00Z"} {'
    answer = api.call(method, "/v1/jobs", data=body, headers={"Content-Type": "text/weird"})
    assert answer.status_code == 201, answer.text
    assert api.get("/v1/jobs/odd").json()["retries"] == 0


def test_put_takes_the_name_of_the_body_and_the_path_s_where_there_is_none(api: Api) -> None:
    assert api.call("PUT", "/v1/jobs/one-name", json=definition("put-other")).json()["id"] == "put-other"
    assert api.get("/v1/jobs/one-name").status_code == 404
    nameless = {key: value for key, value in definition("x").items() if key != "name"}
    assert api.call("PUT", "/v1/jobs/put-path", json=nameless).status_code == 201
    assert api.get("/v1/jobs/put-path").status_code == 200


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": ""}, "Job validation failed: name cannot be empty."),
        ({"name": "Upper"}, "Job validation failed: name contains illegal character 'U'."),
        ({"name": "a/b"}, "Job validation failed: name contains illegal character '/'."),
        ({"name": "own", "parent_job": "own"}, "Job validation failed: the job can not have itself as parent."),
        ({"schedule": "nonsense"}, "Job validation failed: can't parse job schedule: "),
        (
            {"concurrency": "x"},
            'Job validation failed: invalid concurrency policy value, use "allow" or "forbid".',
        ),
        ({"timezone": "Nowhere/At"}, "Job validation failed: unknown time zone Nowhere/At."),
        (
            {"executor_config": {"command": "x", "timeout": "soon"}},
            "Job validation failed: Error parsing job timeout value.",
        ),
        (
            {"executor_config": {"command": "x", "mem_limit": "lots"}},
            "Job validation failed: Error parsing job memory limit value: ",
        ),
        ({"retries": -1}, "Unable to parse payload: "),
    ],
)
def test_what_is_refused_says_why_in_dkron_s_words(api: Api, fields: dict[str, Any], text: str) -> None:
    answer = api.post("/v1/jobs", json={**definition("refused"), **fields})
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith(text.removesuffix("."))
    assert answer.text.endswith(".")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"nul"])
def test_bodies_that_are_no_job_are_400(api: Api, body: bytes) -> None:
    answer = api.post("/v1/jobs", data=body)
    assert (answer.status_code, answer.text[:26]) == (400, "Unable to parse payload: " + answer.text[25])


def test_an_executor_that_is_not_here_may_be_somewhere_else(api: Api) -> None:
    assert api.create("elsewhere", executor="somebody-elses", executor_config={"a": "b"})["executor"]
    assert api.create("v1-era", executor="", executor_config=None)["executor"] == ""
    assert api.post("/v1/jobs/elsewhere/toggle").json()["disabled"] is True


def test_parents_must_be_there_and_may_not_follow_their_children(api: Api) -> None:
    answer = api.post("/v1/jobs", json=definition("orphan", parent_job="nobody"))
    assert (answer.status_code, answer.text) == (404, "specified parent job not found")
    api.create("family-1")
    api.create("family-2", schedule="", parent_job="family-1")
    assert api.get("/v1/jobs/family-1").json()["dependent_jobs"] == ["family-2"]
    ring = api.post("/v1/jobs", json=definition("family-1", parent_job="family-2"))
    assert (ring.status_code, "wait for itself" in ring.text) == (400, True)
    refused = api.call("DELETE", "/v1/jobs/family-1")
    assert (refused.status_code, "dependent jobs" in refused.json()["message"]) == (404, True)
    assert api.call("DELETE", "/v1/jobs/family-2").status_code == 200
    assert api.call("DELETE", "/v1/jobs/family-1").json()["id"] == "family-1"


def test_the_unknown_is_404_everywhere(api: Api) -> None:
    for method, path in [
        ("GET", "/v1/jobs/none"), ("DELETE", "/v1/jobs/none"), ("POST", "/v1/jobs/none"), ("POST", "/v1/jobs/none/run"),
        ("POST", "/v1/jobs/none/toggle"), ("GET", "/v1/jobs/none/executions"), ("DELETE", "/v1/jobs/none/executions"),
        ("GET", "/v1/jobs/none/executions/1-n1"),
    ]:  # fmt: skip
        answer = api.call(method, path)
        assert (method, path, answer.status_code) == (method, path, 404)
        assert "message" in answer.json()
    for method, path in [("GET", "/nope"), ("GET", "/v1/nope"), ("PUT", "/v1/jobs"), ("HEAD", "/v1/jobs")]:
        answer = api.call(method, path)
        assert (answer.status_code, answer.text) == (404, "" if method == "HEAD" else "404 page not found")


def test_trailing_slashes_and_pretty(api: Api) -> None:
    api.create("slash", metadata={"html": "<a href='x'>&</a>"})
    assert api.get("/v1/").status_code == api.get("/v1/jobs/slash/executions/").status_code == 200
    assert api.get("/v1/jobs/slash/").json()["id"] == "slash"
    plain, pretty = api.get("/v1/jobs/slash").text, api.get("/v1/jobs/slash?pretty").text
    assert "\\u003ca href='x'\\u003e\\u0026\\u003c/a\\u003e" in plain
    assert "\n" not in plain
    assert pretty.startswith('{\n    "id": "slash",\n    "name"')


def test_toggle_flips_and_says_where(api: Api) -> None:
    api.create("toggled", schedule="@every 1h")
    answer = api.post("/v1/jobs/toggled/toggle")
    assert (answer.status_code, answer.json()["disabled"]) == (200, True)
    assert answer.headers["Location"] == "/v1/jobs/toggled/toggle"
    assert api.post("/v1/jobs/toggled/run").status_code == 404  # as in Dkron: a disabled job is not run by hand
    assert api.post("/v1/jobs/toggled/toggle").json()["disabled"] is False


@pytest.fixture(scope="module")
def listed(running: tuple[Site, Api]) -> Api:
    _, api = running
    api.create("ls-b", displayname="Alpha", metadata={"team": "x", "tier": "1"}, schedule="@every 2h")
    api.create("ls-a", displayname="beta", metadata={"team": "x"}, schedule="@every 1h", disabled=True)
    api.create("ls-c", schedule="@every 3h", success_count=7, status="success")
    return api


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?q=ls-", ["ls-a", "ls-b", "ls-c"]),
        ("?q=ls-&_sort=id&_order=DESC", ["ls-c", "ls-b", "ls-a"]),
        ("?q=ls-&_sort=displayname", ["ls-c", "ls-b", "ls-a"]),
        ("?q=ls-&_sort=schedule&_order=ASC", ["ls-a", "ls-b", "ls-c"]),
        ("?q=ls-&_sort=success_count&_order=DESC", ["ls-c", "ls-a", "ls-b"]),
        ("?q=ls-&_sort=next", ["ls-b", "ls-c", "ls-a"]),
        ("?q=ls-&_sort=last_success", ["ls-a", "ls-b", "ls-c"]),
        ("?metadata[team]=x", ["ls-a", "ls-b"]),
        ("?metadata[team]=x&metadata[tier]=1", ["ls-b"]),
        ("?metadata=x&q=ls-b", ["ls-b"]),
        ("?q=lph", ["ls-b"]),
        ("?q=LS-", []),
        ("?q=ls-&status=success", ["ls-c"]),
        ("?q=ls-&status=untriggered", ["ls-a", "ls-b"]),
        ("?q=ls-&disabled=true", ["ls-a"]),
        ("?q=ls-&disabled=false", ["ls-b", "ls-c"]),
        ("?q=ls-&disabled=maybe", []),
    ],
)
def test_lists_are_filtered_and_sorted(listed: Api, query: str, names: list[str]) -> None:
    found = listed.names(query)
    assert sorted(found) == sorted(names)
    if "success_count" not in query:  # equal ones stand in no promised order
        assert found == names


@pytest.mark.parametrize(
    ("page", "count"),
    [("_start=0&_end=2", 2), ("_start=1&_end=99", 2), ("_start=2&_end=1", 0), ("_start=9", 0), ("_start=-1&_end=2", 0),
     ("_start=x", 3), ("_end=x", 0), ("", 3)],
)  # fmt: skip
def test_lists_are_paged_and_say_how_many_there_are(listed: Api, page: str, count: int) -> None:
    answer = listed.get(f"/v1/jobs?q=ls-&{page}")
    assert (answer.status_code, len(answer.json()), answer.headers["X-Total-Count"]) == (200, count, "3")
    by_name = listed.get("/v1/jobs?_start=0&_end=2&_sort=id&_order=ASC")
    assert len(by_name.json()) == 2
    assert int(by_name.headers["X-Total-Count"]) == len(listed.names())


def test_an_unknown_sort_is_the_caller_s_mistake(api: Api) -> None:
    assert api.get("/v1/jobs?_sort=colour").status_code == 400


def test_etags_keep_two_editors_apart(api: Api) -> None:
    api.create("edited")
    first = api.get("/v1/jobs/edited").headers["ETag"]
    assert api.call("PUT", "/v1/jobs/edited", json=definition("edited", owner="a")).status_code == 201
    late = api.call("PUT", "/v1/jobs/edited", json=definition("edited", owner="b"), headers={"If-Match": first})
    assert late.status_code == 412
    assert api.get("/v1/jobs/edited").json()["owner"] == "a"
    assert api.call("DELETE", "/v1/jobs/edited", headers={"If-Match": first}).status_code == 412
    now = api.get("/v1/jobs/edited").headers["ETag"]
    assert api.call("DELETE", "/v1/jobs/edited", headers={"If-Match": now}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/jobs/edited", "/api/v1/jobs/edited"])
def test_what_was_saved_while_somebody_deletes_an_earlier_revision_stays(empty: Site, path: str) -> None:
    services = Services(empty.client)
    secret = services.tokens.create("boss", role="admin")[1]
    client, delete = empty.client, empty.client.delete_job
    first = client.save_job(Job(name="edited", schedule="@manually", run=Run("shell", {"command": "true"}))).revision

    def late(*args: Any, **options: Any) -> None:
        client.save_job(msgspec.structs.replace(client.job("edited").job, owner="somebody"))
        delete(*args, **options)

    services.client.delete_job = late  # type: ignore[method-assign]
    headers = {"Authorization": f"Bearer {secret}", "If-Match": f'"{first}"'}
    with TestClient(make_api(services, hosts=["jobs.local"]), base_url="http://jobs.local") as api:
        assert api.delete(path, headers=headers).status_code == 412
    assert client.job("edited").job.owner == "somebody"


def test_figures_that_are_posted_only_move_forward(api: Api) -> None:
    sent = {"success_count": 5, "error_count": 2, "last_success": "2024-05-06T07:08:09.123456789+02:00"}
    api.create("figures", **sent)
    assert api.get("/v1/jobs/figures").json()["last_success"] == "2024-05-06T05:08:09.123Z"
    api.create("figures", success_count=3, last_success="2023-01-01T00:00:00Z", last_error="2024-01-01T00:00:00Z")
    after = api.get("/v1/jobs/figures").json()
    assert (after["success_count"], after["error_count"]) == (5, 2)
    assert (after["last_success"], after["last_error"]) == ("2024-05-06T05:08:09.123Z", "2024-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "figure",
    [
        {"last_success": "2024-13-45T00:00:00Z"}, {"last_error": "2024-02-30T00:00:00+01:00"},
        {"last_success": "0001-01-01T00:00:00+14:00"}, {"last_success": "9999-12-31T23:59:59-14:00"},
        {"last_error": "2024-01-01T00:00:00+25:00"}, {"success_count": 2**63}, {"error_count": 2**53 + 1},
    ],
    ids=str,
)  # fmt: skip
def test_figures_that_cannot_be_kept_are_refused_before_anything_is_saved(api: Api, figure: dict[str, Any]) -> None:
    bad = definition("bad-figures", **figure)
    for method, path in (("POST", "/v1/jobs"), ("PUT", "/v1/jobs/bad-figures")):
        answer = api.call(method, path, json=bad)
        assert (answer.status_code, next(iter(figure)) in answer.text) == (400, True), answer.text
    assert api.post("/v1/restore", files=restore_file([definition("good-figures"), bad])).status_code == 400
    assert [api.get(f"/v1/jobs/{name}-figures").status_code for name in ("bad", "good")] == [404, 404]


def test_figures_at_the_edge_are_kept(api: Api) -> None:
    api.create("edge", success_count=2**53, last_success="1969-12-31T23:59:59Z", last_error="0001-01-01T00:00:00Z")
    kept = api.get("/v1/jobs/edge").json()
    assert (kept["success_count"], kept["last_success"], kept["last_error"]) == (2**53, None, None)


def test_pause_keeps_definitions_out_on_every_server_and_nothing_else(api: Api, site: Site) -> None:
    api.create("before-pause")
    _, other = site.serve()
    assert api.get("/v1/pause").json() == {"paused": False}
    assert api.post("/v1/pause").json() == {"paused": True}
    try:
        for method, path in [("POST", "/v1/jobs"), ("PATCH", "/v1/jobs"), ("PUT", "/v1/jobs/x")]:
            answer = other.call(method, path, json=definition("x"))
            assert (answer.status_code, answer.text) == (503, "New job submissions are currently paused")
        assert other.get("/v1/pause").json() == {"paused": True}
        assert other.post("/v1/jobs/before-pause/toggle").status_code == 200
        assert other.post("/v1/restore", files=restore_file([definition("restored-in-pause")])).status_code == 200
    finally:
        assert other.post("/v1/unpause").json() == {"paused": False}
    assert api.create("after-pause")


def test_restore_saves_parents_first_and_all_or_nothing(api: Api) -> None:
    jobs = [definition("r-child", parent_job="r-parent", schedule=""), definition("r-parent", success_count=4)]
    answer = api.post("/v1/restore", files=restore_file(jobs))
    assert (answer.status_code, answer.json()) == (200, '["success create r-parent","success create r-child"]')
    assert api.get("/v1/jobs/r-parent").json()["success_count"] == 4
    assert api.get("/v1/jobs/r-parent").json()["dependent_jobs"] == ["r-child"]
    assert api.post("/v1/restore").status_code == 404
    for bad in ([definition("r-x"), definition("BAD")], [definition("r-x", parent_job="missing")]):
        assert api.post("/v1/restore", files=restore_file(bad)).status_code == 400
    assert api.post("/v1/restore", files={"file": ("x", "no json")}).status_code == 400
    assert api.get("/v1/jobs/r-x").status_code == 404


def test_run_on_create_runs_once(api: Api) -> None:
    answer = api.post("/v1/jobs?runoncreate=false", json=definition("at-once"))
    assert answer.headers["Location"] == "/v1/jobs?runoncreate=false/at-once"
    wait_until(lambda: api.ended("at-once"), timeout=30, description="it ran")
    assert len(api.ended("at-once")) == 1


def test_names_with_a_slash_in_disguise_reach_no_other_route(api: Api) -> None:
    api.create("trick")
    for path in ("/v1/jobs/trick%2Ftoggle", "/v1/jobs/..%2F..%2Fv1%2Fpause", "/v1//jobs/trick/toggle/x"):
        assert api.post(path).status_code in {404, 405}
    assert api.get("/v1/jobs/trick").json()["disabled"] is False
    assert SHELL["executor"] == api.get("/v1/jobs/trick").json()["executor"]
