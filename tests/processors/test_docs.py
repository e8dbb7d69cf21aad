"""The pages of the processors: every option stands in the table, and every example works.

``python -m tests.processors.test_docs`` writes the tables anew from the options themselves.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dkronpy.config.check import full_check
from dkronpy.job.json import decode_job
from dkronpy.plugins.registry import names, options_type
from tests.executors.test_docs import BEGIN, END, table

PAGES = Path(__file__).resolve().parents[2] / "docs" / "processors"


def test_every_processor_has_a_page_and_every_page_a_processor() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} - {"index"} == set(names("processor"))


@pytest.mark.parametrize("name", names("processor"))
def test_the_table_is_that_of_the_options(name: str) -> None:
    found = (PAGES / f"{name}.md").read_text().partition(BEGIN)[2].partition(END)[0]
    assert found == table(options_type(name, "processor")), "run: python -m tests.processors.test_docs"


@pytest.mark.parametrize("name", [*names("processor"), "index"])
def test_the_examples_are_taken(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    found = re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    jobs = [json.loads(one) for one in found]
    assert any("processors" in job for job in jobs)
    for job in jobs:
        if "processors" in job:
            whole = {
                "name": "x",
                "schedule": "@daily",
                "executor": "shell",
                "executor_config": {"command": "ls"},
                **job,
            }
            assert full_check(decode_job(json.dumps(whole))[0]) == []


if __name__ == "__main__":
    for name in names("processor"):
        page = PAGES / f"{name}.md"
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(before + BEGIN + table(options_type(name, "processor")) + END + rest.partition(END)[2])
