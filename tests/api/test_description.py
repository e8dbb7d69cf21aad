"""The API describes itself, and keeps to what it says: schemathesis looks for answers that are not described."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema_rs import Draft202012Validator

from dkronpy.api import shapes
from dkronpy.api.description import ANSWERS, BODIES, HEADERS, MORE, QUERIES, TEXTS
from dkronpy.api.examples import EXAMPLES
from dkronpy.api.services import Services
from tests.api.site import Api, Site, site_on
from tests.api.test_access import TABLE
from tests.support import StoreServer, wait_until

NOT_ASKED = "/follow$|^/v1/pause$|^/v1/leave$|^/api/v1/tokens/"
"""What never ends, what stops the server or everybody's changes, and what would revoke the token that is asked with."""
LOGIN = {"/oidc/login", "/oidc/callback"}
SECONDS = int(os.environ.get("DKRONPY_API_SECONDS", "40"))
"""For each role. Where it is given, requests are made up, too: `DKRONPY_API_SECONDS=600 pytest THIS --timeout 3600`."""
LONG = "DKRONPY_API_SECONDS" in os.environ
PHASES = "examples,coverage,fuzzing,stateful" if LONG else "examples,coverage"
SEED = ["--seed", os.environ.get("DKRONPY_API_SEED", "1")]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


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
    open_to_all = {
        path for path, one in document["paths"].items() if any(o.get("security") == [] for o in one.values())
    }
    assert open_to_all == {route.split()[1] for route, roles in TABLE.items() if "nobody" in roles} - LOGIN


def test_the_example_of_a_job_can_be_saved_and_what_comes_back_has_the_shape(api: Api) -> None:
    example = {**shapes.EXAMPLE, "name": "example-of-the-description"}
    assert api.post("/api/v1/validate", json=example).json() == {"valid": True, "errors": []}
    answer = api.post("/v1/jobs", json=example)
    assert answer.status_code == 201
    assert msgspec.json.decode(answer.content, type=shapes.Job).executor == "shell"


def test_every_answer_has_an_example_that_its_schema_allows(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                for media, told in answer.get("content", {}).items():
                    where = (method, path, status, media)
                    assert "example" in told or status[0] != "2", where
                    if "example" in told:
                        schema = {"components": document["components"], **told["schema"]}
                        errors = Draft202012Validator(schema).iter_errors(told["example"])
                        assert not [error.message for error in errors], where
    schemas = document["components"]["schemas"]
    kinds = {name: set(schemas[name]["properties"]) for name in EXAMPLES}
    assert {name: set(example) for name, example in EXAMPLES.items()} == kinds
    assert set(EXAMPLES) <= set(re.findall(r"schemas/(\w+)", json.dumps(document["paths"])))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Api, dict[str, str]]]:
    """A deployment with something of each kind, its server, and the names of what there is."""
    with StoreServer() as server, site_on(server, tmp_path_factory.mktemp("described")) as site:
        site.beat()
        site.agent("n1")
        site.leader_pid()
        _, api = site.serve()
        api.create("known")
        api.create("follower", parent_job="known")
        run, executions = site.ended(api.post("/api/v1/jobs/known/run").json()["id"])
        wait_until(lambda: api.ended("known"), timeout=30, description="it is told as Dkron tells it")
        for path, body in (("pools/known", {"slots": 3}), ("calendars/known", {"off": ["12-25"]})):
            assert api.call("PUT", f"/api/v1/{path}", json=body).status_code < 300
        assert api.post("/v1/acl/policies/known", json={"path": {}}).status_code == 200
        known = {"job": "known", "run": run.id, "execution": executions[0].id, "name": "known", "node": "n1"}
        known |= {"execution_id": api.ended("known")[0]["id"], "said": "start"}
        yield site, api, known


@pytest.mark.timeout(SECONDS * 4 + 120)
@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_nothing_but_what_is_described_is_answered(
    guarded: tuple[Site, Api, dict[str, str]], tmp_path: Path, role: str
) -> None:
    if find_spec("schemathesis") is None:
        assert sys.version_info < (3, 11), "install it: scripts/venv dev"
        return
    site, api, known = guarded
    secret = Services(site.client).tokens.create(f"{role}-{secrets.token_hex(4)}", role=role)[1]
    lines = ['headers = { Authorization = "Bearer ${DKRONPY_TOKEN}" }']
    for name, value in known.items():
        lines.append(f'dictionaries.{name}.values = ["{value}"]')
        lines.append(f'parameters."path.{name}" = {{ dictionary = "{name}", probability = 0.7 }}')
    lines.append('parameters."query.wait" = 1')
    (tmp_path / "schemathesis.toml").write_text("\n".join(lines))
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{api.url}/api/v1/openapi.json",
        "--phases", PHASES, "--workers", "1", "--max-time", str(SECONDS), "--request-timeout", "20",
        "--checks", CHECKS, "--exclude-path-regex", NOT_ASKED,
        "--no-shrink", "--continue-on-failure", "--warnings", "off", "--no-color", *SEED,
    ]  # fmt: skip
    environment = {**os.environ, "DKRONPY_TOKEN": secret}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=SECONDS * 3 + 60
    )
    assert done.returncode == 0, done.stdout
    assert "Operations:" in done.stdout
    assert Api(api.url, secret).get("/v1/jobs").status_code == 200
