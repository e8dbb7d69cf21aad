"""Lists a page at a time, only the fields that are wanted, runs that are waited for, and changes as they come."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import requests
from litestar.testing import TestClient

import dkronpy
from dkronpy.api.app import make_api
from dkronpy.api.services import Services
from dkronpy.schedule.calendar import Calendar
from dkronpy.wire.runs import time_in
from tests.api.site import Api, Site
from tests.support import wait_until


def pages(api: Api, path: str, limit: int, **query: Any) -> list[list[Any]]:
    """Every page of a list, each asked for with the cursor of the one before."""
    found, after = [], ""
    while True:
        asked = {**query, "limit": limit, **({"after": after} if after else {})}
        answer = api.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert len(body["items"]) <= limit
        found.append(list(body["items"]))
        after = body["after"]
        if after is None:
            return found


def named(item: Any) -> str:
    """What an item is called: the rest of it may change between two looks."""
    if isinstance(item, str):
        return item
    return str(next(item[key] for key in ("id", "name", "revision", "at") if key in item))


@pytest.fixture
def filled(site: Site, api: Api) -> Iterator[Site]:
    """Three of everything that is listed."""
    client, names = site.client, ("pg-1", "pg-2", "pg-3")
    for name in names:
        api.create(name)
        client.pools.set(name, 1)
        client.calendars.save(Calendar(name=name, off=("12-25",)))
        client.maintenance.pause(job=name, reason="listed")
    for number in range(3):
        api.create("pg-1", owner=f"o{number}")
        api.post("/v1/jobs/pg-1/run")
    yield site
    for name in names:
        client.pools.delete(name)
        client.calendars.delete(name)
        client.maintenance.resume(job=name)
        api.call("DELETE", f"/v1/jobs/{name}")


def test_every_list_is_read_page_by_page_without_a_hole(filled: Site, api: Api) -> None:
    store = filled.client.deployment.store
    for name in ("q1", "q2", "q3"):
        store.client.hset(store.keys.quarantine, name, "looked bad")
    for path in (
        "/api/v1/jobs", "/api/v1/pools", "/api/v1/calendars", "/api/v1/pauses", "/api/v1/jobs/pg-1/revisions",
        "/api/v1/jobs/pg-1/runs", "/api/v1/runs", "/api/v1/quarantine", "/api/v1/nodes", "/api/v1/channels",
        "/api/v1/notices", "/api/v1/tokens", "/api/v1/audit",
    ):  # fmt: skip
        one_by_one = [named(item) for page in pages(api, path, 1) for item in page]
        at_once = [named(item) for page in pages(api, path, 500) for item in page]
        assert len(one_by_one) >= 3 or path in {
            "/api/v1/nodes", "/api/v1/channels", "/api/v1/notices", "/api/v1/tokens",
        }, path  # fmt: skip
        if path != "/api/v1/audit":  # each look at the others is no entry, yet other tests write some
            assert one_by_one == at_once, path
        assert api.get(path, params={"limit": 0}).status_code == 400, path
    store.client.hdel(store.keys.quarantine, "q1", "q2", "q3")


def test_a_cursor_that_is_gone_is_said_and_one_by_name_is_not_needed_any_more(filled: Site, api: Api) -> None:
    for path in ("/api/v1/runs", "/api/v1/pauses", "/api/v1/jobs/pg-1/runs", "/api/v1/jobs/pg-1/revisions"):
        answer = api.get(path, params={"after": "no such thing"})
        assert (answer.status_code, "begin again" in answer.json()["hint"]) == (422, True), path
    behind = api.get("/api/v1/pools", params={"after": "pg-1a"}).json()
    assert [pool["name"] for pool in behind["items"]] == ["pg-2", "pg-3"]


def test_runs_are_paged_through_past_any_number_of_the_same_moment(site: Site, api: Api) -> None:
    api.create("pg-many")
    for _ in range(25):
        api.post("/v1/jobs/pg-many/run")
    found = [run["id"] for page in pages(api, "/api/v1/runs", 4, job="pg-many") for run in page]
    assert (len(found), len(set(found))) == (25, 25)
    moments = [time_in(run["due"]) for run in api.get("/api/v1/runs?job=pg-many&limit=500").json()["items"]]
    assert moments == sorted(moments, reverse=True)
    api.call("DELETE", "/v1/jobs/pg-many")


def test_only_the_fields_that_are_wanted_are_told(api: Api) -> None:
    api.create("narrow", pools={}, owner="me")
    rows = api.get("/api/v1/jobs?fields=name,owner&name=narrow").json()
    assert rows["items"] == [{"name": "narrow", "owner": "me"}]
    assert rows["total"] == 1
    assert api.get("/api/v1/jobs/narrow?fields=owner, schedule").json() == {"owner": "me", "schedule": "@manually"}
    assert set(api.get("/api/v1/status?fields=leader,now").json()) == {"leader", "now"}
    assert api.get("/api/v1/jobs/narrow?fields=pools").json() == {}  # a field of jobs that this one does not use
    refused = api.get("/api/v1/nodes?fields=nme")
    assert (refused.status_code, refused.json()["hint"]) == (422, "did you mean 'name'?")
    assert api.get("/api/v1/jobs/nothing?fields=name").status_code == 404
    assert "stored" in api.get("/api/v1/jobs/narrow?fields=").json()
    api.call("DELETE", "/v1/jobs/narrow")


def test_a_run_is_waited_for_where_that_is_wanted(api: Api) -> None:
    api.create("short")
    api.create("long", executor_config={"command": "sleep 60"})
    ended = api.post("/api/v1/jobs/short/run?wait=30")
    assert (ended.status_code, ended.json()["state"]) == (200, "success")
    assert ended.json()["executions"][0]["attempts"][0]["exit_code"] == 0
    assert ended.headers["Location"] == f"/api/v1/runs/{ended.json()['id']}"
    going = api.post("/api/v1/jobs/long/run?wait=1")
    assert (going.status_code, going.json()["state"]) == (202, "running")
    at_once = api.post("/api/v1/jobs/short/run")
    assert (at_once.status_code, at_once.json()["state"]) == (202, "running")
    assert api.post("/api/v1/jobs/short/run?wait=301").status_code == 400
    assert api.post("/api/v1/jobs/short/run?wait=x").status_code == 400
    api.post(f"/api/v1/runs/{going.json()['id']}/cancel")


def test_a_repeated_request_is_one_pause_and_one_run_again(site: Site, api: Api) -> None:
    api.create("once", schedule="@manually", executor_config={"command": "false"})
    key = {"Idempotency-Key": f"once-is-enough-{site.client.status().now_ms}"}
    paused = [api.post("/api/v1/pauses", json={"job": "once"}, headers=key) for _ in range(2)]
    assert [one.status_code for one in paused] == [201, 201]
    assert paused[0].json() == paused[1].json()
    assert [one.job for one in site.client.maintenance.resume(job="once")] == ["once"]
    failed = api.post("/api/v1/jobs/once/run?wait=30").json()["id"]
    again = [api.post(f"/api/v1/runs/{failed}/rerun", headers=key) for _ in range(2)]
    assert [one.status_code for one in again] == [202, 202]
    assert again[0].json()["items"][0]["id"] == again[1].json()["items"][0]["id"]
    runs = [one["id"] for one in api.get("/api/v1/jobs/once/runs").json()["items"]]
    assert sorted(runs)[-2:] == sorted({failed, again[0].json()["items"][0]["id"]})
    assert len(runs) == len(set(runs))


def lines_until(api: Api, path: str, last: str, enough: Any, act: Any) -> list[str]:
    """The lines of a stream, from before *act* is done until there is *enough*."""
    found: list[str] = []
    headers = {"Last-Event-ID": last} if last else {}
    with requests.get(api.url + path, headers=headers, stream=True, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("retry"):
                threading.Thread(target=act).start()
            found.append(line)
            if enough(found):
                return found
    return found


def ended_runs(site: Site, job: str, count: int) -> None:
    """So many runs of a job that are over, none of which ever started."""
    site.client.save_job(dkronpy.Job(name=job, schedule="@manually", run=dkronpy.Shell("true")))
    for _ in range(count):
        site.client.cancel_run(site.client.run_job(job).run.id)


def test_a_run_that_goes_on_is_listed_however_many_were_fired_since(empty: Site) -> None:
    client = empty.client
    client.save_job(dkronpy.Job(name="long", schedule="@manually", run=dkronpy.Shell("true"), history_limit=2))
    going = client.run_job("long").run.id
    ended_runs(empty, "short", 250)
    old = f"long@2026-01-01T00:00:00.000Z-{going.rpartition('-')[2]}"
    for _ in range(3):
        client.cancel_run(client.run_job("long").run.id)
    client.starts.start(old, by="me", params={})  # as a rerun of an old due time is
    _, api = empty.serve()
    running = [[run["id"] for run in page] for page in pages(api, "/api/v1/runs", 1, state="running")]
    assert running == [[going], [old]]
    assert {going, old} <= {run["id"] for run in api.get("/api/v1/runs?job=long").json()["items"]}
    assert [run["id"] for run in api.get("/api/v1/runs?limit=500").json()["items"]][-2:] == [going, old]


def test_who_may_see_few_of_very_many_runs_comes_to_them(empty: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dkronpy.api.runs._FARTHEST", 10)
    ended_runs(empty, "mine", 1)
    ended_runs(empty, "other", 40)
    services = Services(empty.client)
    secret = services.tokens.create("limited", role="viewer", jobs=["mine"])[1]
    found: list[str] = []
    after, looks = "", 0
    with TestClient(make_api(services, hosts=["jobs.local"]), base_url="http://jobs.local") as api:
        while after is not None:
            asked = {"limit": "2", **({"after": after} if after else {})}
            page = api.get("/api/v1/runs", params=asked, headers={"Authorization": f"Bearer {secret}"}).json()
            found += [run["job"] for run in page["items"]]
            after, looks = page["after"], looks + 1
            assert "other" not in str(page)
    assert (found, looks > 3) == (["mine"], True)


def test_more_events_than_a_page_holds_are_read_page_by_page(empty: Site) -> None:
    _, api = empty.serve()
    api.create("one")
    start = api.get("/api/v1/events").json()["position"]
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        api.create(name)
    read, after = [], start
    for _ in names[:3]:
        page = api.get(f"/api/v1/events?after={after}&limit=2").json()
        assert page["missed"] is False
        read.append([one["fields"]["job"] for one in page["items"]])
        after = page["position"]
    assert read == [["a", "b"], ["c", "d"], ["e"]]

    with contextlib.closing(dkronpy.Client(api.url)) as remote:
        assert [one.fields["job"] for one in remote.changes(start, 5) or []] == names
        assert remote.changes(start, 4) is None
        store = empty.client.deployment.store
        store.client.xtrim(store.keys.events, maxlen=2, approximate=False)
        assert remote.changes(start, 5) is None
        for client in (remote, empty.client):
            told = islice(client.events(after=start, block_ms=10), 2)
            assert [one and one.fields["job"] for one in told] == ["d", "e"], "what is known of what was missed"


def test_changes_come_as_events_and_are_taken_up_where_they_broke_off(site: Site, api: Api) -> None:
    api.create("told")
    api.create("untold")

    def act() -> None:
        for name in ("untold", "told"):
            api.post(f"/api/v1/jobs/{name}/run")

    def enough(lines: list[str]) -> bool:
        return "event: run" in lines and lines[-1] == ""

    seen = lines_until(api, "/api/v1/events/follow?job=told", "", enough, act)
    changes = [json.loads(line[6:]) for line in seen if line.startswith("data: ")]
    assert {one["job"] for one in changes} == {"told"}
    assert {"event: run", "event: execution"} <= set(seen)
    ids = [line[4:] for line in seen if line.startswith("id: ")]
    rest = lines_until(
        api, "/api/v1/events/follow?job=told", ids[0], lambda lines: f"id: {ids[-1]}" in lines, lambda: None
    )
    assert [line[4:] for line in rest if line.startswith("id: ")] == ids[1:]
    gone = lines_until(api, "/api/v1/events/follow", "1-1", lambda lines: "event: missed" in lines, lambda: None)
    assert "event: missed" in gone
    waiting = wait_until(lambda: api.get("/api/v1/events").json()["position"], description="there is a position")
    assert api.get(f"/api/v1/events?after={waiting}&wait=10").json()["missed"] is False
