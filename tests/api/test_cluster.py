"""Dkron's routes about the cluster, health, statistics and metrics; ours about the deployment; the token commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime, timezone
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.site import Api, Site, definition, shape
from tests.support import ROOT, wait_until


def test_nodes_are_members_whose_ids_stay(api: Api) -> None:
    answer = api.get("/v1/members")
    (member,) = answer.json()
    numbers = dict.fromkeys(
        ("Port", "Status", "ProtocolMin", "ProtocolMax", "ProtocolCur", "DelegateMin", "DelegateMax", "DelegateCur"),
        "int",
    )
    assert {key: value for key, value in shape(member).items() if key != "Tags"} == {
        "id": "str", "Name": "str", "Addr": "str", **numbers, "statusText": "str",
    }  # fmt: skip
    assert (member["Name"], member["Status"], member["statusText"], member["Tags"]["dc"]) == ("n1", 1, "alive", "fra")
    assert answer.headers["X-Total-Count"] == "1"
    assert api.get("/v1/members?_end=10&_order=ASC&_sort=id&_start=0").json() == [member]


def test_the_leading_beat_is_the_leader(api: Api) -> None:
    leader = api.get("/v1/leader").json()
    assert {"id", "statusText"}.isdisjoint(leader)
    assert (leader["Status"], leader["Tags"]["server"]) == (1, "true")
    assert (api.get("/v1/isleader").status_code, api.get("/v1/isleader").text) == (200, '"I am a leader"')
    assert api.get("/health").json() == {"status": "healthy", "leader": True}


def test_without_a_beat_nobody_leads(empty: Site) -> None:
    _, api = empty.serve()
    assert (api.get("/v1/leader").status_code, api.get("/v1/leader").text) == (500, "null")
    assert (api.get("/v1/isleader").status_code, api.get("/v1/isleader").text) == (404, '"I am a follower"')
    health = api.get("/health")
    assert (health.status_code, health.json()["leader"], health.json()["status"]) == (503, False, "unhealthy")
    assert "X-Whom" not in health.headers


def test_the_summary_has_dkron_s_keys_and_texts(api: Api) -> None:
    for path in ("/v1", "/v1/"):
        found = api.get(path).json()
        assert set(found) == {"agent", "serf", "tags"}
        assert set(found["agent"]) == {"name", "version"}
        assert set(found["serf"]) == {
            "members", "failed", "left", "health_score", "member_time", "event_time", "query_time", "intent_queue",
            "event_queue", "query_queue", "encrypted", "coordinate_resets",
        }  # fmt: skip
        assert all(isinstance(value, str) for value in {**found["serf"], **found["tags"]}.values())


def test_variables_name_the_jobs(api: Api) -> None:
    api.create("in-vars")
    found = api.get("/debug/vars").json()
    assert set(found) == {"cmdline", "memstats", "node", "cron_entries", "scheduler_started"}
    assert (found["cron_entries"]["in-vars"], found["scheduler_started"]) == ("in-vars", 1)


def test_people_are_sent_to_the_pages(api: Api) -> None:
    answer = api.get("/", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ui/")
    assert api.get("/", headers={"Accept": "application/json"}).status_code == 404


def test_statistics_count_attempts_by_day_once_however_many_servers_there_are(empty: Site) -> None:
    empty.beat()
    empty.agent("n1")
    _, api = empty.serve()
    _, other = empty.serve()
    retry = {"delay": "0s", "jitter": False}
    api.create("bad", retries=1, retry=retry, executor_config={"command": "sh -c 'exit 1'"})
    api.create("good")
    for job in ("good", "bad", "good"):
        empty.ended(api.post(f"/api/v1/jobs/{job}/run").json()["id"])
    today = f"{datetime.now(timezone.utc).date()}T00:00:00Z"  # noqa: TID251 - what a person would look at

    def counts(one: Api) -> dict[str, Any]:
        return dict(one.get("/v1/stats?days=3").json()["stats"][-1])

    wanted = {"date": today, "success_count": 2, "failed_count": 2}
    for one in (api, other):
        wait_until(lambda one=one: counts(one) == wanted, timeout=40, description=f"the counts are {wanted}")
    assert len(api.get("/v1/stats?days=3").json()["stats"]) == 3
    assert {len(api.get(f"/v1/stats{query}").json()["stats"]) for query in ("", "?days=x", "?days=-1")} == {30}
    assert len(api.get("/v1/stats?days=9999").json()["stats"]) == 365
    assert empty.client.deployment.store.client.hget("dkronpy:stats:totals", "success") == b"2"


def test_metrics_have_dkron_s_names_and_what_operators_watch(api: Api, site: Site) -> None:
    api.create("measured", schedule="@every 1s")
    wait_until(lambda: len(api.ended("measured")) > 1, timeout=30, description="it ran on schedule")
    api.post("/v1/jobs/measured/toggle")

    def samples() -> dict[tuple[str, ...], float]:
        answer = api.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    wait_until(
        lambda: samples().get(("dkronpy_begin_lag_seconds_count", "measured"), 0) > 1,
        timeout=40,
        description="the lag was measured",
    )
    found = samples()
    assert found["dkron_job_executions_succeeded_total", "measured"] > 1
    assert found["dkron_job_executions_failed_total", "measured"] == 0
    assert found["dkronpy_executions_total", "success"] > 1
    assert found["dkronpy_due_times_total", "success"] > 1
    lags = [f"dkronpy_{name}_lag_seconds" for name in ("queue", "start", "begin")]
    for name in (*lags, "dkronpy_attempt_duration_seconds"):
        assert found[f"{name}_bucket", "measured", "+Inf"] == found[f"{name}_count", "measured"] > 1
        assert found[f"{name}_sum", "measured"] < 60
    queued, started, began = (found[f"{name}_sum", "measured"] for name in lags)
    assert 0 < queued <= started <= began, "one comes after the other"
    assert (found[("dkronpy_leader",)], found[("dkronpy_store_up",)]) == (1, 1)
    assert found["dkronpy_node_up", "n1"] == 1
    assert ("dkronpy_queue_depth", "n1") in found
    assert found["dkronpy_http_answers_total", "POST", "/v1/jobs", "201"] >= 1
    assert ("process_start_time_seconds",) in found


def test_our_routes_tell_of_status_nodes_times_and_reasons(api: Api) -> None:
    status = api.get("/api/v1/status").json()
    assert (status["nodes_up"], status["leader"]["epoch"] >= 1, status["paused"]) == (1, True, False)
    assert api.get("/api/v1/nodes").json()["items"][0]["tags"] == {"dc": "fra"}
    api.create("timed", schedule="0 30 2 * * *", timezone="Europe/Berlin")
    times = api.get("/api/v1/jobs/timed/next?count=2&after=2026-03-28T12:00:00Z").json()["times"]
    assert times == ["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]
    why = api.get("/api/v1/jobs/timed/why?at=2026-03-28T12:00:00Z&zone=Europe/Berlin").json()["text"]
    assert "was not due at 2026-03-28 13:00:00 CET" in why
    assert api.get("/api/v1/jobs/timed/why?at=yesterday").status_code == 400
    assert api.get("/api/v1/jobs/timed/why?at=2026-03-28T12:00:00Z&zone=Mars/X").status_code == 422
    assert api.call("DELETE", "/api/v1/nodes/none").status_code == 404


def test_our_jobs_are_put_where_the_path_says_and_problems_are_all_named(api: Api) -> None:
    made = api.call("PUT", "/api/v1/jobs/ours", json=definition("ours"), headers={"If-None-Match": "*"})
    assert (made.status_code, made.headers["Location"]) == (201, "/api/v1/jobs/ours")
    again = api.call("PUT", "/api/v1/jobs/ours", json=definition("ours"), headers={"If-None-Match": "*"})
    assert (again.status_code, again.headers["Content-Type"]) == (412, "application/problem+json")
    tag = api.get("/api/v1/jobs/ours").headers["ETag"]
    assert api.get("/api/v1/jobs/ours", headers={"If-None-Match": tag}).status_code == 304
    changed = api.call("PUT", "/api/v1/jobs/ours", json=definition("ours", owner="o"), headers={"If-Match": tag})
    assert (changed.status_code, changed.headers["ETag"] != tag) == (200, True)
    assert api.call("PUT", "/api/v1/jobs/ours", json=definition("other")).status_code == 422
    bad = api.call("PUT", "/api/v1/jobs/ours", json={"schedule": "x", "timezone": "y", "executor": "shel"})
    assert bad.status_code == 422
    assert {one["path"] for one in bad.json()["errors"]} >= {"schedule", "timezone", "executor"}
    verdict = api.post("/api/v1/validate", json={"name": "v", "schedule": "x"}).json()
    assert verdict["valid"] is False
    assert api.post("/api/v1/validate", json=definition("v")).json() == {"valid": True, "errors": []}
    assert api.call("DELETE", "/api/v1/jobs/ours").status_code == 204
    page = api.get("/api/v1/jobs?limit=1").json()
    assert page["after"] == page["items"][0]["name"]
    assert api.get(f"/api/v1/jobs?limit=1&after={page['after']}").json()["items"][0]["name"] > page["after"]


def test_the_api_describes_itself(api: Api) -> None:
    found = api.get("/api/v1/openapi.json").json()
    assert found["openapi"].startswith("3.1")
    operations = [one for path in found["paths"].values() for one in path.values()]
    assert len(operations) > 40
    assert all(one.get("description") for one in operations)
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "arguments",
    [["create", "x"], ["create", "x", "--role", "admin", "--policy", "p"], ["create", "a b", "--role", "admin"]],
)
def test_tokens_that_make_no_sense_are_refused(empty: Site, arguments: list[str]) -> None:
    assert dkronpy(empty, "token", *arguments).returncode == 3


@pytest.mark.parametrize("way", ["store", "server"])
def test_the_policy_commands(empty: Site, way: str) -> None:
    _, api = empty.serve()
    to = ("--url", api.url) if way == "server" else ()
    (empty.folder / "rules.json").write_text('{"path": {"/v1/jobs/*": {"capabilities": ["read", "list"]}}}')
    assert dkronpy(empty, "policy", "list", *to).stdout == ""
    assert dkronpy(empty, "policy", "save", "readers", "rules.json", *to).stdout == "readers saved\n"
    (row,) = json.loads(dkronpy(empty, "policy", "list", "-o", "json", *to).stdout)
    assert row == {"name": "readers", "path": "/v1/jobs/*", "capabilities": ["list", "read"]}
    assert json.loads(dkronpy(empty, "policy", "show", "readers", *to).stdout)["path"]
    (empty.folder / "rules.json").write_text('{"path": {"jobs": {}}}')
    assert dkronpy(empty, "policy", "save", "readers", "rules.json", *to).returncode == 3
    assert dkronpy(empty, "policy", "delete", "readers", *to).returncode == 2  # nobody is there to say yes
    assert dkronpy(empty, "policy", "delete", "readers", "--yes", *to).returncode == 0
    assert dkronpy(empty, "policy", "show", "readers", *to).returncode == 5


def test_the_token_commands(empty: Site) -> None:
    _, api = empty.serve()
    made = dkronpy(empty, "token", "create", "ann", "--role", "operator", "--job", "ann-*", "--expires", "1h")
    assert re.fullmatch(r"dkronpy_[\w-]{43}\n", made.stdout)
    assert "only time" in made.stderr
    assert dkronpy(empty, "token", "create", "ann", "--role", "viewer").returncode == 6
    ann = Api(api.url, made.stdout.strip())
    assert ann.get("/v1/jobs").status_code == 200
    listed = dkronpy(empty, "token", "list", "-o", "json")
    assert made.stdout.strip() not in listed.stdout
    (row,) = json.loads(listed.stdout)
    assert (row["name"], row["state"], row["role"], row["jobs"]) == ("ann", "active", "operator", ["ann-*"])
    assert row["used"]
    assert row["expires"] > row["created"]
    assert "ann" in dkronpy(empty, "token", "list").stdout
    assert dkronpy(empty, "token", "revoke", "ann").returncode == 2  # nobody is there to say yes
    assert dkronpy(empty, "token", "revoke", "ann", "--yes").returncode == 0
    assert ann.get("/v1/jobs").status_code == 401
    assert dkronpy(empty, "token", "revoke", "ann", "--yes").returncode == 5
    assert json.loads(dkronpy(empty, "token", "list", "--all", "-o", "json").stdout)[0]["state"] == "revoked"


def dkronpy(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against a site's store."""
    command = [sys.executable, "-m", "dkronpy", *arguments]
    environment = {**site.environment, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(site.folder)}
    return subprocess.run(
        command, env=environment, cwd=site.folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
