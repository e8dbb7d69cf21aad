"""Pings: runs of jobs that something else starts, told by plain requests."""

from __future__ import annotations

import dkronpy
from dkronpy.remote.client import Client
from tests.api.site import Api, Site


def made(site: Site, name: str) -> str:
    job = dkronpy.Job(name=name, schedule="@manually", run=dkronpy.Run("shell", {"command": "true"}))
    site.client.save_job(job)
    return name


def test_a_ping_is_a_run_and_an_end_belongs_to_its_start(site: Site, api: Api) -> None:
    name = made(site, "pinged")
    client = Client(api.url)
    try:
        assert client.ping_job(name).run.state == "success"
        begun = client.ping_job(name, "start")
        assert begun.run.state == "running"
        ended = client.ping_job(name, "fail", output=b"no space left", exit_code=28)
        assert (ended.run.id, ended.run.state, ended.run.reason) == (begun.run.id, "failed", "exit")
        (execution,) = ended.executions
        assert (execution.attempts[-1].exit_code, client.output(execution).head) == (28, b"no space left")
    finally:
        client.close()


def test_a_plain_get_is_enough_and_nonsense_is_refused(site: Site, api: Api) -> None:
    name = made(site, "got")
    assert api.get(f"/ping/{name}/0").json()["state"] == "success"
    assert api.get(f"/ping/{name}/sideways").status_code == 404
    assert api.get("/ping/nobody").status_code == 404
    assert [run.state for run in site.client.runs(job=name)] == ["success"]
