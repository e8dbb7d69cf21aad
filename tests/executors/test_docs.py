"""The pages of the executors: every option stands in the table, and every example works.

``python tests/executors/test_docs.py`` writes the tables anew from the options themselves.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from dkronpy.plugins.options import FieldDoc, Options, describe
from dkronpy.plugins.registry import executor_names, options_type

PAGES = Path(__file__).resolve().parents[2] / "docs" / "executors"
BEGIN, END = "<!-- options -->\n", "<!-- end of options -->"


def table(options: type[Options]) -> str:
    """The table of options as its page has it."""
    rows = [_row(entry) for entry in describe(options)]
    return "\n".join(["| Option | Dkron's key | Type | Default | |", "|---|---|---|---|---|", *rows, ""])


def _row(entry: FieldDoc) -> str:
    default = "required" if entry.required else f"`{json.dumps(entry.default)}`"
    if default in ("`null`", '`""`', "`{}`", "`[]`"):
        default = ""
    dkron = f"`{entry.dkron}`" if entry.dkron else ""
    return f"| `{entry.name}` | {dkron} | {entry.kind} | {default} | {entry.description} |".replace("  ", " ")


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text()


def examples(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page(name), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", executor_names())
def test_the_table_is_that_of_the_options(name: str) -> None:
    found = page(name).partition(BEGIN)[2].partition(END)[0]
    assert found == table(options_type(name)), "run: python tests/executors/test_docs.py"


@pytest.mark.parametrize("name", executor_names())
def test_the_json_examples_are_taken(name: str) -> None:
    found = [json.loads(text) for text in examples(name, "json")]
    assert found
    for job in found:
        assert job["executor"] == name
        options_type(name).from_config(job["executor_config"])


@pytest.mark.parametrize("name", executor_names())
def test_the_python_examples_make_options_without_problems(name: str) -> None:
    made: list[Any] = []
    for text in examples(name, "python"):
        scope: dict[str, Any] = {"__name__": "example"}
        for statement in ast.parse(text).body:
            if isinstance(statement, ast.Expr):
                made.append(eval(ast.unparse(statement.value), scope))
            else:
                exec(ast.unparse(statement), scope)
    assert made
    for options in made:
        assert isinstance(options, options_type(name))
        assert options.problems() == []


if __name__ == "__main__":
    for executor in executor_names() if len(sys.argv) == 1 else sys.argv[1:]:
        before, _, rest = page(executor).partition(BEGIN)
        after = rest.partition(END)[2]
        (PAGES / f"{executor}.md").write_text(before + BEGIN + table(options_type(executor)) + END + after)
