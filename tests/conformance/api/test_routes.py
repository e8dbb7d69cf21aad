"""Each of Dkron's routes, one after the other on a job's way through life: status, headers, and the very keys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import running  # noqa: F401 - the fixture
from tests.api.site import NEVER, Api, Site, definition, restore_file
from tests.support import wait_until

JOB = {
    "id", "name", "displayname", "timezone", "schedule", "owner", "owner_email", "success_count", "error_count",
    "last_success", "last_error", "disabled", "tags", "metadata", "retries", "dependent_jobs", "parent_job",
    "processors", "concurrency", "executor", "executor_config", "status", "next", "ephemeral", "starts_at",
    "expires_at",
}  # fmt: skip
EXECUTION = {"id", "job_name", "started_at", "finished_at", "success", "node_name", "group", "attempt", "output"}
RAW_MEMBER = {
    "Name", "Addr", "Port", "Tags", "Status", "ProtocolMin", "ProtocolMax", "ProtocolCur", "DelegateMin",
    "DelegateMax", "DelegateCur",
}  # fmt: skip
PEER = {
    "Name", "ID", "Region", "Datacenter", "Port", "Bootstrap", "Expect", "RaftVersion", "BuildVersion", "Addr",
    "RPCAddr", "Status",
}  # fmt: skip
JSON = "application/json; charset=utf-8"


@pytest.fixture
def api(running: tuple[Site, Api]) -> Api:  # noqa: F811 - a fixture is named so
    return running[1]


def good(answer: Any, status: int = 200) -> Any:
    """The JSON of an answer that is as every good one of Dkron's."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["X-Whom"]
    assert not answer.content.endswith(b"\n")
    return answer.json()


def test_a_job_s_way_through_every_route(api: Api) -> None:
    posted = api.post("/v1/jobs", json=definition("life", tags=None, success_count=None))
    assert set(good(posted, 201)) == JOB
    assert posted.headers["Location"] == "/v1/jobs/life"
    shown = good(api.get("/v1/jobs/life"))
    assert (set(shown), shown["id"], shown["next"], shown["starts_at"]) == (JOB, "life", NEVER, None)
    put = api.call("PUT", "/v1/jobs/life", json={**shown, "owner": "me"})
    assert (good(put, 201)["owner"], put.headers["Location"]) == ("me", "/v1/jobs/life/life")
    assert good(api.call("PATCH", "/v1/jobs", json=shown), 201)["id"] == "life"
    for path in ("/v1/jobs/life", "/v1/jobs/life/run", "/v1/jobs/life/run/"):
        run = api.post(path)
        assert (set(good(run)), run.headers["Location"]) == (JOB, path)
    wait_until(lambda: len(api.ended("life")) == 3, timeout=30, description="three runs have ended")
    listed = api.get("/v1/jobs/life/executions?_sort=id&_order=ASC&output_size_limit=3")
    rows = good(listed)
    assert listed.headers["X-Total-Count"] == "3"
    assert all(set(row) == EXECUTION | {"output_truncated"} and row["output_truncated"] for row in rows)
    assert [row["output"] for row in rows] == ["lo\n"] * 3
    whole = good(api.get(f"/v1/jobs/life/executions/{rows[0]['id']}"))
    assert (set(whole), whole["output"], whole["success"], whole["attempt"]) == (EXECUTION, "hello\n", True, 1)
    counted = good(api.get("/v1/jobs/life"))
    assert (counted["success_count"], counted["error_count"], counted["status"]) == (3, 0, "success")
    cleared = good(api.call("DELETE", "/v1/jobs/life/executions"))
    assert (set(cleared), cleared["success_count"], cleared["last_success"]) == (JOB, 0, None)
    assert good(api.get("/v1/jobs/life/executions")) == []
    toggled = api.post("/v1/jobs/life/toggle")
    assert (good(toggled)["disabled"], toggled.headers["Location"]) == (True, "/v1/jobs/life/toggle")
    deleted = good(api.call("DELETE", "/v1/jobs/life"))
    assert (set(deleted), deleted["name"]) == (JOB, "life")


def test_what_runs_is_busy_and_has_no_end_yet(api: Api) -> None:
    api.create("sleeper", executor_config={"command": "sleep 30"}, timezone="America/New_York")
    api.post("/v1/jobs/sleeper")

    def busy() -> list[dict[str, Any]]:
        return [row for row in good(api.get("/v1/busy")) if row["job_name"] == "sleeper"]

    (row,) = wait_until(busy, timeout=20, description="it runs")
    assert (set(row), row["finished_at"], row["success"]) == (EXECUTION - {"output"}, NEVER, False)
    (same,) = good(api.get("/v1/jobs/sleeper/executions"))
    assert (same["id"], same["finished_at"]) == (row["id"], NEVER)
    run = api.get("/api/v1/runs?job=sleeper").json()["items"][0]["id"]
    assert api.post(f"/api/v1/runs/{run}/cancel").status_code == 200


def test_the_cluster_s_routes(api: Api, running: tuple[Site, Api]) -> None:  # noqa: F811 - a fixture is named so
    assert all(set(row) == RAW_MEMBER | {"id", "statusText"} for row in good(api.get("/v1/members")))
    assert set(good(api.get("/v1/leader"))) == RAW_MEMBER
    assert good(api.get("/v1/isleader")) == "I am a leader"
    assert set(good(api.get("/v1"))) == {"agent", "serf", "tags"}
    (days,) = good(api.get("/v1/stats?days=2")).values()
    assert [set(day) for day in days] == [{"date", "success_count", "failed_count"}] * 2
    assert good(api.get("/v1/pause")) == {"paused": False}
    assert good(api.post("/v1/pause")) == {"paused": True}
    assert good(api.post("/v1/unpause")) == {"paused": False}
    health = api.get("/health")
    assert (health.status_code, health.json(), "X-Whom" in health.headers) == (
        200, {"status": "healthy", "leader": True}, False,
    )  # fmt: skip
    restored = good(api.post("/v1/restore", files=restore_file([definition("from-file")])))
    assert restored == '["success create from-file"]'
    site, _ = running
    process, other = site.serve()
    (peers,) = good(other.post("/v1/leave")).values()
    assert [set(peer) for peer in peers] == [PEER]
    assert process.wait() == 0
