"""What README.md and CONTRIBUTING.md show exists and works."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.project.tree import tracked_modes
from tests.support import ROOT


def test_the_job_in_the_readme_is_a_job() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(block.replace("\nJob(", "\nexample = Job("), namespace)
    example = namespace["example"]
    assert example.name == "nightly-report"
    assert example.executor == "shell"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_and_commands_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    targets = {target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target}
    targets |= {f"scripts/{name}" for name in re.findall(r"\./scripts/(\w+)", text)}
    paths = set(tracked_modes())
    missing = {
        target
        for target in targets
        if target not in paths and not any(path.startswith(target.rstrip("/") + "/") for path in paths)
    }
    assert missing == set()
