"""The API describes itself, and keeps to what it says: schemathesis looks for answers that are not described."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dkronpy.api import shapes
from dkronpy.api.description import ANSWERS, BODIES, HEADERS, MORE, QUERIES, TEXTS
from tests.api.site import Api, Site
from tests.api.test_access import TABLE

SECONDS = 60


@pytest.fixture(scope="module")
def document(running: tuple[Site, Api]) -> dict[str, Any]:
    """The description as a client gets it."""
    return dict(running[1].get("/api/v1/openapi.json").json())


def test_every_route_is_described_and_no_table_speaks_of_another(document: dict[str, Any]) -> None:
    described = {(method, path) for path, operations in document["paths"].items() for method in operations}
    declared = {(route.split()[0].lower(), route.split()[1]) for route in TABLE}
    hidden = {one for one in declared if "/closed" in one[1] or "/oidc/" in one[1] or one[1].endswith("/openapi.json")}
    assert described == declared - hidden
    for table in (ANSWERS, BODIES, HEADERS, MORE, QUERIES):
        assert set(table) <= described
    assert set(TEXTS) <= {path for _, path in described}


def test_every_operation_has_its_words_its_errors_and_a_name_of_its_own(document: dict[str, Any]) -> None:
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert document["openapi"].startswith("3.1")
    assert all(one["description"] and one["responses"] for one in operations)
    assert all("400" in one["responses"] for one in operations)
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert document["components"]["schemas"]["JobBody"]["examples"] == [shapes.EXAMPLE]


def test_the_example_of_a_job_can_be_saved_and_what_comes_back_has_the_shape(api: Api) -> None:
    example = {**shapes.EXAMPLE, "name": "example-of-the-description"}
    assert api.post("/api/v1/validate", json=example).json() == {"valid": True, "errors": []}
    answer = api.post("/v1/jobs", json=example)
    assert answer.status_code == 201
    assert msgspec.json.decode(answer.content, type=shapes.Job).executor == "shell"


@pytest.mark.timeout(240)
def test_nothing_but_what_is_described_is_answered(api: Api, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{api.url}/api/v1/openapi.json",
        "--phases", "examples,coverage", "--workers", "1", "--max-time", str(SECONDS), "--request-timeout", "20",
        "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--exclude-path", "/v1/leave", "--exclude-path-regex", "/follow$|/pause$",
        "--no-shrink", "--continue-on-failure", "--warnings", "off", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout
    assert "Operations:" in done.stdout
