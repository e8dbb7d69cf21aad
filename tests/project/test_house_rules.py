"""The rules of the house that no linter knows: sizes, words, places."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.tree import PACKAGES, syntax, tracked, tracked_modes
from tests.support import ROOT

LONGEST_MODULE = 400
TOP_LEVEL_FOLDERS = {".ci", "config", "dkronpy", "docs", "executors", "scripts", "tasks", "tests"}
TOP_LEVEL_FILES = {
    ".editorconfig",
    ".gitattributes",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "mkdocs.yml",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
}
# Put together here, so that this file does not hold what it looks for.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("maven", "org"),
        ("rubygems", "org"),
        ("deb", "debian", "org"),
    )
]
LEFT_OVERS = ["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error"]
FORBIDDEN = {
    **{host: re.compile(rf"\b{re.escape(host)}\b") for host in REGISTRIES},
    **{word: re.compile(rf"\b{word}\b") for word in LEFT_OVERS},
    "a path of one machine": re.compile(r"(?<![\w.}$-])/(?:work|root)" + r"/(?=[\w.])"),
    "a path outside the repository": re.compile(r"\.\./" + "shared"),
}
NO_TESTS = {"callables.py", "support.py"}
"""Modules beside the tests: what a job runs may well sleep, and one of them has what tests use instead."""
VAGUE_NAMES = {"base", "common", "helpers", "misc", "util", "utils"}


def test_no_module_is_long(capsys: pytest.CaptureFixture[str]) -> None:
    lines = {path: len((ROOT / path).read_text().splitlines()) for path in tracked(".py")}
    installed = [count for path, count in lines.items() if path.parts[0] in PACKAGES and count > 1]
    with capsys.disabled():
        print(f"\n{len(installed)} modules, median {statistics.median(installed):.0f} lines, longest {max(installed)}")
    assert [f"{path}: {count}" for path, count in lines.items() if count > LONGEST_MODULE] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in tracked(".py") if (tree := syntax(path)).body and not ast.get_docstring(tree)]
    assert not silent, "\n".join(map(str, silent))


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in tracked(".py") if path.stem.strip("_") in VAGUE_NAMES] == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_holds(what: str) -> None:
    found = []
    for path in tracked():
        content = (ROOT / path).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode().splitlines(), 1):
            if FORBIDDEN[what].search(line):
                found.append(f"{path}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def dotted_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each attribute that is read and each name that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (r"^time\.sleep$", "wait_until of tests.support, or an event with a deadline"),
        (r"^pytest\.(skip|xfail|importorskip)$|^pytest\.mark\.(skip|skipif|xfail)$", "a test that can run"),
        (r"^asyncio\.run$", "run_apart of tests.support"),
        (r"^unittest\.mock\b|^mock\.", "the real thing, started by the test"),
    ],
)
def test_tests_do_not_use(pattern: str, instead: str) -> None:
    found = [
        f"{path}:{line}: {name}; use {instead}"
        for path in tracked(".py", under=("tests",))
        if path.name not in NO_TESTS
        for line, name in dotted_names(syntax(path))
        if re.search(pattern, name)
    ]
    assert not found, "\n".join(found)


def test_the_top_level_stays_small() -> None:
    tops = {Path(path).parts[0] for path in tracked_modes()}
    assert tops - TOP_LEVEL_FOLDERS - TOP_LEVEL_FILES == set()


def test_scripts_are_executable_and_documented() -> None:
    commands = [path for path in tracked(under=("scripts", ".ci")) if not path.suffix]
    assert Path("scripts/run") in commands
    assert Path(".ci/run") in commands
    for path in commands:
        assert tracked_modes()[str(path)] == "100755", f"{path} is not executable: git update-index --chmod=+x {path}"
        first, second = (ROOT / path).read_text().splitlines()[:2]
        assert first.startswith("#!"), path
        assert second.startswith(("# ", '"""')), f"{path} does not say what it does"


def test_continuous_integration_runs_the_command_that_people_run() -> None:
    assert "./scripts/test" in (ROOT / ".ci/run").read_text()
