"""Pauses, chains, jobs as code, and questions about due times over HTTP: by route, and by the client of the server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

import dkronpy
from dkronpy.api.services import Services
from dkronpy.api.works import MOST, Works
from dkronpy.clock import iso_ms
from dkronpy.errors import ConflictError, InvalidError, NotFoundError
from dkronpy.remote.client import Client
from tests.api.site import Api, Site, definition
from tests.support import wait_until


@pytest.fixture
def remote(api: Api) -> Iterator[Client]:
    """The client over HTTP on the running deployment."""
    client = dkronpy.Client(api.url)
    yield client
    client.close()


def test_pauses_come_and_go_as_on_the_store(site: Site, remote: Client) -> None:
    local = site.client
    for left in local.maintenance.pauses():  # other tests pause things here, too
        local.maintenance.resume(id=left.id)
    remote.save_job(dkronpy.Job(name="op-paused", schedule="@every 1h", run=dkronpy.Run("shell", {"command": "true"})))
    made = remote.maintenance.pause(job="op-paused", reason="repairs", until=timedelta(hours=2))
    assert local.maintenance.pauses() == remote.maintenance.pauses() == [made]
    assert abs((made.until_ms or 0) - made.from_ms - 2 * 3600 * 1000) < 1000  # the clock is read twice
    assert remote.maintenance.of_job(remote.job("op-paused").job) == made
    later = datetime.now(timezone.utc) + timedelta(days=1)  # noqa: TID251 - what a person would type
    window = remote.maintenance.pause(tag="role=web", start=later, until=later + timedelta(hours=1))
    assert [one.id for one in remote.maintenance.resume(tag="role=web")] == [window.id]
    assert [one.id for one in remote.maintenance.resume(id=made.id)] == [made.id]
    assert remote.maintenance.pauses() == []
    assert len(remote.maintenance.pauses(ended=True)) >= 1
    with pytest.raises(NotFoundError):
        remote.maintenance.pause(job="op-none")
    with pytest.raises(InvalidError):
        remote.maintenance.pause(tag="web")
    with pytest.raises(NotFoundError):
        remote.maintenance.resume(job="op-paused")


def test_who_has_some_jobs_pauses_those_by_name_only(empty: Site) -> None:
    _, api = empty.serve()
    tokens = Services(empty.client).tokens
    admin = Api(api.url, tokens.create("admin", role="admin")[1])
    for name in ("team-a", "other"):
        admin.create(name)
    team = Api(api.url, tokens.create("team", role="operator", jobs=["team-*"])[1])
    assert team.post("/api/v1/pauses", json={"job": "team-a"}).status_code == 201
    for asked in ({"job": "other"}, {"tag": "role=web"}, {}):
        assert team.post("/api/v1/pauses", json=asked).status_code == 403
    hidden = admin.post("/api/v1/pauses", json={"job": "other", "duration": "1h"}).json()["id"]
    assert [one["job"] for one in team.get("/api/v1/pauses").json()["items"]] == ["team-a"]
    for query in (f"?id={hidden}", "?job=other", ""):
        assert team.call("DELETE", f"/api/v1/pauses{query}").status_code == 403
    assert team.call("DELETE", "/api/v1/pauses?job=team-a").status_code == 200
    jobs = {"source": "team", "jobs": [definition("other")]}
    assert Api(api.url, tokens.create("editor", role="editor", jobs=["team-*"])[1]).post(
        "/api/v1/apply", json=jobs
    ).status_code == 403  # fmt: skip


def test_a_chain_is_shown_and_run_again_from_what_failed(site: Site, remote: Client) -> None:
    def job(name: str, command: str, **fields: object) -> dkronpy.Job:
        return dkronpy.Job(name=name, run=dkronpy.Run("shell", {"command": command}), **fields)  # type: ignore[arg-type]

    flag = site.folder / "mended"
    remote.save_job(job("op-first", "true", schedule="@manually"))
    remote.save_job(job("op-then", f"test -e {flag}", after=("op-first",)))
    first = remote.run_job("op-first").run.id

    def ended() -> bool:
        runs = {link.job: link.run for link in remote.run_tree(first)}
        then = runs.get("op-then")
        return then is not None and then.terminal

    wait_until(ended, timeout=30, description="the second one has ended")
    assert remote.run_tree(first) == site.client.run_tree(first)
    assert [(one.job, one.depth) for one in remote.run_tree(first)] == [("op-first", 0), ("op-then", 1)]
    flag.touch()
    (again,) = remote.rerun(first)
    assert again.run.job == "op-then"
    assert site.ended(again.run.id)[0].state == "success"
    with pytest.raises(ConflictError):
        remote.rerun(first)


def test_jobs_as_code_are_planned_applied_and_pruned(api: Api) -> None:
    jobs = [definition("code-a"), definition("code-b")]
    asked = {"source": "repo", "jobs": jobs}
    plan = api.post("/api/v1/plan", json=asked).json()
    assert {row["job"]: row["what"] for row in plan["jobs"]} == {"code-a": "added", "code-b": "added"}
    assert api.get("/v1/jobs/code-a").status_code == 404
    stale = api.post("/api/v1/apply", json={**asked, "plan": "000000000000"})
    assert (stale.status_code, "no longer plan" in stale.json()["detail"]) == (412, True)
    done = api.post("/api/v1/apply", json={**asked, "plan": plan["id"], "why": "first"})
    assert (done.status_code, sorted(done.json()["created"])) == (200, ["code-a", "code-b"])
    assert api.get("/api/v1/jobs/code-a").json()["stored"]["source"] == "repo"
    changed = [definition("code-a", owner="me")]
    (row, gone) = sorted(
        api.post("/api/v1/plan", json={**asked, "jobs": changed}).json()["jobs"], key=lambda r: r["job"]
    )
    assert (row["what"], row["changes"][0]["field"], gone["what"]) == ("changed", "owner", "removed")
    kept = api.post("/api/v1/apply", json={**asked, "jobs": changed}).json()
    assert (kept["changed"], kept["removed"]) == (["code-a"], [])
    refused = api.post("/api/v1/apply", json={**asked, "jobs": changed, "prune": True, "allow_delete": 0})
    assert refused.status_code == 409
    pruned = api.post("/api/v1/apply", json={**asked, "jobs": changed, "prune": True}).json()
    assert pruned["removed"] == ["code-b"]
    foreign = api.post("/api/v1/apply", json={"source": "other", "jobs": [definition("code-a", owner="them")]})
    assert foreign.status_code == 409
    bad = api.post("/api/v1/apply", json={**asked, "jobs": [definition("code-c"), {"name": "code-d", "schedule": "x"}]})
    assert (bad.status_code, {one["path"] for one in bad.json()["errors"]} >= {"jobs[1].schedule"}) == (422, True)
    assert api.get("/v1/jobs/code-c").status_code == 404


def test_a_job_goes_back_to_what_it_was(api: Api) -> None:
    api.create("op-back", owner="a")
    api.create("op-back", owner="b")
    (changed,) = api.get("/api/v1/jobs/op-back/diff").json()
    assert changed == {"field": "owner", "old": "a", "new": "b"}
    back = api.post("/api/v1/jobs/op-back/rollback?why=mistake")
    assert (back.status_code, back.json()["what"]) == (200, "changed")
    assert api.get("/v1/jobs/op-back").json()["owner"] == "a"
    assert api.get("/api/v1/jobs/op-back/revisions").json()["items"][0]["why"] == "mistake"
    for path in ("diff?old=99", "diff?new=0"):
        assert api.get(f"/api/v1/jobs/op-back/{path}").status_code in {400, 404}
    assert api.post("/api/v1/jobs/op-never/rollback").status_code == 404


def test_pools_are_made_sized_and_taken_away(site: Site, remote: Client) -> None:
    remote.pools.set("op-pool", 2)
    remote.pools.set("op-pool", 3)
    assert remote.pools.all() == site.client.pools.all()
    assert [(pool.name, pool.slots) for pool in remote.pools.all()] == [("op-pool", 3)]
    with pytest.raises(InvalidError):
        remote.pools.set("a b", 1)
    remote.pools.delete("op-pool")
    with pytest.raises(NotFoundError):
        remote.pools.delete("op-pool")


def test_due_times_are_counted_audited_and_made_up_for(api: Api, site: Site, remote: Client) -> None:
    remote.save_job(dkronpy.Job(name="op-due", schedule="* * * * *", run=dkronpy.Run("shell", {"command": "true"})))
    forecast = api.get("/api/v1/forecast?days=1&worst=2").json()
    assert forecast["runs"] >= 1440
    assert len(forecast["worst"]) == 2
    now = site.client.status().now_ms
    start, end = now - 3_600_000, now - 3_300_000
    assert remote.audit_job("op-due", start, now) == site.client.audit_job("op-due", start, now)
    window = {"start": iso_ms(start), "end": iso_ms(end), "max_active": 5}
    asked = api.post("/api/v1/jobs/op-due/backfill", json={**window, "dry_run": True})
    assert (asked.status_code, asked.json()["due"]) == (202, 5)
    assert api.post("/api/v1/jobs/op-due/backfill", json=window).json()["due"] == 5

    def made_up() -> int:
        return sum(run.trigger == "backfill" and run.state == "success" for run in remote.runs(job="op-due"))

    wait_until(lambda: made_up() == 5, timeout=40, description="five due times are made up for")
    left = api.post("/api/v1/jobs/op-due/backfill", json={**window, "dry_run": True}).json()
    assert (left["due"], left["done"]) == (0, 5)
    assert (
        api.post("/api/v1/jobs/op-due/backfill", json={"start": iso_ms(end), "end": iso_ms(start)}).status_code == 422
    )
    remote.delete_job("op-due")


def test_a_backfill_of_centuries_is_refused_with_the_part_that_may_be_taken(api: Api, remote: Client) -> None:
    run = dkronpy.Run("shell", {"command": "true"})
    remote.save_job(dkronpy.Job(name="op-ages", schedule="* * * * *", run=run, timezone="UTC"))
    centuries = {"start": "1800-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z", "dry_run": True}
    refused = api.post("/api/v1/jobs/op-ages/backfill", json=centuries)
    remote.delete_job("op-ages")
    assert refused.status_code == 422
    assert "more than 100,000 due times lie between" in refused.text
    assert "the first 100,000 end at 1800-03-11T10:40:00" in refused.text


def test_a_server_does_a_few_things_at_a_time_and_none_twice() -> None:
    works = Works()
    for number in range(MOST):
        works.start(str(number), lambda stopping: stopping.wait(20))
    for name in ("0", "another"):
        with pytest.raises(ConflictError):
            works.start(name, lambda stopping: stopping.wait(20))
    works.stopping.set()

    def free() -> bool:
        try:
            works.start("0", lambda _: None)
        except ConflictError:
            return False
        return True

    wait_until(free, timeout=10, description="they have stopped")


@pytest.mark.parametrize("after", ["1-604061085473829812595", "٣-٣", "1"])
def test_a_place_in_the_audit_log_that_cannot_be_is_the_askers_mistake(after: str, api: Api) -> None:
    assert api.get("/api/v1/audit", params={"after": after}).status_code == 400


def test_nothing_comes_before_the_first_place_of_the_audit_log(api: Api) -> None:
    for after in ("0-0", "0000-0"):
        answer = api.get("/api/v1/audit", params={"after": after})
        assert (answer.status_code, answer.json()) == (200, {"items": [], "after": None})
