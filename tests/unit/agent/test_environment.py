"""What a job finds in its environment is what its page says."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dkronpy.agent.context import KEPT_VARIABLES, AttemptContext, Identity
from dkronpy.plugins.reach import Reach
from tests.support import ROOT

NOBODY: Any = None
"""An output or a launcher that is not asked for anything."""


def test_each_variable_of_a_job_stands_in_the_page_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEPT_VARIABLES:
        monkeypatch.setenv(name, "set")
    identity = Identity(
        execution_id="report@2026-11-23T02:30:00.000Z.0", run_id="report@2026-11-23T02:30:00.000Z", job="report",
        node="n1", due=datetime(2026, 11, 23, 2, 30, tzinfo=timezone.utc), attempt=1, token=7,
        params={"days": 30, "full": True},
    )  # fmt: skip
    context = AttemptContext(
        identity, output=NOBODY, launcher=NOBODY, timeout=None, grace=timedelta(seconds=5), reach=Reach(),
        trace={"traceparent": "00-0-0-01"},
    )  # fmt: skip
    given = context.environment({})
    assert (given["DKRONPY_DUE"], given["DKRONPY_PARAM_FULL"]) == ("2026-11-23T02:30:00+00:00", "true")
    told = {re.sub("_PARAM_.*", "_PARAM_<NAME>", name) for name in given}

    page = (ROOT / "docs" / "executors" / "shell.md").read_text()
    section = page.partition("## What the command gets\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([A-Z][A-Z_]+(?:<NAME>)?)`", section))
    assert named == told | {"ENV_JOB_NAME"}
