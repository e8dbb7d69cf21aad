"""CI gives what fails one more try: the second must not be judged by what the first left behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = '''
import pytest

made = []
ended = []


@pytest.fixture(scope="session")
def server():
    made.append("server")
    yield made
    ended.append("server")


@pytest.fixture(scope="module")
def site(server):
    made.append("site")
    yield []
    ended.append("site")


@pytest.fixture(scope="module")
def other():
    """Of another test: goes on."""
    made.append("other")
    yield
    ended.append("other")


def test_before(site, other):
    site.append("before")


def test_that_fails_once(site):
    site.append("a try")
    assert site == ["a try"]


def test_after(site, other):
    assert site == ["a try"]
    assert (made, ended) == (["server", "site", "other", "server", "site"], ["site", "server"])
'''

HANGING = """
import threading


def test_that_hangs():
    threading.Event().wait(40)
"""
COMMAND = (sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "/dev/null", "--reruns", "1")


def reported(folder: Path, *options: str) -> str:
    """What pytest prints about the tests in a folder."""
    command = [*COMMAND, "--rootdir", str(folder), *options, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("parallel", [(), ("-n", "2", "--dist", "loadfile")], ids=["alone", "in parallel"])
def test_a_second_try_has_servers_of_its_own_and_the_next_tests_have_those(
    tmp_path: Path, parallel: tuple[str, ...]
) -> None:
    (tmp_path / "test_shared.py").write_text(MODULE)
    assert "3 passed, 1 rerun" in reported(tmp_path, *parallel)


def test_a_second_try_has_the_whole_time_limit_and_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "test_slow.py").write_text(HANGING)
    said = reported(tmp_path, "--timeout", "2")
    assert "1 failed, 1 rerun" in said
    assert 4 < float(re.search(r"([\d.]+)s ====", said)[1]) < 40, said  # type: ignore[index]
