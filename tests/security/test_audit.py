"""scripts/audit: a package that nobody looked up is no clean package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from scripts.audit import HELD, RECORD, by_page, judged, main, unrecorded


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


CLEAN = {"name": "click", "version": "8.3.0", "vulns": []}
KNOWN = {"id": "PYSEC-2022-210", "fix_versions": ["1.2.0"], "aliases": ["CVE-2022-30034"], "description": "..."}


def test_clean() -> None:
    assert (
        list(judged(report(CLEAN, {"name": "dkronpy", "skip_reason": "not on the index"}), {"click", "dkronpy"})) == []
    )


@pytest.mark.parametrize(
    ("text", "installed", "said"),
    [
        (
            report({"name": "Flower", "version": "1.1.0", "vulns": [KNOWN]}),
            set(),
            "flower 1.1.0: PYSEC-2022-210, mended in 1.2.0",
        ),
        (report(CLEAN, {"name": "kombu", "skip_reason": "service unreachable"}), set(), "kombu: was not looked up"),
        (report(CLEAN), {"click", "celery"}, "celery: was not looked up: the report does not know it"),
        (report(), set(), "the report names no package"),
        ("", set(), "there is no report"),
        ("[]", set(), "there is no report"),
    ],
)
def test_what_is_wrong(text: str, installed: set[str], said: str) -> None:
    assert said in "\n".join(judged(text, installed))


NOW = datetime(2026, 11, 27, tzinfo=timezone.utc)
ADVISORY = {"id": "PYSEC-2026-1325", "fixed_in": ["0.20"], "withdrawn": None}


def page(newest: str, *advisories: Mapping[str, Any], came: Mapping[str, str] | None = None) -> dict[str, Any]:
    """As the index has it, with the days on which releases came."""
    releases: dict[str, Any] = {"odd": [], "x-1": [{"upload_time": "2020-01-01T10:00:00"}]}
    releases.update((name, [{"upload_time": f"{day}T10:00:00"}]) for name, day in (came or {}).items())
    return {"info": {"version": newest}, "vulnerabilities": advisories, "releases": releases}


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (page("0.19"), ""),
        (page("0.19", ADVISORY), "ecdsa 0.19: PYSEC-2026-1325, mended in 0.20"),
        (page("0.19", {**ADVISORY, "withdrawn": "2026-01-02T03:04:05Z"}), ""),
        (page("0.21", came={"0.20": "2026-11-20", "0.21": "2026-11-26"}), ""),
        (page("0.21", came={"0.20": "2026-11-01", "0.21": "2026-11-26"}), "ecdsa 0.19: was not looked up"),
        (page("0.20", came={"0.20rc1": "2026-09-01", "0.20": "2026-11-26"}), ""),
        (page("0.20"), "ecdsa 0.19: was not looked up"),
    ],
)
def test_what_the_page_of_a_project_says_of_a_version(shown: dict[str, Any], said: str) -> None:
    found = list(by_page("ecdsa", "0.19", shown, NOW))
    assert [line[: len(said)] for line in found] == ([said] if said else [])


def test_what_stays_behind_has_its_reason() -> None:
    assert list(by_page("python-dateutil", "2.9.0", page("4.0.0"), NOW)) == []
    assert all(HELD.values())


def test_a_package_that_was_skipped_is_looked_up_on_the_page_of_its_project() -> None:
    version = metadata.version("click")
    skipped = report({"name": "click", "skip_reason": "no page of that version"})
    assert list(judged(skipped, set(), lambda _: page(version, ADVISORY))) == [
        f"click {version}: PYSEC-2026-1325, mended in 0.20"
    ]
    assert list(judged(skipped, set(), lambda _: "no answer")) == ["click: was not looked up: no answer"]


def test_the_exit_status(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for text, status in ((report(CLEAN), 0), (report({"name": "Flower", "version": "1.1.0", "vulns": [KNOWN]}), 1)):
        path.write_text(text)
        assert main(["--report", str(path)]) == status


def test_what_was_looked_up_lately_is_not_asked_again() -> None:
    installed = {"click": "8.3.0", "kombu": "5.5.4", "celery": "5.6.1", "dkronpy": "0.1.0"}
    record = "celery 5.6.0 2026-11-26\nclick 8.3.0 2026-10-28\nkombu 5.5.4 2026-10-27\n"
    asked = unrecorded(installed, record, date(2026, 11, 27))
    assert asked == {"celery": "5.6.1", "kombu": "5.5.4"}, "another version, and longer ago than thirty days"
    assert unrecorded(installed, "", date(2026, 11, 27)).keys() == {"click", "kombu", "celery"}, "ours is not there"


def test_the_record_is_of_names_versions_and_days() -> None:
    assert unrecorded({"celery": "0"}, RECORD.read_text(), date(2026, 11, 27)) == {"celery": "0"}
    assert len(RECORD.read_text().splitlines()) > 100
