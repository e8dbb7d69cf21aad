"""What the pages name exists: other pages, headings, files, variables, checks; and their examples are whole."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from dkronpy.settings import env_name, setting_names
from tests.project.tree import tracked
from tests.support import ROOT

PAGES = [str(page) for page in tracked(".md") if page.parts[0] != "tests"]
SECRETS = "DKRONPY_SECRET_"
"""What the variables of secrets begin with, whose names people choose."""


@cache
def prose(page: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors(page: str) -> list[str]:
    """What a link to each heading ends in."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    bare = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return [re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in bare]


@cache
def code() -> str:
    """All that is not a page, in which a variable may be read."""
    suffixes = (".py", ".lua", ".c", ".html", ".tmpl", "")
    return "\n".join((ROOT / path).read_text(errors="replace") for path in tracked() if path.suffix in suffixes)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_to_headings(page: str) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(str(target.resolve().relative_to(ROOT.resolve())))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_is_linked_to_has_no_heading_twice(page: str) -> None:
    found = [] if page == "CHANGELOG.md" else anchors(page)
    assert sorted(found) == sorted(set(found))


@pytest.mark.parametrize("page", PAGES)
def test_a_variable_that_a_page_names_is_a_setting_or_read_somewhere(page: str) -> None:
    settings = {env_name(name) for name in setting_names()}
    named = set(re.findall(r"\bDKRONPY_[A-Z_]*[A-Z]\b", (ROOT / page).read_text()))
    unknown = {name for name in named - settings if not name.startswith(SECRETS)}
    assert {name for name in unknown if name not in code()} == set()


@pytest.mark.parametrize("page", PAGES)
def test_no_page_chains_a_command_to_plan_which_ends_with_2_where_there_is_something_to_do(page: str) -> None:
    assert not re.search(r"\bplan\b[^\n`]*&&", (ROOT / page).read_text())


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_imports_what_it_uses(page: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "page.py").write_text("\n".join(blocks))
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--output-format", "concise"]
    done = subprocess.run([*command, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_each_check_of_doctor_is_explained() -> None:
    sources = "".join(path.read_text() for path in sorted((ROOT / "dkronpy" / "supervisor").glob("checks*.py")))
    checks = set(re.findall(r"\b(?:ok|warn|fail)\(\"([a-z ]+)\"", sources))
    table = (ROOT / "docs" / "operating.md").read_text().partition("| Check |")[2].partition("\n\n")[0]
    rows = {check for row in re.findall(r"^\| ([a-z, ]+) \|", table, re.MULTILINE) for check in row.split(", ")}
    assert "clocks" in checks
    assert checks - rows == set()
