"""Fixtures: the pages on a real store, seen through a client that keeps cookies as a browser does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis
from litestar import Litestar
from litestar.testing import TestClient

from dkronpy.client import Client
from dkronpy.job import Job, Run
from dkronpy.settings import load_settings
from dkronpy.web.door import AnyRequest
from dkronpy.web.routes import web_routes
from tests.support import StoreServer


class Door:
    """Lets the test say who looks: ``actions`` are what they may do, ``jobs`` what they see (None: all)."""

    def __init__(self) -> None:
        self.actions = {"operate", "edit", "administer"}
        self.jobs: set[str] | None = None
        self.notes: list[str] = []

    def who(self, request: AnyRequest) -> str:
        return "tester"

    def may(self, request: AnyRequest, action: str, job: str | None = None) -> bool:
        return action in self.actions

    def sees(self, request: AnyRequest, job: str) -> bool:
        return self.jobs is None or job in self.jobs

    def sees_all(self, request: AnyRequest) -> bool:
        return self.jobs is None

    def note(self, request: AnyRequest, detail: str) -> None:
        self.notes.append(detail)

    def provider(self) -> str:
        return ""

    def leave(self, token: str) -> None:
        self.notes.append("left")


class Browser:
    """Reads pages and sends their forms."""

    def __init__(self, client: TestClient[Any]) -> None:
        self.client = client

    def get(self, path: str, status: int = 200) -> str:
        answer = self.client.get("/ui" + path)
        assert answer.status_code == status, answer.text
        return answer.text

    def send(self, path: str, *, status: int = 303, csrf: str | None = None, **fields: Any) -> httpx.Response:
        """Send a form with the token of this browser, or with another one."""
        if csrf is None:
            if "dkronpy_csrf" not in self.client.cookies:
                self.get("/")
            csrf = self.client.cookies["dkronpy_csrf"]
        answer = self.client.post("/ui" + path, data={"csrf": csrf, **fields}, follow_redirects=False)
        assert answer.status_code == status, answer.text
        return answer


def shell(command: str) -> Run:
    """What a shell job runs."""
    return Run("shell", {"command": command, "shell": "true"})


def save(client: Client, name: str, **fields: Any) -> None:
    """Store a job that is due once a year unless said."""
    client.save_job(Job(**{"name": name, "run": shell("true"), "schedule": "0 0 5 1 1 *", **fields}))


def visible(html: str) -> str:
    """The text of a page, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def client(store: redis.Redis, store_server: StoreServer) -> Iterator[Client]:
    client = Client(load_settings(None, {"DKRONPY_STORE_URL": store_server.url})[0], who="test")
    yield client
    for run in client.runs(state="running", limit=100):  # nobody is there to run them, and an open run is kept
        client.cancel_run(run.id)
    client.close()


@pytest.fixture
def browser(client: Client, door: Door) -> Iterator[Browser]:
    with TestClient(Litestar([*web_routes(client, door)], logging_config=None)) as test_client:
        yield Browser(test_client)
