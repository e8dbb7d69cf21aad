"""``dkronpy executor new`` writes a project that installs, is found, and passes its own test."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dkronpy.cli.new_plugin import write_executor
from dkronpy.errors import ConfigError, ConflictError
from tests.support import ROOT


def run(*command: str | Path, cwd: Path, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, filter(None, (site, ROOT))))
    environment = {**os.environ, "PYTHONPATH": path, "DKRONPY_CONTRACT_REPEATS": "20"}
    done = subprocess.run([*command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_project_installs_and_passes_its_own_test(tmp_path: Path) -> None:
    python, site = sys.executable, tmp_path / "site"
    said = run(python, "-m", "dkronpy", "executor", "new", "ftp-upload", cwd=tmp_path)
    project = tmp_path / "dkronpy-executor-ftp-upload"
    assert f"cd {project.name}" in said.stdout + said.stderr
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    run(*pip, "--no-build-isolation", "--target", site, project, cwd=tmp_path)
    (project / "dkronpy_ftp_upload.py").rename(tmp_path / "away.py")  # what is installed is what is tested

    tests = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project, site=site)
    assert " passed" in tests.stdout
    assert "failed" not in tests.stdout
    assert "skipped" not in tests.stdout

    shown = run(python, "-m", "dkronpy", "executor", "show", "ftp-upload", "-o", "json", cwd=tmp_path, site=site)
    assert [row["option"] for row in json.loads(shown.stdout)] == ["text", "wait", "fail"]


@pytest.mark.parametrize("name", ["ftp", "s3", "ftp-upload", "ftp_upload"])
def test_every_file_is_filled_in(tmp_path: Path, name: str) -> None:
    written = write_executor(name, tmp_path / "new")
    module = f"dkronpy_{name.replace('-', '_')}.py"
    assert sorted(path.name for path in written) == sorted(["README.md", module, "pyproject.toml", f"test_{module}"])
    for path in written:
        text = path.read_text()
        assert "$" not in text
        if path.suffix == ".py":
            ast.parse(text)


@pytest.mark.parametrize("name", ["Ftp", "9ftp", "ftp upload", "../ftp", "ftp-", ""])
def test_a_name_that_cannot_be_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of an executor"):
        write_executor(name, tmp_path / "new")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(ConflictError, match="not empty"):
        write_executor("ftp", tmp_path)
    with pytest.raises(ConflictError, match="there is an executor 'shell' already"):
        write_executor("shell", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_processors_are_listed_and_shown(tmp_path: Path) -> None:
    python = sys.executable
    listed = run(python, "-m", "dkronpy", "executor", "list", "--kind", "processor", "-o", "json", cwd=tmp_path)
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert {"files", "log", "syslog", "fluent", "email", "slack", "elasticsearch"} <= set(rows)
    assert all(row["usable"] for row in rows.values())
    show = ["executor", "show", "--kind", "processor", "files", "-o", "json"]
    shown = run(python, "-m", "dkronpy", *show, cwd=tmp_path)
    assert {row["option"] for row in json.loads(shown.stdout)} == {"log_dir", "forward", "timeout"}
