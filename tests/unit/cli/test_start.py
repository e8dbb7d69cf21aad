"""The command line starts at once: what is not needed is not imported, and a reader that leaves is no failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dkronpy.cli.main import COMMANDS, cli
from tests.support import ROOT

HEAVY = ("celery", "kombu", "redis", "requests", "msgspec", "sqlalchemy", "redbeat")
PROGRAM = """
import sys
sys.argv = ["dkronpy", *sys.argv[1:]]
from dkronpy.cli.main import main
try:
    main()
finally:
    print("MODULES " + " ".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def modules_after(*arguments: str, **env: str) -> set[str]:
    """The top-level modules that a fresh `dkronpy ARGUMENTS` has imported by its end."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        timeout=60,
    )
    assert done.returncode in (0, 1), done.stderr
    return set(done.stderr.rpartition("MODULES ")[2].split())


def leaves() -> Iterator[str]:
    """Every command that does something, with its group: ``job list``."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        verbs = command.commands if isinstance(command, click.Group) else {"": None}
        yield from (f"{name} {verb}".strip() for verb in verbs)


@pytest.mark.parametrize("arguments", [("--help",), ("version",), ("completion", "bash")], ids=" ".join)
def test_it_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert modules_after(*arguments).isdisjoint(HEAVY)


@pytest.mark.parametrize("words", ["dkronpy ", "dkronpy job li", "dkronpy runs list --st", "dkronpy beat --l"])
def test_completion_imports_nothing_heavy(words: str) -> None:
    env = {"_DKRONPY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    assert modules_after(**env).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", list(leaves()))
def test_the_help_of_a_command_imports_nothing_heavy_and_has_an_example(name: str) -> None:
    program = (
        "import sys; from click.testing import CliRunner; from dkronpy.cli.main import cli; "
        f"print(CliRunner().invoke(cli, {[*name.split(), '--help']!r}).stdout); "
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert "HEAVY []" in done.stdout
    assert "Examples:" in done.stdout
    assert f"  dkronpy {name}" in done.stdout or f" dkronpy {name}" in done.stdout


def test_a_reader_that_leaves_is_no_failure(tmp_path: Path) -> None:
    err = tmp_path / "err"
    with err.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "dkronpy", "next", "@every 1s", "-n", "50000"],
            stdout=subprocess.PIPE, stderr=sink, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
    assert err.read_text() == ""
