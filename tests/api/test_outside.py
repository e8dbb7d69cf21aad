"""Runs that something else makes, told by way of a server: `dkronpy exec` where no store can be reached."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dkronpy
from dkronpy.api.access import GRANTS
from dkronpy.api.services import Services
from dkronpy.node import on_node
from tests.api.site import Api, Site, site_on
from tests.support import ROOT, StoreServer, wait_until

SCRIPT = "echo one; echo two >&2; exit 3"
Exec = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Api, dict[str, str]]]:
    """A server with a token for each role, and no beat and no agent: nobody else runs anything."""
    with StoreServer() as server, site_on(server, tmp_path_factory.mktemp("outside")) as site:
        tokens = Services(site.client).tokens
        secrets = {role: tokens.create(role, role=role)[1] for role in GRANTS}
        _, api = site.serve()
        yield site, api, secrets


def start(folder: Path, url: str, token: str, *arguments: str) -> subprocess.Popen[bytes]:
    """`dkronpy exec` on a machine that knows the address of a server and nothing else."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder), "DKRONPY_API_URL": url}
    environment |= {"DKRONPY_API_TOKEN": token, "DKRONPY_NODE_NAME": "cronbox", "DKRONPY_LEASE": "6s"}
    return subprocess.Popen(
        [sys.executable, "-m", "dkronpy", "exec", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=environment | {"DKRONPY_LEASE_RENEW": "1s"},
    )  # fmt: skip


def ran(folder: Path, url: str, token: str, *arguments: str) -> tuple[int, bytes, bytes]:
    """The exit status of such a command, and what it printed."""
    with start(folder, url, token, *arguments) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def test_a_run_is_recorded_with_its_output_and_its_exit_status(
    guarded: tuple[Site, Api, dict[str, str]], tmp_path: Path
) -> None:
    site, api, secrets = guarded
    status, out, err = ran(tmp_path, api.url, secrets["editor"], "--job", "far", "--", "sh", "-c", SCRIPT)
    assert (status, sorted(out.split()), err) == (3, [b"one", b"two"], b"")
    (run,) = site.client.runs(job="far")
    assert (run.state, run.reason, run.fired_by) == ("failed", "exit", "editor (exec on cronbox)")
    (execution,) = site.client.run(run.id).executions
    assert (execution.node, execution.attempts[-1].exit_code) == ("cronbox", 3)
    assert sorted(site.client.output(execution).head.split()) == [b"one", b"two"]
    assert (site.client.job("far").stored.source, site.client.job("far").job.on) == ("exec", on_node("cronbox"))


def test_it_is_kept_alive_and_ends_when_it_is_cancelled(
    guarded: tuple[Site, Api, dict[str, str]], tmp_path: Path
) -> None:
    site, api, secrets = guarded
    with start(tmp_path, api.url, secrets["editor"], "--job", "far-long", "--", "sleep", "60") as process:
        try:
            (run,) = wait_until(lambda: site.client.runs(job="far-long"), timeout=40, description="the run is there")
            assert run.state == "running"
            dkronpy.Client(api.url, token=secrets["operator"]).cancel_run(run.id)
            wait_until(lambda: process.poll() is not None, timeout=40, description="the command is ended")
        finally:
            process.kill()
    assert site.client.run(run.id).run.reason == "cancelled"


def test_it_runs_without_the_server_and_is_told_later_in_order(
    guarded: tuple[Site, Api, dict[str, str]], tmp_path: Path
) -> None:
    site, api, secrets = guarded
    away = "http://127.0.0.1:1"
    status, out, err = ran(tmp_path, away, secrets["editor"], "--job", "far-later", "--", "echo", "done")
    assert (status, out) == (0, b"done\n")
    assert err.startswith(b"dkronpy: no answer from http://127.0.0.1:1")
    assert ran(tmp_path, away, "", "--job", "far-later", "--quiet", "--", "false") == (1, b"", b"")
    assert ran(tmp_path, api.url, secrets["editor"], "--job", "far-later", "--", "true")[0] == 0
    assert [run.state for run in reversed(site.client.runs(job="far-later"))] == ["success", "failed", "success"]
    assert not list((tmp_path / "data" / "exec").glob("*"))


def test_who_may_not_make_a_job_records_runs_of_those_that_are_there(
    guarded: tuple[Site, Api, dict[str, str]], tmp_path: Path
) -> None:
    site, api, secrets = guarded
    status, out, err = ran(tmp_path, api.url, secrets["operator"], "--job", "far-new", "--", "echo", "ran")
    assert (status, out) == (0, b"ran\n")
    assert b"there is no job named 'far-new'" in err
    assert ran(tmp_path, api.url, secrets["viewer"], "--job", "far-new", "--quiet", "--", "true")[0] == 0
    site.client.save_job(dkronpy.Job(name="far-old", schedule="@manually", run=dkronpy.Shell("true")))
    folder = tmp_path / "another"
    folder.mkdir()
    assert ran(folder, api.url, secrets["operator"], "--job", "far-old", "--", "true") == (0, b"", b"")
    assert [run.state for run in site.client.runs(job="far-old")] == ["success"]
    assert site.client.jobs()[0].job.name != "far-new"


def test_nobody_tells_how_ended_what_an_agent_runs(guarded: tuple[Site, Api, dict[str, str]]) -> None:
    site, api, secrets = guarded
    admin = Api(api.url, secrets["admin"])
    admin.create("an-agent-s", on={"count": 1})
    run = admin.post("/api/v1/jobs/an-agent-s/run").json()["id"]
    told = {"token": 0, "success": True}
    assert admin.post(f"/api/v1/executions/{run}.0/end", json=told).status_code == 409
    assert admin.post(f"/api/v1/executions/{run}.0/renew", json={"token": 0, "lease_ms": 5000}).status_code == 409
    assert site.client.run(run).run.state == "running"
    begun = admin.post("/api/v1/jobs/an-agent-s/begin", json={"node": "x", "lease_ms": 5000}).json()
    wrong = {**told, "token": begun["token"] + 1}
    assert admin.post(f"/api/v1/executions/{begun['execution']}/end", json=wrong).status_code == 409
    good = {"token": begun["token"], "success": True, "head": "aGk=", "size": 2}
    assert [admin.post(f"/api/v1/executions/{begun['execution']}/end", json=good).status_code for _ in "12"] == [
        204,
        204,
    ]
    assert site.client.run(begun["run"]).run.state == "success"
    later = {"node": "x", "lease_ms": 5000, "started_at": "0001-01-01T00:00:00+23:59"}
    assert admin.post("/api/v1/jobs/an-agent-s/begin", json=later).status_code == 422
