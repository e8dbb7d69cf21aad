"""Flower behind the tokens of the deployment, and the ways between its pages and ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from dkronpy import on_node
from dkronpy.api.tokens import Tokens
from dkronpy.job import Job, Run
from tests.acceptance.fleet import Fleet
from tests.oidc import Browser, oidc_provider, settings_of
from tests.support import StoreServer, free_port, spawn, wait_until


class Flower:
    """A Flower that runs, as somebody with or without a token sees it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **given: object) -> requests.Response:
        return requests.get(self.url + path, timeout=5, **given)  # type: ignore[arg-type]


@contextmanager
def flower_of(fleet: Fleet, **settings: str) -> Iterator[Flower]:
    port = free_port()
    environment = {**fleet.environment, "DKRONPY_PUBLIC_URL": "https://jobs.example.org", **settings}
    with spawn("flower", "--port", str(port), "--no-read-only", log=fleet.folder / "f.log", env=environment) as process:
        process.wait_for("Flower is at", timeout=30)
        yield Flower(port)
        assert "Traceback" not in process.output


@pytest.fixture
def flower(fleet: Fleet) -> Iterator[Flower]:
    with flower_of(fleet) as found:
        yield found


def test_flower_asks_for_the_token_that_the_pages_ask_for(fleet: Fleet, flower: Flower) -> None:
    tokens = Tokens(fleet.client.deployment.store)
    assert flower.get("/").url.endswith("/flower/")
    assert flower.get("/flower/tasks").status_code == 200
    _, admin = tokens.create("alice", role="admin")
    _, viewer = tokens.create("vic", role="viewer")
    _, narrow = tokens.create("nina", role="viewer", jobs=["report"])
    refused = flower.get("/flower/tasks")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    assert "flower" not in refused.text.lower()
    assert flower.get("/flower/task/healthcheck").status_code == 401
    assert flower.get("/flower/healthcheck").status_code == 200
    assert flower.get("/flower/tasks", auth=("anything", viewer)).status_code == 200
    assert flower.get("/flower/tasks", cookies={"dkronpy_token": viewer}).status_code == 200
    assert flower.get("/flower/tasks", headers={"Authorization": f"Bearer {admin}"}).status_code == 200
    assert flower.get("/flower/tasks", auth=("nina", narrow)).status_code == 403
    assert flower.get("/flower/tasks", auth=("x", "wrong")).status_code == 401
    tokens.revoke("vic")
    assert flower.get("/flower/tasks", auth=("vic", viewer)).status_code == 401


def test_only_an_admin_changes_something_and_no_other_sites_page(fleet: Fleet, flower: Flower) -> None:
    tokens = Tokens(fleet.client.deployment.store)
    _, admin = tokens.create("alice", role="admin")
    _, viewer = tokens.create("vic", role="viewer")
    revoke = f"{flower.url}/flower/api/task/revoke/nothing"
    assert requests.post(revoke, auth=("vic", viewer), timeout=5).status_code == 403
    assert requests.post(revoke, auth=("alice", admin), timeout=5).status_code == 200
    elsewhere = {"Origin": "https://evil.example"}
    cookies = {"dkronpy_token": admin}
    assert requests.post(revoke, cookies=cookies, headers=elsewhere, timeout=5).status_code == 403
    crossed = {"Sec-Fetch-Site": "same-site"}
    assert requests.post(revoke, cookies=cookies, headers=crossed, timeout=5).status_code == 403
    assert "Access-Control-Allow-Origin" not in flower.get("/flower/api/workers", auth=("alice", admin)).headers


def test_a_task_leads_to_its_run_and_a_worker_to_its_node(fleet: Fleet, flower: Flower) -> None:
    fleet.beat(), fleet.agent("n1")
    fleet.save(Job(name="good", schedule="@manually", run=Run("shell", {"command": "true"}), on=on_node("n1")))
    run, (execution,) = fleet.run_now("good")
    task = f"/flower/task/{execution.id}"
    wait_until(lambda: flower.get(task).status_code == 200, timeout=20, description="Flower knows the task")
    assert f'href="https://jobs.example.org/ui/runs/{run.id}?execution=0"' in flower.get(task).text
    assert "job:good" in flower.get(task).text

    def worker() -> str:
        names = requests.get(flower.url + "/flower/workers?json=1", timeout=5).json()["data"]
        return next((str(one["hostname"]) for one in names if str(one["hostname"]).startswith("n1@")), "")

    name = wait_until(worker, timeout=20, description="Flower knows the worker")
    wait_until(lambda: flower.get(f"/flower/worker/{name}").status_code == 200, description="and what it does")
    assert 'href="https://jobs.example.org/ui/nodes/n1"' in flower.get(f"/flower/worker/{name}").text


def test_who_signs_in_with_a_provider_is_let_into_flower_too(server: StoreServer, tmp_path: Path) -> None:
    with oidc_provider(tmp_path) as provider, Fleet(server, tmp_path, settings_of(provider)) as fleet:
        port = free_port()
        ours = f"http://127.0.0.1:{port}"
        with (
            spawn("server", "--port", str(port), log=tmp_path / "s.log", env=fleet.environment) as web,
            flower_of(fleet, DKRONPY_PUBLIC_URL=ours) as flower,
        ):
            web.wait_for("the API is at", timeout=30)
            tasks, revoke = f"{flower.url}/flower/tasks", f"{flower.url}/flower/api/task/revoke/nothing"
            ann, bob, eve = Browser(), Browser(), Browser()
            refused = ann.get(tasks, headers={"Accept": "text/html"}, timeout=20)
            assert refused.status_code == 401
            assert "WWW-Authenticate" not in refused.headers  # nobody has a password to type
            assert f'href="{ours}/ui/sign-in"' in refused.text
            asked = ann.get(f"{tasks}?token", headers={"Accept": "text/html"}, timeout=20)
            assert asked.headers["WWW-Authenticate"].startswith("Basic")
            for who, name in ((ann, "ann"), (bob, "bob"), (eve, "eve")):
                who.sign_in(ours, name)
            assert [who.get(tasks, timeout=20).status_code for who in (ann, bob, eve)] == [200, 200, 401]
            assert [who.post(revoke, timeout=20).status_code for who in (ann, bob)] == [200, 403]
            form = re.search(r'name="csrf" value="([^"]+)"', ann.get(f"{ours}/ui/settings", timeout=20).text)
            assert form is not None
            kept = {one.path: str(one.value) for one in ann.cookies if one.name == "dkronpy_token"}["/flower"]
            ann.post(f"{ours}/ui/sign-out", data={"csrf": form[1]}, timeout=20)
            assert ann.get(tasks, timeout=20).status_code == 401
            assert flower.get("/flower/tasks", cookies={"dkronpy_token": kept}).status_code == 401
