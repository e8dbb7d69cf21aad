"""A deployment with a real server process in front of it, and a client that says what it got."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.acceptance.fleet import Fleet
from tests.support import Spawned, StoreServer

SHELL = {"executor": "shell", "executor_config": {"command": "echo hello"}}
NEVER = "0001-01-01T00:00:00Z"


def definition(name: str, **fields: Any) -> dict[str, Any]:
    """A job as Dkron's clients write it."""
    return {"name": name, "schedule": "@manually", **SHELL, **fields}


@dataclass
class Api:
    """Calls one server. ``token`` is sent along where there is one."""

    url: str
    token: str = ""

    def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
        """One request, redirects not followed."""
        given = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        options.setdefault("timeout", 20)
        return requests.request(
            method, self.url + path, headers={**given, **(headers or {})}, allow_redirects=False, **options
        )

    def get(self, path: str, **options: Any) -> Any:
        """A GET."""
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        """A POST."""
        return self.call("POST", path, **options)

    def create(self, name: str, **fields: Any) -> dict[str, Any]:
        """Create a job; the answer."""
        answer = self.post("/v1/jobs", json=definition(name, **fields))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def names(self, query: str = "") -> list[str]:
        """The names of the jobs of a list."""
        answer = self.get(f"/v1/jobs{query}")
        assert answer.status_code == 200, answer.text
        return [row["name"] for row in answer.json()]

    def ended(self, job: str) -> list[dict[str, Any]]:
        """The executions of a job that have ended."""
        rows = self.get(f"/v1/jobs/{job}/executions").json()
        return [row for row in rows if row["finished_at"] != NEVER]


class Site(Fleet):
    """A fleet that can also start servers."""

    def serve(self, *arguments: str, **environment: str) -> tuple[Spawned, Api]:
        """Start a server on a port of the system's choice and wait until it listens."""
        environment = {"DKRONPY_DATA_DIR": str(self.folder / "data-server"), **environment}
        process = self._start("server", "--port", "0", *arguments, **environment)
        return process, Api(url_in(process))


def url_in(process: Spawned) -> str:
    """Where a server says that it is."""
    found = re.search(r"the API is at (\S+)", process.wait_for("the API is at http"))
    assert found is not None
    return found[1]


def site_on(server: StoreServer, folder: Path, settings: Mapping[str, str] | None = None) -> Site:
    """A site on a store, nothing started yet."""
    return Site(server, folder, settings)


def shape(value: Any) -> Any:
    """The types of a JSON value, to compare shapes."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return type(value).__name__


def restore_file(jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """The argument ``files`` of a restore."""
    return {"file": ("jobs.json", json.dumps(jobs), "application/json")}
