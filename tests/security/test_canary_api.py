"""A secret is in no answer of a server, whatever it is asked, nor in its logs, its metrics and the traces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import dkronpy
from dkronpy.api.services import Services
from dkronpy.job import Job, Run
from dkronpy.secret import secret
from dkronpy.trace import run_span
from tests.acceptance.collector import TRACED, Collector
from tests.api.site import Api, Site, site_on
from tests.api.test_access import TABLE
from tests.security.test_canary import CANARY, holding
from tests.support import StoreServer, wait_until

PRINT = 'echo "plain $KEY"; printf %s "$KEY" | base64; test -n "$KEY" || exit 9; exit 3'
LEFT_OUT = ("/closed", "/oidc/", "/events/follow", "{path}")
"""What is none of an API, or never ends."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Api, str, Collector]]:
    """A server after runs that used the canary, one that printed it and one that could not reach anybody with it."""
    folder, collector = tmp_path_factory.mktemp("canary-api"), Collector()
    (folder / "secrets").mkdir()
    (folder / "secrets" / "canary").write_text(CANARY)
    settings = {
        "DKRONPY_SECRETS_DIR": str(folder / "secrets"), "DKRONPY_LOG_LEVEL": "debug",
        "DKRONPY_OTEL_ENDPOINT": collector.url, **TRACED,
    }  # fmt: skip
    with StoreServer() as server, site_on(server, folder, settings) as site:
        site.beat()
        site.agent("n1")
        _, open_api = site.serve()
        token = Services(site.client).tokens.create("root", role="admin")[1]
        api, client = Api(open_api.url, token), dkronpy.Client(open_api.url, token=token)
        for command in ("true", PRINT):
            options = {"command": command, "shell": "true", "env": {"KEY": secret("canary")}}
            client.save_job(Job(name="canary", schedule="@manually", run=Run("shell", options)))
        call = dkronpy.Http(url="http://127.0.0.1:1/", headers={"X-Key": secret("canary")})
        client.save_job(Job(name="caller", schedule="@manually", run=call))
        run = api.post("/api/v1/jobs/canary/run?wait=30").json()
        assert run["executions"][0]["attempts"][0]["exit_code"] == 3, "the secret was really there"
        assert api.post("/api/v1/jobs/caller/run?wait=30").json()["state"] == "failed"
        yield site, api, str(run["id"]), collector
    collector.close()


def test_it_is_in_no_answer_to_whatever_may_be_read(told: tuple[Site, Api, str, Collector]) -> None:
    _, api, run, _ = told
    places = {"job": "canary", "run": run, "execution": f"{run}.0", "name": "canary", "node": "n1", "said": "0"}
    query = "?at=2026-11-01T00:00:00Z&start=2026-11-01T00:00:00Z&end=2026-11-02T00:00:00Z&id=" + f"{run}.0"
    record = api.get("/v1/jobs/canary/executions").json()[0]["id"]
    seen = {}
    for line in TABLE:
        method, path = line.split()
        if method != "GET" or any(part in path for part in LEFT_OUT) or path.startswith("/ping"):
            continue
        for name, value in {**places, "execution_id": record}.items():
            path = path.replace("{" + name + "}", value)
        answer = api.get(path + query)
        assert answer.status_code < 500, (path, answer.text)
        assert holding(answer.content) == holding(repr(answer.headers).encode()) == [], path
        seen[line] = answer
    assert "plain ***" in seen["GET /api/v1/executions/{execution}/output"].text
    assert "plain ***" in seen["GET /v1/jobs/{job}/executions/{execution_id}"].text
    assert "plain ***" in seen["GET /api/v1/executions/{execution}/follow"].text
    for line in ("jobs/{job}", "jobs/{job}/revisions", "jobs/{job}/diff", "executions/{execution}/bytes", "backup"):
        assert seen[f"GET /api/v1/{line}"].status_code == 200, line


def test_it_is_in_no_answer_to_a_change_nor_to_a_mistake(told: tuple[Site, Api, str, Collector]) -> None:
    _, api, run, _ = told
    job = api.get("/v1/jobs/canary").json()
    bad = {**job, "schedule": "nonsense", "executor_config": {**job["executor_config"], "timeout": "soon"}}
    asked = {"source": "canary", "jobs": [{**job, "doc": "other"}]}
    for method, path, body in [
        ("POST", "/api/v1/validate", bad), ("PUT", "/api/v1/jobs/canary", bad), ("POST", "/v1/jobs", bad),
        ("POST", "/api/v1/plan", asked), ("POST", "/api/v1/apply", {**asked, "take_over": True}),
        ("POST", "/api/v1/jobs/canary/rollback", None), ("POST", "/v1/jobs/canary/toggle", None),
        ("POST", f"/api/v1/runs/{run}/rerun", None), ("POST", f"/api/v1/runs/{run}/cancel", None),
        ("POST", "/api/v1/jobs/canary/run", {"params": {"KEY": 1}}), ("GET", "/api/v1/nothing", None),
    ]:  # fmt: skip
        answer = api.call(method, path, json=body)
        assert answer.status_code < 500, (path, answer.text)
        assert holding(answer.content) == [], path


def test_neither_it_nor_a_token_is_in_logs_metrics_or_traces(told: tuple[Site, Api, str, Collector]) -> None:
    site, api, run, collector = told
    assert holding(api.get("/metrics").content) == []
    wait_until(lambda: run_span(run) in collector.of(run), timeout=30, description="the run is told of")
    spans = b"".join(span.SerializeToString() for _, span in collector.spans)
    assert holding(spans) == []
    logs = [path.read_bytes() for path in Path(site.folder).rglob("*.log")]
    assert len(logs) >= 3
    assert [log for log in logs if holding(log) or api.token.encode() in log] == []
    assert api.token.encode() not in spans + api.get("/api/v1/tokens?all=true").content + api.get("/metrics").content
