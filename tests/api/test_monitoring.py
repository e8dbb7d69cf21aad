"""The dashboard and the alert rules: read by Prometheus's own tool, and speaking of metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.site import Api, Site
from tests.support import ROOT, wait_until

FOLDER = ROOT / "docs" / "monitoring"
NAME = re.compile(r"\bdkron(?:py)?_\w+")
LABELS = ("dkronpy_start_lag_seconds_bucket", "dkronpy_attempt_duration_seconds_bucket")


def promtool(*arguments: str, cwd: Path = FOLDER, stdin: str = "") -> str:
    """Run it; what it says. AssertionError if it finds anything wrong."""
    done = subprocess.run(["promtool", *arguments], cwd=cwd, input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_raised_when_they_should_be(tmp_path: Path) -> None:
    assert "SUCCESS: 14 rules found" in promtool("check", "rules", "alerts.yml")
    for file in (FOLDER / "alerts.yml", ROOT / "tests" / "api" / "alerts_test.yml"):
        shutil.copy(file, tmp_path)
    promtool("test", "rules", "alerts_test.yml", cwd=tmp_path)


def test_every_question_of_the_dashboard_can_be_asked(tmp_path: Path) -> None:
    board = json.loads((FOLDER / "grafana.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked = [text.replace("$__rate_interval", "5m").replace("$job", ".*") for text in asked]
    rules = [{"record": f"asked:number{place}", "expr": text} for place, text in enumerate(asked)]
    (tmp_path / "asked.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"SUCCESS: {len(asked)} rules found" in promtool("check", "rules", "asked.yml", cwd=tmp_path)


@pytest.fixture(scope="module")
def exported(running: tuple[Site, Api]) -> str:
    """What a server exports once a job has run."""
    site, api = running
    for left in site.client.maintenance.pauses():  # what other tests leave behind must not stop it
        site.client.maintenance.resume(id=left.id)
    for node in site.client.nodes():
        site.client.undrain_node(node.name)
    api.create("watched", schedule="@every 1s")
    try:
        wait_until(lambda: all(name in api.get("/metrics").text for name in LABELS), timeout=60, description="timed")
    except AssertionError as error:  # say what stood in its way
        facts = [
            api.get(path).text for path in ("/api/v1/status", "/api/v1/nodes", "/api/v1/jobs/watched/runs?limit=5")
        ]
        raise AssertionError("\n".join([str(error), *facts, repr(site.client.maintenance.pauses())])) from None
    text = str(api.get("/metrics").text)
    assert api.call("DELETE", "/v1/jobs/watched").status_code == 200
    return text


def test_rules_and_dashboard_speak_of_metrics_that_there_are(exported: str) -> None:
    known = {sample.name for family in text_string_to_metric_families(exported) for sample in family.samples}
    known |= {family.name for family in text_string_to_metric_families(exported)}  # those without a sample yet
    board = json.loads((FOLDER / "grafana.json").read_text())
    asked = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    asked += board["templating"]["list"][1]["query"]
    for text in (asked, re.sub(r"alert: \w+", "", (FOLDER / "alerts.yml").read_text())):
        assert set(NAME.findall(text)) <= known
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) > 10


def test_every_metric_is_documented_and_as_prometheus_likes_it(exported: str) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    names = {name for name in NAME.findall(exported) if not name.endswith(("_bucket", "_sum", "_count", "_created"))}
    assert {name for name in names if name not in page} == set()
    promtool("check", "metrics", stdin=exported)
