"""Runs over the API: answered at once, told as Dkron tells them, followed as they print, forgotten when asked."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests

import dkronpy
from dkronpy.client.outside import Outside
from tests.api.site import NEVER, Api, Site, shape
from tests.support import wait_until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def shell(command: str) -> dict[str, Any]:
    return {"executor_config": {"command": f"sh -c '{command}'"}}


def test_a_run_answers_200_with_the_job_at_once_and_its_execution_comes(api: Api) -> None:
    api.create("ran", timezone="Asia/Kolkata")
    for path in ("/v1/jobs/ran", "/v1/jobs/ran/run"):
        answer = api.post(path)
        assert (answer.status_code, answer.json()["id"], answer.headers["Location"]) == (200, "ran", path)
    rows = wait_until(lambda: len(api.ended("ran")) == 2 and api.ended("ran"), timeout=30, description="both ran")
    assert isinstance(rows, list)
    assert shape(rows[0]) == {
        "id": "str", "job_name": "str", "started_at": "str", "finished_at": "str", "success": "bool",
        "node_name": "str", "group": "int", "attempt": "int", "output": "str", "output_truncated": "bool",
    }  # fmt: skip
    assert [(row["job_name"], row["success"], row["output"], row["node_name"], row["attempt"]) for row in rows] == [
        ("ran", True, "hello\n", "n1", 1)
    ] * 2
    assert len({row["id"] for row in rows}) == len({row["group"] for row in rows}) == 2
    assert all(TIME.fullmatch(row["started_at"]) and row["started_at"].endswith("+05:30") for row in rows)
    assert re.fullmatch(r"\d{19}-n1", rows[0]["id"])
    job = api.get("/v1/jobs/ran").json()
    assert (job["success_count"], job["error_count"], job["status"]) == (2, 0, "success")
    one = api.get(f"/v1/jobs/ran/executions/{rows[0]['id']}").json()
    assert one["started_at"].endswith("Z")
    assert "output_truncated" not in one
    assert api.get("/v1/jobs/ran/executions/1-n1").status_code == 404


def test_a_failure_has_its_reason_before_its_output_and_each_attempt_is_told(api: Api) -> None:
    api.create("fails", retries=1, retry={"delay": "0s", "jitter": False}, **shell("echo said; exit 3"))
    api.post("/v1/jobs/fails")
    wait_until(lambda: len(api.ended("fails")) == 2, timeout=30, description="both attempts ended")
    rows = api.get("/v1/jobs/fails/executions?_sort=attempt&_order=ASC").json()
    assert [(row["attempt"], row["success"]) for row in rows] == [(1, False), (2, False)]
    assert rows[0]["group"] == rows[1]["group"]
    assert all(row["output"].endswith("said\n") and "3" in row["output"] for row in rows)
    latest = api.get("/v1/jobs/fails/executions").json()
    assert [row["attempt"] for row in latest] == [2, 1]
    assert api.get("/v1/jobs/fails/executions?_sort=nonsense").json() == []


def test_output_is_cut_from_the_front(api: Api) -> None:
    api.create("prints", **shell("printf 0123456789é"))
    api.post("/v1/jobs/prints")
    wait_until(lambda: api.ended("prints"), timeout=30, description="it printed")

    def cut(query: str) -> tuple[str, bool]:
        row = api.get(f"/v1/jobs/prints/executions{query}").json()[0]
        return row.get("output", ""), row["output_truncated"]

    assert cut("") == cut("?output_size_limit=-1") == cut("?output_size_limit=x") == ("0123456789é", False)
    assert cut("?output_size_limit=4") == ("89é", True)
    assert cut("?output_size_limit=1") == ("\ufffd", True)
    assert cut("?output_size_limit=0") == ("", True)
    assert cut("?output_size_limit=12") == ("0123456789é", False)


def test_what_runs_is_busy_and_can_be_cancelled(api: Api, site: Site) -> None:
    api.create("busy", **shell("echo begun; sleep 600"))
    run = api.post("/api/v1/jobs/busy/run").json()
    row = wait_until(
        lambda: next((one for one in api.get("/v1/busy").json() if one["job_name"] == "busy"), None),
        timeout=30,
        description="it is busy",
    )
    assert (row["finished_at"], row["success"], row["node_name"]) == (NEVER, False, "n1")
    assert "output_truncated" not in row
    listed = api.get("/v1/jobs/busy/executions").json()
    assert (listed[0]["id"], listed[0]["finished_at"]) == (row["id"], NEVER)
    told = api.post(f"/api/v1/runs/{run['id']}/cancel").json()
    assert list(told["executions"].values()) == ["told"]
    ended, executions = site.ended(run["id"])
    assert (ended.state, executions[0].reason) == ("failed", "cancelled")
    assert ended.fired_by == "anonymous"


def test_deleting_executions_touches_exactly_this_job(api: Api) -> None:
    for name in ("forget", "forget-2"):
        api.create(name)
        api.post(f"/v1/jobs/{name}")
        wait_until(lambda name=name: api.ended(name), timeout=30, description=f"{name} ran")
    answer = api.call("DELETE", "/v1/jobs/forget/executions")
    assert answer.status_code == 200
    job = answer.json()
    assert (job["success_count"], job["last_success"], job["status"]) == (0, None, "success")
    assert api.get("/v1/jobs/forget/executions").json() == []
    assert len(api.get("/v1/jobs/forget-2/executions").json()) == 1


def test_forgetting_what_has_just_ended_starts_its_followers_all_the_same(api: Api, site: Site) -> None:
    api.create("first")
    api.create("second", schedule="", parent_job="first")
    for number in range(1, 4):
        site.ended(api.post("/api/v1/jobs/first/run").json()["id"])
        assert api.call("DELETE", "/v1/jobs/first/executions").status_code == 200
        assert api.get("/v1/jobs/first/executions").json() == []
        wait_until(lambda number=number: len(api.ended("second")) == number, timeout=20, description="it followed")


def test_a_run_is_given_parameters(api: Api) -> None:
    api.create("export", params={"days": {"type": "integer", "default": 7, "maximum": 90}})
    started = api.post("/api/v1/jobs/export/run", json={"params": {"days": 30}})
    assert started.status_code == 202, started.text
    assert started.json()["params"] == {"days": 30}
    for body, said in (
        ({"params": {"days": 91}}, "91 is more than 90"),
        ({"params": {"dys": 1}}, "there is no parameter"),
        ({"params": [1]}, "a run takes"),
        ({"days": 1}, "a run takes"),
    ):
        refused = api.post("/api/v1/jobs/export/run", json=body)
        assert refused.status_code == 422, refused.text
        assert said in refused.text


def test_one_idempotency_key_is_one_run(api: Api) -> None:
    api.create("once")
    key = {"Idempotency-Key": "k1"}
    first, again = (api.post("/api/v1/jobs/once/run", headers=key) for _ in range(2))
    assert (first.status_code, first.json()["id"]) == (202, again.json()["id"])
    assert api.post("/v1/jobs/once", headers=key).status_code == 200
    assert api.post("/api/v1/jobs/once/run", headers={"Idempotency-Key": "k2"}).json()["id"] != first.json()["id"]
    assert len(api.get("/api/v1/runs?job=once").json()["items"]) == 2
    assert api.post("/api/v1/jobs/once/run", headers={"Idempotency-Key": "k" * 256}).status_code == 400
    assert api.post("/api/v1/jobs/none/run", headers={"Idempotency-Key": "k3"}).status_code == 404


def test_what_was_written_and_not_confirmed_is_not_done_again_under_its_key(empty: Site) -> None:
    client = empty.client
    for name in ("written", "bad"):
        client.save_job(dkronpy.Job(name=name, schedule="@manually", run=dkronpy.Shell("false")))
    failed = client.run_job("bad").run.id
    client.cancel_run(failed)
    _, unsure = empty.serve(DKRONPY_STORE_REPLICAS="1")  # there is none: what it writes is an error all the same
    _, sure = empty.serve()
    made = {}
    for path, body in (
        ("/api/v1/jobs/written/run", None),
        (f"/api/v1/runs/{failed}/rerun", None),
        ("/api/v1/pauses", {"job": "written"}),
    ):
        key = {"Idempotency-Key": f"of {path}"}
        assert unsure.post(path, json=body, headers=key).status_code == 503
        first, again = (sure.post(path, json=body, headers=key) for _ in range(2))
        assert (first.ok, first.json()) == (True, again.json())
        made[path] = first.json()
    assert [run.id for run in client.runs(job="written")] == [made["/api/v1/jobs/written/run"]["id"]]
    assert len(client.runs(job="bad")) == 2
    assert len(client.maintenance.pauses()) == 1


def test_what_was_not_written_is_done_by_the_repeated_request(empty: Site) -> None:
    _, api = empty.serve()
    key = {"Idempotency-Key": "too early"}
    assert api.post("/api/v1/jobs/late/run", headers=key).status_code == 404
    api.create("late")
    assert api.post("/api/v1/jobs/late/run", headers=key).status_code == 202
    assert len(empty.client.runs(job="late")) == 1


def test_an_attempt_whose_beginning_is_told_twice_is_one(empty: Site, tmp_path: Path) -> None:
    empty.client.save_job(dkronpy.Job(name="backup", schedule="@manually", run=dkronpy.Shell("true")))
    outside = Outside(empty.client.deployment, tmp_path, node="box", who="cron")
    run = outside.name("backup")
    first, again = (outside.begin_as(run, lease_ms=60_000) for _ in range(2))
    assert first == again
    assert [view.run.id for view in empty.client.history("backup")] == [run]


def test_runs_are_listed_in_pages_and_shown_with_their_attempts(api: Api, site: Site) -> None:
    api.create("paged")
    ids = [api.post("/api/v1/jobs/paged/run").json()["id"] for _ in range(3)]
    for name in ids:
        site.ended(name)
    first = api.get("/api/v1/runs?job=paged&limit=2").json()
    rest = api.get(f"/api/v1/runs?job=paged&limit=2&after={first['after']}").json()
    assert {run["id"] for run in first["items"] + rest["items"]} == set(ids)
    assert rest["after"] is None
    run = api.get(f"/api/v1/runs/{ids[0]}").json()
    (execution,) = run["executions"]
    assert (run["state"], run["trigger"], execution["attempts"][0]["exit_code"]) == ("success", "manual", 0)
    assert api.get(f"/api/v1/executions/{execution['id']}").json()["node"] == "n1"
    text = api.get(f"/api/v1/executions/{execution['id']}/output")
    assert (text.text, text.headers["X-Output-Size"]) == ("hello\n", "6")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert api.get("/api/v1/runs?state=lost&job=paged").json()["items"] == []
    unknown = {"/api/v1/runs/none@x": 404, "/api/v1/executions/none": 404, "/api/v1/runs?after=none": 422}
    for path, status in unknown.items():
        answer = api.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


def events(response: requests.Response) -> list[tuple[int, str, Any]]:
    """The events of a stream: id, kind, data."""
    found = []
    for block in response.content.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "event" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def printed(found: list[tuple[int, str, Any]]) -> str:
    return "".join(data for _, kind, data in found if kind == "output")


def test_output_is_followed_to_its_end_and_resumed_at_a_byte(api: Api, site: Site) -> None:
    api.create("streams", **shell("for i in 1 2 3 4; do echo line-é-$i; sleep 1; done; exit 4"))
    run = api.post("/api/v1/jobs/streams/run").json()
    path = f"/api/v1/executions/{run['executions'][0]['id']}/follow"
    answer = api.get(path, timeout=60)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    live = events(answer)
    whole = "".join(f"line-é-{i}\n" for i in range(1, 5))
    assert printed(live) == whole
    assert (live[-1][1], live[-1][2]["state"], live[-1][2]["reason"]) == ("end", "failed", "exit")
    assert live[-1][0] == len(whole.encode())
    assert [place for place, _, _ in live] == sorted(place for place, _, _ in live)
    middle = live[0][0]
    site.ended(run["id"])
    replayed = events(api.get(path, headers={"Last-Event-ID": str(middle)}))
    assert printed(replayed) == whole.encode()[middle:].decode()
    assert api.get("/api/v1/executions/none/follow").status_code == 404
    marked = events(api.get(path + "?marks=true"))
    assert printed(marked) == whole
    marks = [mark for _, kind, data in marked if kind == "marks" for mark in data]
    assert marks == api.get(path.replace("/follow", "/bytes")).json()["marks"]
    line = len("line-é-1\n".encode())
    assert [mark["offset"] for mark in marks] == [0, line, 2 * line, 3 * line]
    moments = [mark["ms"] for mark in marks]
    assert all(later - earlier >= 100 for earlier, later in pairwise(moments))


def test_a_gap_in_what_was_kept_is_told(api: Api, site: Site) -> None:
    api.create("long", output_limit=20, **shell("printf %0100d 7"))
    run = api.post("/api/v1/jobs/long/run").json()
    site.ended(run["id"])
    found = events(api.get(f"/api/v1/executions/{run['executions'][0]['id']}/follow"))
    assert [kind for _, kind, _ in found] == ["output", "gap", "output", "end"]
    assert (found[1][2], found[2][0]) == ({"omitted": 80}, 100)


@pytest.mark.parametrize("query", ["?limit=0", "?limit=x", "?state=odd"])
def test_bad_parameters_of_ours_are_problems_that_name_them(api: Api, query: str) -> None:
    answer = api.get(f"/api/v1/runs{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert query[1:].partition("=")[0] in json.dumps(answer.json()["errors"])
