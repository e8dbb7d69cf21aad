"""scripts/audit: a package that nobody looked up is no clean package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.audit import judged, main


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


def test_the_exit_status(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for text, status in ((report(CLEAN), 0), (report({"name": "kombu", "skip_reason": "unreachable"}), 1)):
        path.write_text(text)
        assert main(["--report", str(path)]) == status
