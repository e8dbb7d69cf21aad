"""Every promise in the documentation names tests, and each of these exists."""

from __future__ import annotations

import ast
import re

import pytest

from dkronpy.verify.checker import RULES
from tests.support import ROOT

PAGE = (ROOT / "docs/guarantees.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


def test_every_promise_names_a_test() -> None:
    promises = re.split(
        r"^\*\*(?=G\d|And nothing)", PAGE.partition("## The promises")[2].partition("\n## ")[0], flags=re.MULTILINE
    )
    assert len(promises) == 12, "ten promises, and that nothing is left"
    for promise in promises[1:]:
        assert "::test_" in promise, f"no test holds this: {promise[:60]}"


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_each_test_that_is_named_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_rule_of_the_judge_is_told() -> None:
    assert re.findall(r"^\| (I\d+) \|", PAGE, flags=re.MULTILINE) == list(RULES)
